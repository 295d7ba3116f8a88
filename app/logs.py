"""Log lines: for people, or one JSON object each; every line names the request that it belongs to.

What looks like a card number, an IBAN or an e-mail address is masked before a line is written. Notes, questions and
payments are not logged at all.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from app import context
from app.settings import Settings

_TEXT = "%(asctime)s %(levelname)s %(name)s%(request)s: %(message)s"

# Libraries that log every address they ask, queries included.
_CHATTY = ("httpx", "httpcore", "urllib3")


def configure(settings: Settings) -> None:
    """Sends every library's log lines to stderr, in the format and from the level of the settings."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if settings.log_format == "json" else TextLines(_TEXT))
    logging.basicConfig(level=settings.log_level, handlers=[handler])
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)


class TextLines(logging.Formatter):
    """Lines for people."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and the traceback where there is one."""
        request = context.request_id.get()
        record.request = f" [{request}]" if request else ""
        return masked(super().format(record))


class JsonLines(logging.Formatter):
    """Lines for machines: one JSON object each."""

    def format(self, record: logging.LogRecord) -> str:
        """One JSON object: at, level, logger, message, request, user, and what the line's `extra` fields hold."""
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": masked(record.getMessage()),
        }
        for name, value in (("request", context.request_id.get()), ("user", context.user_name.get())):
            if value:
                line[name] = value
        fields = getattr(record, "fields", None)
        if isinstance(fields, dict):
            line |= fields
        if record.exc_info:
            line["exception"] = masked(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False, default=str)


def masked(text: str) -> str:
    """The text with card numbers, IBANs and e-mail addresses masked."""
    # Looked for only where there could be one: most lines have neither.
    if "@" not in text and not any(character.isdigit() for character in text):
        return text
    from retrieval.masking import mask

    return mask(text).text
