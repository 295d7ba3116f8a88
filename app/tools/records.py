"""What a tool is asked and what it gives: figures with where they come from, in words, as a table, as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class ToolError(Exception):
    """A tool cannot give what was asked; one sentence that says why. The rest of the answer goes on."""


@dataclass(frozen=True)
class ToolCall:
    """One tool with its arguments.

    Attributes:
        tool: Name of the tool.
        arguments: By name, as texts.
        asked: Whether the question asks for just these figures; False where it only names the payment or the account,
            so that the documents have to answer what is asked of it.
    """

    tool: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    asked: bool = True


@dataclass(frozen=True)
class Figure:
    """One figure: its name in words, its value for programs, and the same as people read it."""

    label: str
    value: float | int | str | bool | None
    text: str


@dataclass(frozen=True)
class FigureTable:
    """Figures side by side; every row has as many cells as there are columns."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Link:
    """Somewhere to look further; `href` is empty where the place has no address of its own."""

    label: str
    href: str = ""


@dataclass(frozen=True)
class ToolResult:
    """What one tool gave.

    Attributes:
        tool: Name of the tool.
        arguments: As they were checked.
        title: What the figures are about.
        sentences: What they say, in words; every figure in them stands in `figures` or `table`.
        figures: The figures that matter most.
        table: More of them.
        source: Where they come from.
        links: Where to look further.
        subject: Payments, accounts, versions and runs that the figures are about: documents that name one are read.
        problem: Why there are no figures; empty where there are.
    """

    tool: str
    arguments: Mapping[str, str]
    title: str
    sentences: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    table: FigureTable | None = None
    source: str = ""
    links: tuple[Link, ...] = ()
    subject: tuple[str, ...] = ()
    problem: str = ""

    @property
    def text(self) -> str:
        """The sentences as one text."""
        return " ".join(self.sentences)

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        body: dict[str, Any] = {
            "tool": self.tool,
            "arguments": dict(self.arguments),
            "title": self.title,
            "sentences": list(self.sentences),
            "figures": [vars(figure) for figure in self.figures],
            "source": self.source,
            "links": [vars(link) for link in self.links],
        }
        if self.table is not None:
            body["table"] = {"columns": list(self.table.columns), "rows": [list(row) for row in self.table.rows]}
        return body | ({"problem": self.problem} if self.problem else {})


def number(value: float, digits: int = 3) -> str:
    """A figure as it stands in a sentence: whole numbers with thousands marks, others with `digits` decimals."""
    if float(value).is_integer():
        return f"{value:,.0f}"
    return f"{value:,.{digits}f}"


def money(amount: float, currency: str) -> str:
    """An amount with its currency: EUR 12,480.00."""
    return f"{currency} {amount:,.2f}"


def counted(count: int, noun: str, plural: str = "") -> str:
    """A count with its noun: 1 payment, 2 payments."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
