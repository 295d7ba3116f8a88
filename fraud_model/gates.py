"""What a model must reach on validation to become the candidate, and to be promoted."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Gates:
    """Least figures: recall and F1 at the threshold or, where fraud is rare, two figures that rarity does not bend.

    Attributes:
        recall: Least recall at the threshold.
        f1: Least F1 at the threshold.
        average_precision: Where fraud is rare: least average precision ...
        card_precision: ... and least card precision at 100.
        rare_below: Share of fraud among payments below which it is rare.
    """

    recall: float = 0.70
    f1: float = 0.60
    average_precision: float = 0.25
    card_precision: float = 0.02
    rare_below: float = 0.02

    def failures(self, metrics: Mapping[str, float]) -> tuple[str, ...]:
        """What is missed, in plain words; empty where the model passes."""
        common = self._below(metrics, (("recall_at_threshold", self.recall), ("f1_at_threshold", self.f1)))
        if not common:
            return ()
        share = metrics.get("base_rate")
        if share is not None and share >= self.rare_below:
            return tuple(common)
        least = (("average_precision", self.average_precision), ("card_precision_at_100", self.card_precision))
        rare = self._below(metrics, least)
        return () if not rare else (*common, *rare)

    @staticmethod
    def _below(metrics: Mapping[str, float], least: tuple[tuple[str, float], ...]) -> list[str]:
        found = []
        for name, value in least:
            # Versions of before the choice of threshold have these figures under the name of the only rule.
            reached = metrics.get(name, metrics.get(name.replace("_at_threshold", "_at_budget")))
            if reached is None or not reached >= value:
                shown = "unknown" if reached is None else f"{reached:.3f}"
                found.append(f"{name.replace('_', ' ')} is {shown}, below {value:.3f}")
        return found
