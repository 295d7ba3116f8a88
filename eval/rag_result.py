"""What one measurement of the assistant gives back."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from eval.against import Against
from eval.gates import Gate


@dataclass(frozen=True)
class RagResult:
    """One measurement of the assistant.

    Attributes:
        run_id: Of the run in MLflow.
        metrics: Figures by stable name; shares in [0, 1], latencies in seconds, counts as whole numbers.
        per_question: One row a question: what was asked, what came, every score (NaN: does not apply).
        report_markdown: The figures with their intervals, for people.
        worst_markdown: The ten worst answers beside what was expected.
        gates: The bounds asked for and whether they held.
        stale_gold: Gold passages that no longer stand in the documents: the questions need correcting.
        experiment: MLflow experiment of the run.
        question_set: Digest of the questions; runs on the same set can be compared without a second thought.
        against: The comparison with an earlier run; None where none was asked for.
        continued: How many answers were taken over from a run that had been killed.
    """

    run_id: str
    metrics: dict[str, float]
    per_question: pd.DataFrame
    report_markdown: str
    worst_markdown: str
    gates: tuple[Gate, ...] = ()
    stale_gold: tuple[str, ...] = ()
    experiment: str = ""
    question_set: str = ""
    against: Against | None = None
    continued: int = 0

    @property
    def passed(self) -> bool:
        """Whether every gate held."""
        return all(gate.passed for gate in self.gates)

    def to_dict(self) -> dict[str, Any]:
        """The result as plain values, ready for JSON; NaN becomes None."""
        return {
            "run_id": self.run_id,
            "experiment": self.experiment,
            "question_set": self.question_set,
            "questions": len(self.per_question),
            "continued": self.continued,
            "metrics": {name: plain_number(value) for name, value in self.metrics.items()},
            "passed": self.passed,
            "gates": [
                {"metric": gate.metric, "least": gate.least, "value": plain_number(gate.value), "passed": gate.passed}
                for gate in self.gates
            ],
            "stale_gold": list(self.stale_gold),
            "against": None
            if self.against is None
            else {
                "run_id": self.against.run_id,
                "shared_questions": self.against.shared,
                "better": list(self.against.better),
                "worse": list(self.against.worse),
                "beyond_chance": [change.metric for change in self.against.changes if change.beyond_chance],
            },
        }


def plain_number(value: float) -> float | None:
    """The value for JSON, which knows no NaN: None then."""
    return float(value) if np.isfinite(value) else None
