"""What benchmarks share: a line about the machine, the clock, memory, and a table of results."""

import os
import platform
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

Result = TypeVar("Result")


def machine() -> str:
    """One line about this machine and what else it is doing."""
    cores = len(os.sched_getaffinity(0))
    return (
        f"{_processor()}, {cores} cores, {_memory_gb():.0f} GB, load {os.getloadavg()[0]:.1f}, "
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    )


@dataclass(frozen=True)
class Timing:
    """What something took.

    Attributes:
        seconds: On the clock.
        processor: Processor time of all threads in seconds; the fairer figure where the machine does other things too.
    """

    seconds: float
    processor: float

    def scaled(self, factor: float) -> "Timing":
        """The time of so many times as much."""
        return Timing(self.seconds * factor, self.processor * factor)

    def __add__(self, other: "Timing") -> "Timing":
        return Timing(self.seconds + other.seconds, self.processor + other.processor)

    def against(self, other: "Timing") -> str:
        """How many times as long as another, by the clock and by processor time."""
        return f"{self.seconds / other.seconds:.2f} ({self.processor / other.processor:.2f})"


def timed_result(action: Callable[..., Result], *arguments: object) -> tuple[Result, Timing]:
    """What one call gives, and what it takes."""
    started, spent = time.perf_counter(), time.process_time()
    result = action(*arguments)
    return result, Timing(time.perf_counter() - started, time.process_time() - spent)


def best_of(runs: int, action: Callable[[], object]) -> Timing:
    """The fastest of some runs."""
    return min((timed_result(action)[1] for _ in range(runs)), key=lambda timing: timing.seconds)


def peak_bytes(action: Callable[[], object]) -> int:
    """By how much the process's memory stood above where it began, at its highest during a call; result included."""
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forgets the highest so far
    kept = action()
    highest = _status("VmHWM")
    del kept
    return highest - before


def peak_rss() -> int:
    """The most memory this process has held, in bytes."""
    return _status("VmHWM")


def print_table(title: str, rows: Iterable[tuple[str, Timing, str]]) -> None:
    """Lines of a name, what it took, and what that means."""
    print(f"\n{title:<66}{'seconds':>10}{'processor':>11}  times (by processor time)")
    for name, timing, remark in rows:
        print(f"{name:<66}{timing.seconds:>10.3f}{timing.processor:>11.3f}  {remark}".rstrip())


def _status(name: str) -> int:
    text = Path("/proc/self/status").read_text()
    return int(text.split(f"{name}:")[1].split()[0]) * 1024


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())


def _memory_gb() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
