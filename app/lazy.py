"""A part that is opened on first use, once, whichever thread asks first."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Part = TypeVar("Part")


class Lazy(Generic[Part]):
    """Opens a part on first use and keeps it; a failed opening is tried again at the next use.

    Readers never wait for a swap: `replace` puts the new part in place in one assignment.
    """

    def __init__(self, open_part: Callable[[], Part]) -> None:
        self._open = open_part
        self._lock = threading.Lock()
        self._part: Part | None = None
        self.error: Exception | None = None

    @property
    def opened(self) -> bool:
        """Whether the part is there."""
        return self._part is not None

    def get(self) -> Part:
        """The part; raises what opening it raises."""
        part = self._part
        if part is not None:
            return part
        with self._lock:
            if self._part is None:
                try:
                    self._part = self._open()
                except Exception as error:
                    self.error = error
                    raise
                self.error = None
            return self._part

    def reopen(self) -> Part:
        """Opens the part anew and puts it in place of the old one; on failure the old one stays and serves."""
        with self._lock:
            part = self._open()
            self._part, self.error = part, None
            return part

    def forget(self) -> None:
        """Drops the part, so that the next use opens it anew."""
        with self._lock:
            self._part = None
