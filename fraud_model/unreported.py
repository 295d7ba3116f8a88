"""Fraud that nobody has reported yet, as a prior that trees can learn from.

Where the newest known label of a payee is legitimate, its payments can still be fraud: of a compromise begun since,
and whose first reports are under way. With new compromises at a constant rate, that risk grows in proportion to the
time since that label. Such fraud looks like any other payment and is rare, so that trees, left to themselves, order
plain payments by the noise of a few dozen cases. Here the prior goes into the labels: each legitimate payment counts as
fraud to a small part, in proportion to its time at risk. That is label smoothing (Szegedy and others, "Rethinking the
Inception Architecture for Computer Vision", CVPR 2016) with a part of its own for each row; or, seen as statistics, a
prior given as observations (Bedrick, Christensen and Johnson, "A New Perspective on Priors for Generalized Linear
Models", JASA 91, 1996).

Whether the prior helps is not assumed: `candidates.choose` tries it on payees that the trees have not seen.
"""

import numpy as np

from fraud_model.definitions import WINDOW_DAYS
from fraud_model.metrics import Array
from fraud_model.schema import DAY_SECONDS

SINCE_LEGITIMATE = "payee_since_legitimate"
"""The feature that holds the time at risk."""
_LONGEST_SECONDS = WINDOW_DAYS[-1] * DAY_SECONDS
_LARGEST_PART = 0.5


def labels_with_unreported(labels: Array, since_legitimate: Array, assumed: float) -> Array:
    """Labels in which legitimate payments are fraud to the part that may be unreported.

    Args:
        labels: 1 fraud, 0 legitimate, shape (rows,).
        since_legitimate: Seconds since the newest payment to the same payee that is known to be legitimate, shape
            (rows,); NaN where there is none, which counts as the mean of the others. Beyond 30 days, it counts as 30.
        assumed: How much unreported fraud to assume, as a multiple of the known fraud; 0 leaves the labels alone.

    Returns:
        Labels in [0, 1], shape (rows,), float64; fraud stays 1, no legitimate payment is above 0.5.
    """
    at_risk = np.clip(since_legitimate.astype(np.float64), 0.0, _LONGEST_SECONDS)
    known = ~np.isnan(at_risk)
    mean = float(at_risk[known].mean()) if known.any() else 0.0
    relative = np.where(known, at_risk / mean, 1.0) if mean > 0 else np.ones(labels.shape)
    part = np.minimum(assumed * float(labels.mean()) * relative, _LARGEST_PART)
    return np.asarray(labels + (1.0 - labels) * part, np.float64)
