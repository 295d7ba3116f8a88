"""How often somebody may do something: requests a minute, and sign-ins that failed.

In memory of the one process that serves; a restart forgets. Both keep only who was there lately.
"""

import threading
import time
from collections.abc import Callable

_MOST_KEYS = 20_000
_FREE_FAILURES = 4
_LONGEST_WAIT_SECONDS = 900.0
_FORGET_SECONDS = 3_600.0


class RateLimit:
    """A budget that fills evenly: at most `per_minute` at once, and so many a minute over time.

    Args:
        per_minute: Requests a minute for each key; 0 for no limit.
        clock: Seconds that only grow.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = float(per_minute)
        self._clock = clock
        self._left: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def take(self, key: str) -> float:
        """Takes one from a key's budget.

        Returns:
            0 where it was there, else the seconds until it will be.
        """
        if not self._size:
            return 0.0
        now = self._clock()
        with self._lock:
            left, since = self._left.get(key, (self._size, now))
            left = min(self._size, left + (now - since) * self._size / 60)
            if left < 1:
                return (1 - left) * 60 / self._size
            if len(self._left) >= _MOST_KEYS:
                # Whoever was last seen more than a minute ago has a full budget again.
                self._left = {name: kept for name, kept in self._left.items() if now - kept[1] < 60}
            self._left[key] = (left - 1, now)
        return 0.0


class FailedSignIns:
    """Makes whoever guesses passwords wait: after four failures twice as long each time, up to fifteen minutes.

    Counted for a name from an address, so that nobody keeps others out; and for an address alone, ten times as
    patiently, so that it cannot try one password on every name.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: dict[tuple[str, str], tuple[int, float]] = {}
        self._lock = threading.Lock()

    def wait(self, name: str, address: str) -> float:
        """Seconds until the next attempt is looked at; 0 for now."""
        now = self._clock()
        with self._lock:
            return max(
                self._wait((name.lower(), address), _FREE_FAILURES, now),
                self._wait(("", address), 10 * _FREE_FAILURES, now),
                0.0,
            )

    def failed(self, name: str, address: str) -> None:
        """Counts a failure."""
        now = self._clock()
        with self._lock:
            if len(self._failures) >= _MOST_KEYS:
                recent = {key: kept for key, kept in self._failures.items() if now - kept[1] < _LONGEST_WAIT_SECONDS}
                self._failures = recent if len(recent) < _MOST_KEYS else {}
            for key in ((name.lower(), address), ("", address)):
                count, last = self._failures.get(key, (0, now))
                self._failures[key] = (1 if now - last > _FORGET_SECONDS else count + 1, now)

    def succeeded(self, name: str, address: str) -> None:
        """Forgets the failures of a name from an address."""
        with self._lock:
            self._failures.pop((name.lower(), address), None)

    def _wait(self, key: tuple[str, str], free: int, now: float) -> float:
        count, last = self._failures.get(key, (0, now))
        if count < free or now - last > _FORGET_SECONDS:
            return 0.0
        return last + min(2.0 ** min(count - free, 20), _LONGEST_WAIT_SECONDS) - now
