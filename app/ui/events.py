"""What the page's own elements send with an event. Anybody can send anything: every value is checked here."""

from typing import Any

import gradio as gr

from app.errors import message_of


def sent(event: gr.EventData, name: str, default: Any = None) -> Any:
    """A value that came with an event, or the default where it did not."""
    # An event without values leaves None where Gradio looks for them.
    return default if event._data is None else getattr(event, name, default)


def sent_text(event: gr.EventData, name: str, limit: int = 5_000) -> str:
    """A text that came with an event, cut to `limit` characters."""
    value = sent(event, name, "")
    return value[:limit] if isinstance(value, str) else ""


def sent_number(event: gr.EventData, name: str) -> float:
    """A number that came with an event.

    Raises:
        gr.Error: it is not one; shown on the page.
    """
    try:
        return float(sent(event, name))
    except (TypeError, ValueError) as error:
        raise gr.Error("The page sent something unexpected; reload it.") from error


def shown(error: Exception) -> gr.Error:
    """An error as the page shows it."""
    return gr.Error(message_of(error), duration=12, print_exception=False)
