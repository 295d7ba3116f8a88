"""What the command line shows: results on stdout, progress and notices on stderr."""

import atexit
import gc
import json
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from app.settings import Settings, silence_telemetry

# A terminal redraws its line; a log gets a line now and then.
_REDRAW_SECONDS = 0.1
_LOG_SECONDS = 10.0


class ProgressStep(Protocol):
    """What fraud_model.Progress and retrieval.Progress have in common."""

    @property
    def stage(self) -> str:
        """What is being done."""

    @property
    def done(self) -> int:
        """Units finished."""

    @property
    def total(self) -> int | None:
        """Units in all, or None."""

    @property
    def message(self) -> str:
        """A detail beside the bar."""


def start(overrides: dict[str, Any] | None = None) -> Settings:
    """Settings for one command; logs go to stderr at their level, no library calls home."""
    from app import logs

    silence_telemetry()
    spare_garbage_collection()
    settings = Settings.load(overrides)
    logs.configure(settings)
    return settings


def spare_garbage_collection() -> None:
    """Look for unreachable objects less often, and not at all when the process ends.

    The libraries are half a million objects that stay; walking over them again and again while they are imported, and
    once more at the end, is time for nothing.
    """
    gc.set_threshold(50_000, 20, 50)
    # Registered first and so called last: what is frozen is passed over by the last collections.
    atexit.register(gc.freeze)


def emit(result: dict[str, Any], text: str, as_json: bool) -> None:
    """Print a result: one JSON object, or text for people."""
    print(json.dumps(result, ensure_ascii=False, default=str) if as_json else text)


def note(text: str) -> None:
    """A line for the person who waits, on stderr."""
    _clear()
    print(text, file=sys.stderr, flush=True)


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Rows as aligned columns; numbers to the right."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in [list(header), *cells]) for i in range(len(header))]
    right = [bool(cells) and all(_is_number(row[i]) for row in cells) for i in range(len(header))]

    def line(row: Sequence[str]) -> str:
        padded = (c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True))
        return "  ".join(padded).rstrip()

    return "\n".join([line(list(header)), line(["-" * width for width in widths]), *map(line, cells)])


class ProgressLine:
    """A progress callback that draws one line with share, rate and time left."""

    def __init__(self) -> None:
        self._stage = ""
        self._started = 0.0
        self._shown = 0.0
        self._terminal = sys.stderr.isatty()

    def __call__(self, step: ProgressStep) -> None:
        """Show the step, at most a few times a second."""
        now = time.monotonic()
        if step.stage != self._stage:
            self._stage, self._started, self._shown = step.stage, now, 0.0 if self._terminal else now
        finished = step.total is not None and step.done >= step.total
        if now - self._shown < (_REDRAW_SECONDS if self._terminal else _LOG_SECONDS) and not finished:
            return
        self._shown = now
        if self._terminal:
            _clear()
            print(f"      {self._text(step, now)}"[:110], end="", file=sys.stderr, flush=True)
        elif not finished:
            print(f"      {self._text(step, now)}", file=sys.stderr, flush=True)

    def _text(self, step: ProgressStep, now: float) -> str:
        parts = [step.stage]
        seconds = now - self._started
        if step.total:
            parts.append(f"{step.done:,} of {step.total:,} ({step.done / step.total:.0%})")
            if step.done and seconds > 1 and step.done < step.total:
                parts.append(f"{seconds * (step.total - step.done) / step.done:.0f} s left")
        if step.message:
            parts.append(step.message)
        return " · ".join(parts)


def _clear() -> None:
    if sys.stderr.isatty():
        print("\r\x1b[2K", end="", file=sys.stderr)


def _is_number(cell: str) -> bool:
    return cell.replace(",", "").replace(".", "").replace("%", "").lstrip("-").isdigit() or cell == ""
