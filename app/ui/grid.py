"""A table that scrolls in a box of its own, by mouse and by keys."""

from collections.abc import Sequence

from app.ui import format as show


class Num(str):
    """The head of a column of figures, set to the right."""


def grid(label: str, heads: Sequence[str], rows: str, kind: str = "") -> str:
    """A table.

    Args:
        label: What it holds, for screen readers.
        heads: Names of the columns; `Num` for figures.
        rows: Its rows as HTML, escaped already.
        kind: Further classes.
    """
    head = "".join(
        f"<th scope='col' class='{'fd-num' if isinstance(name, Num) else 'fd-words'}'>{show.text(name)}</th>"
        for name in heads
    )
    return (
        f"<div class='fd-table-box' tabindex='0' role='region' aria-label='{show.text(label)}'>"
        f"<table class='{f'fd-plain {kind}'.strip()}'><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )
