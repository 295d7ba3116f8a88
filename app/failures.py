"""Every error that can reach a user, as one record: code, one line, exit code, HTTP status.

The lower packages raise their own errors; only here are they given an exit code and a status.
"""

import errno
import logging
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from app.settings import SettingsError

FAILED = 1
WRONG_INPUT = 2


@dataclass(frozen=True)
class Failure:
    """One error as users see it.

    Attributes:
        code: Stable name, for scripts: `bad_input`, `disk_full`, ...
        message: One line that says what is wrong and what to do.
        exit_code: Of a command: 1 failed, 2 wrong usage or bad input.
        status: Of an HTTP answer.
    """

    code: str
    message: str
    exit_code: int
    status: int


class PortInUse(Exception):
    """The address that the desk should listen on is taken, or cannot be had."""


class DeskRunning(Exception):
    """Another process holds this home, so that this one must not write."""


class NoUsers(Exception):
    """The desk would be open to others on the network without anybody having to sign in."""


def classify(error: BaseException) -> Failure | None:
    """The failure that an exception stands for; None for one that nobody expected."""
    from app.access import ForbiddenError
    from app.scheduler import SchedulerError
    from app.schedules import AlreadyRunning, TimeLimitReached
    from app.store import StoreError
    from app.tokens import TokenError
    from app.users import UserError
    from eval import errors as measurement
    from fraud_model import errors as model
    from retrieval import errors as documents

    text = one_line(str(error))
    if _is_full_disk(error):
        where = getattr(error, "filename", None)
        place = f" while writing {where}" if where else ""
        return Failure("disk_full", f"the disk is full{place}; free some space, nothing half written was kept", 1, 507)
    table: tuple[tuple[type[BaseException], str, int, int], ...] = (
        (SettingsError, "bad_setting", WRONG_INPUT, 400),
        (model.InputError, "bad_input", WRONG_INPUT, 422),
        (documents.InputError, "bad_input", WRONG_INPUT, 422),
        (measurement.EvalInputError, "bad_input", WRONG_INPUT, 422),
        (model.PromotionRefused, "promotion_refused", FAILED, 409),
        (model.LeakageFound, "leakage_found", FAILED, 422),
        (model.ModelError, "model_unusable", FAILED, 409),
        (documents.IndexLocked, "index_locked", FAILED, 409),
        (documents.IndexMismatch, "index_mismatch", FAILED, 409),
        (documents.ModelUnavailable, "model_unavailable", FAILED, 503),
        (model.FraudModelError, "failed", FAILED, 500),
        (documents.RetrievalError, "failed", FAILED, 500),
        (measurement.EvalError, "failed", FAILED, 500),
        (StoreError, "database", FAILED, 503),
        (UserError, "bad_user", WRONG_INPUT, 422),
        (TokenError, "bad_token", WRONG_INPUT, 422),
        (NoUsers, "no_users", WRONG_INPUT, 409),
        (ForbiddenError, "forbidden", FAILED, 403),
        (PortInUse, "port_in_use", FAILED, 409),
        (DeskRunning, "desk_running", FAILED, 409),
        (AlreadyRunning, "already_running", FAILED, 409),
        (TimeLimitReached, "time_limit", FAILED, 504),
        (SchedulerError, "scheduler", FAILED, 503),
    )
    for kind, code, exit_code, status in table:
        if isinstance(error, kind):
            return Failure(code, text, exit_code, status)
    if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError | NotADirectoryError):
        return Failure("file", f"{error.filename}: {error.strerror}", WRONG_INPUT, 422)
    if isinstance(error, OSError):
        return Failure("system", text, FAILED, 500)
    if type(error).__module__.startswith(("mlflow", "sqlalchemy", "chromadb")):
        part = type(error).__module__.split(".")[0]
        return Failure("store", f"{part}: {text}; `frauddesk doctor` says what is reachable", FAILED, 503)
    return None


def report(error: Exception) -> int:
    """Write one line about the error to stderr; the exit code."""
    failure = classify(error)
    if failure is None:
        name = type(error).__name__
        failure = Failure("internal", f"internal error ({name}): {one_line(str(error))}", FAILED, 500)
    try:
        print(f"frauddesk: {failure.message}", file=sys.stderr)
        if logging.getLogger().isEnabledFor(logging.DEBUG):
            logging.getLogger(__name__).debug("details", exc_info=error)
        elif failure.code == "internal":
            print("frauddesk: FRAUDDESK_LOG_LEVEL=DEBUG shows where", file=sys.stderr)
    except OSError:
        # stderr itself may be on the full disk; the exit code still tells.
        return failure.exit_code
    return failure.exit_code


def one_line(text: str, limit: int = 600) -> str:
    """The text without line breaks, cut to `limit` characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _is_full_disk(error: BaseException) -> bool:
    for cause in _chain(error):
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        text = str(cause)
        if "database or disk is full" in text or os.strerror(errno.ENOSPC) in text:
            return True
    return False


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        yield current
        seen.add(id(current))
        current = current.__cause__ or current.__context__
