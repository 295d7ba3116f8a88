"""What one analyst's browser shows of the queue: filter, budget, page, opened alert.

The browser keeps it, so that a reload or a restart of the desk changes nothing; what comes from there is checked here.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from math import isfinite
from typing import Any

from app.records import DECIDED, NEEDS_INFORMATION, NOBODY, OPEN, AlertFilter

VIEWS: dict[str, tuple[str, tuple[str, ...]]] = {
    "open": ("Open", (OPEN,)),
    "waiting": ("Waiting", (NEEDS_INFORMATION,)),
    "decided": ("Decided", DECIDED),
    "all": ("All", ()),
}
AGES: dict[str, tuple[str, float, float | None]] = {
    "": ("Any age", 0.0, None),
    "young": ("Under 4 hours", 0.0, 4.0),
    "day": ("Over a day", 24.0, None),
    "old": ("Over 3 days", 72.0, None),
}
ME = "me"
_LONGEST = 200
_LARGEST = 1e15


@dataclass(frozen=True)
class QueueState:
    """What the page shows.

    Attributes:
        view: Key of `VIEWS`.
        search: Start of a transaction id, payer or payee.
        least: Least score.
        most: Largest score.
        min_amount: Least amount; None: any.
        max_amount: Largest amount; None: any.
        typology: Likely typology; empty: any.
        owner: empty: whoever, `-`: nobody, `me`: the user, else a name.
        age: Key of `AGES`.
        analysts: Analysts at work.
        each: Alerts that each works a day; 0 until the team's budget was looked up.
        within: Whether to show only alerts above the budget's threshold.
        wide: Whether the further filters are open.
        budget_open: Whether the budget is open.
        offset: Alerts passed over.
        selected: The opened alert.
    """

    view: str = "open"
    search: str = ""
    least: float = 0.0
    most: float = 1.0
    min_amount: float | None = None
    max_amount: float | None = None
    typology: str = ""
    owner: str = ""
    age: str = ""
    analysts: int = 1
    each: int = 0
    within: bool = True
    wide: bool = False
    budget_open: bool = False
    offset: int = 0
    selected: int | None = None

    @classmethod
    def of(cls, values: Any) -> "QueueState":
        """The state in what a browser sent or a view kept; what does not fit is as in a new one."""
        given: Mapping[str, Any] = values if isinstance(values, Mapping) else {}
        kept = {name: _checked(name, given[name]) for name in (field.name for field in fields(cls)) if name in given}
        return cls(**{name: value for name, value in kept.items() if value is not _WRONG})

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @property
    def budget(self) -> int:
        """Alerts a day that the team works."""
        return self.analysts * self.each

    @property
    def narrowed(self) -> bool:
        """Whether anything but the usual list is asked for."""
        usual = replace(QueueState(), **{name: getattr(self, name) for name in _NOT_FILTERS})
        return self != usual

    def filters(self) -> dict[str, Any]:
        """What a saved view keeps."""
        return {name: value for name, value in self.to_dict().items() if name not in _NOT_FILTERS} | {
            "analysts": self.analysts,
            "each": self.each,
        }

    def wanted(self, user: str, threshold: float = 0.0) -> AlertFilter:
        """The same for the store.

        Args:
            user: Who looks.
            threshold: Least score within the budget.
        """
        _, min_age, max_age = AGES[self.age]
        return AlertFilter(
            states=VIEWS[self.view][1],
            min_probability=max(self.least, threshold if self.within else 0.0),
            search=self.search,
            max_probability=self.most,
            min_amount=self.min_amount,
            max_amount=self.max_amount,
            typology=self.typology,
            owner=user if self.owner == ME else self.owner,
            min_age_hours=min_age,
            max_age_hours=max_age,
        )


_NOT_FILTERS = ("analysts", "each", "wide", "budget_open", "offset", "selected")
_WRONG = object()


def _checked(name: str, value: Any) -> Any:
    """A value as it may stand in the state, or `_WRONG`."""
    if name in ("view", "age"):
        return value if isinstance(value, str) and value in (VIEWS if name == "view" else AGES) else _WRONG
    if name in ("search", "typology", "owner"):
        return value[:_LONGEST] if isinstance(value, str) else _WRONG
    if name in ("within", "wide", "budget_open"):
        return value if isinstance(value, bool) else _WRONG
    if name in ("min_amount", "max_amount", "selected") and value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return _WRONG
    largest = {"least": 1.0, "most": 1.0, "analysts": 100, "each": 500, "offset": 1e9, "selected": 2**31 - 1}
    clipped = min(max(value, 0), largest.get(name, _LARGEST))
    if name in ("analysts", "each"):
        return max(int(clipped), 1) if name == "analysts" or value else 0
    return int(clipped) if name in ("offset", "selected") else float(clipped)


OWNERS = {"": "Anybody", NOBODY: "Nobody", ME: "Me"}
"""Owners that can always be asked for."""
