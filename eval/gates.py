"""Gates: figures that must not fall under a bound."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Gate:
    """A figure that must not fall under a bound.

    Attributes:
        metric: Name of the figure.
        least: The bound.
        value: What was measured; NaN where nothing could be, which fails the gate.
    """

    metric: str
    least: float
    value: float

    @property
    def passed(self) -> bool:
        """Whether the figure is at least the bound."""
        return self.value >= self.least
