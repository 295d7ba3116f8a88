"""What a model must reach on validation to become the candidate."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Gates:
    """Least figures. A model passes by recall and F1 at its threshold, or by the two figures for rare fraud.

    Attributes:
        recall: Least recall at the threshold.
        f1: Least F1 at the threshold.
        average_precision: For fraud too rare for those two: least average precision ...
        card_precision: ... and least card precision at 100.
    """

    recall: float = 0.70
    f1: float = 0.60
    average_precision: float = 0.25
    card_precision: float = 0.02

    def failures(self, metrics: Mapping[str, float]) -> tuple[str, ...]:
        """What is missed, in plain words; empty where the model passes."""
        common = self._below(metrics, {"recall_at_budget": self.recall, "f1_at_budget": self.f1})
        rare = self._below(
            metrics, {"average_precision": self.average_precision, "card_precision_at_100": self.card_precision}
        )
        return () if not common or not rare else (*common, *rare)

    @staticmethod
    def _below(metrics: Mapping[str, float], least: Mapping[str, float]) -> list[str]:
        found = []
        for name, value in least.items():
            reached = metrics.get(name)
            if reached is None or not reached >= value:
                shown = "unknown" if reached is None else f"{reached:.3f}"
                found.append(f"{name.replace('_', ' ')} is {shown}, below {value:.3f}")
        return found
