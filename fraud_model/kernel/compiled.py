"""How loops are compiled: without the interpreter lock, kept on disk between runs.

Each compiled function calls only functions of its own file, because the compiler's cache looks at that file alone to
see whether it is out of date.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

Array = np.ndarray[Any, np.dtype[Any]]

HOUR = 3_600
DAY = 86_400
MISSING_CENTS = int(np.iinfo(np.int64).min)
"""Marks a payment without an amount: it gets features, but is no history for others."""


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile at the first call; cached beside the file, or in the user's cache folder where that is read-only."""
    try:
        return njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:  # numba found no writable cache folder at all
        return njit(nogil=True, error_model="numpy")(function)
