"""Whether a version may become the champion: its gates, what it reached beside the champion on the same payments."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

DECIDING = "average_precision"
"""The figure that decides: it does not depend on a threshold."""


@dataclass(frozen=True)
class Compared:
    """A version beside a champion on the same later payments, as the registry keeps it.

    Attributes:
        champion: The champion's version.
        figures: For each figure `champion`, `challenger`, and the 95% interval `low`, `high` of their difference.
        payments: Labelled payments that both scored.
        frauds: Fraud among them.
        since: Time of the first, ISO 8601, UTC.
        until: End, exclusive.
        champion_saw_rows: Whether the champion was trained on some of them, which favours it.
    """

    champion: str
    figures: Mapping[str, Mapping[str, float]]
    payments: int = 0
    frauds: int = 0
    since: str = ""
    until: str = ""
    champion_saw_rows: bool = False

    @property
    def beaten(self) -> bool:
        """Whether the champion was beaten beyond the confidence interval."""
        return self.figures.get(DECIDING, {}).get("low", float("nan")) > 0

    def beats(self, champion: str) -> bool:
        """Whether the version beat this champion."""
        return self.champion == champion and self.beaten

    def to_text(self) -> str:
        """The deciding figure in words."""
        pair = self.figures.get(DECIDING)
        if pair is None:
            return "no average precision was compared"
        return (
            f"average precision {pair['challenger']:.3f} against {pair['champion']:.3f}, difference "
            f"{pair['challenger'] - pair['champion']:+.3f}, 95% interval {pair['low']:+.3f} to {pair['high']:+.3f}"
        )

    def to_json(self) -> str:
        """As the registry keeps it."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Compared | None":
        """What the registry keeps; None where it is empty or not readable."""
        try:
            return cls(**json.loads(text))
        except (TypeError, ValueError):
            return None


@dataclass(frozen=True)
class Standing:
    """How a version stands before a promotion.

    Attributes:
        version: The version.
        champion: The champion's version; empty where there is none.
        missed: Gates missed, in plain words.
        compared: The comparison with this champion; None where there is none.
        problems: Why it may not be promoted as it is; empty where it may.
    """

    version: str
    champion: str = ""
    missed: tuple[str, ...] = ()
    compared: Compared | None = None
    problems: tuple[str, ...] = ()

    @property
    def may_be_promoted(self) -> bool:
        """Whether nothing stands against it."""
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {**asdict(self), "may_be_promoted": self.may_be_promoted}


@dataclass(frozen=True)
class Decision:
    """What a promotion writes down besides who, when and why.

    Attributes:
        despite: Why the refusal was overruled; empty where there was none.
        overruled: What stood against the promotion; empty where nothing did.
        compared: The figures that were compared; None where there was nothing to compare.
        replaced_metrics: Figures of the champion until now.
    """

    despite: str = ""
    overruled: str = ""
    compared: Compared | None = None
    replaced_metrics: Mapping[str, float] = field(default_factory=dict)


def standing_of(
    version: str, missed: tuple[str, ...], champion: str, champion_serves: bool, compared: Compared | None
) -> Standing:
    """Weigh gates and comparison.

    Args:
        version: The version to be promoted.
        missed: Gates missed, in plain words.
        champion: The champion's version; empty where there is none, and then nothing stands in the way.
        champion_serves: Whether the champion can be loaded by this program; one that cannot need not be beaten.
        compared: The latest comparison of the version with any champion.
    """
    if not champion:
        return Standing(version, "", missed)
    problems = [f"gate missed: {miss}" for miss in missed]
    of_this = compared if compared is not None and compared.champion == champion else None
    if champion_serves and of_this is None:
        other = f" (only with version {compared.champion})" if compared is not None else ""
        problems.append(f"it was not compared with champion version {champion} on the same later payments{other}")
    elif champion_serves and of_this is not None and not of_this.beaten:
        problems.append(f"it does not beat champion version {champion} beyond chance ({of_this.to_text()})")
    return Standing(version, champion, missed, of_this, tuple(problems))
