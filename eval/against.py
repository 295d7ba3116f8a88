"""Two measurements of the assistant, question by question: what got better, what worse, and whether beyond chance."""

import json
from dataclasses import dataclass

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException

from eval.aggregates import SCORE_NAMES
from eval.errors import EvalInputError
from eval.intervals import Interval, paired_difference
from eval.judge_metrics import JUDGE_NAMES
from eval.tracking import read_artifact

TABLE = "per_question.json"
# Of an answer's quality in [0, 1]: a smaller change of one answer is not worth a person's look.
_WORTH_A_LOOK = 0.1


@dataclass(frozen=True)
class Change:
    """A figure, against an earlier run, over the questions that both have scored.

    Attributes:
        metric: Its name.
        difference: This run less the earlier one, with its 95% interval by paired bootstrap.
        questions: On how many questions it rests.
    """

    metric: str
    difference: Interval
    questions: int

    @property
    def beyond_chance(self) -> bool:
        """Whether the interval leaves out zero."""
        return bool(self.difference.low > 0 or self.difference.high < 0)


@dataclass(frozen=True)
class Against:
    """This run against an earlier one.

    Attributes:
        run_id: The earlier run.
        changes: One record a figure.
        better: Ids of questions answered better now, the most improved first.
        worse: Ids of questions answered worse now, the most spoilt first.
        shared: Questions in both, with the same wording of the question.
    """

    run_id: str
    changes: tuple[Change, ...]
    better: tuple[str, ...]
    worse: tuple[str, ...]
    shared: int

    def metrics(self) -> dict[str, float]:
        """The figures by stable name."""
        found = {"against.better": float(len(self.better)), "against.worse": float(len(self.worse))}
        for change in self.changes:
            found[f"against.{change.metric}"] = change.difference.value
            found[f"against.{change.metric}_low"] = change.difference.low
            found[f"against.{change.metric}_high"] = change.difference.high
        return found

    def to_markdown(self) -> str:
        """The comparison for the report."""
        lines = [
            f"## Against run {self.run_id}",
            "",
            f"{self.shared} questions are in both runs: {len(self.better)} answered better, {len(self.worse)} worse.",
            "",
            "| figure | difference | 95% interval | questions | |",
            "|---|---:|---:|---:|---|",
        ]
        for change in self.changes:
            moved = "better" if change.difference.value > 0 else "worse"
            verdict = f"**{moved}**" if change.beyond_chance else "within chance"
            interval = f"{change.difference.low:+.3f} to {change.difference.high:+.3f}"
            lines.append(
                f"| {change.metric} | {change.difference.value:+.3f} | {interval} | {change.questions} | {verdict} |"
            )
        for title, names in (("Better", self.better), ("Worse", self.worse)):
            lines += ["", f"{title}: {', '.join(names) or 'none'}."]
        return "\n".join([*lines, ""])


def earlier_table(run_id: str, tracking_uri: str) -> pd.DataFrame:
    """The per-question table of an earlier run.

    Raises:
        EvalInputError: there is no such run, or it is no measurement of the assistant.
    """
    try:
        plain = json.loads(read_artifact(run_id, TABLE, tracking_uri))
        return pd.DataFrame(plain["data"], columns=plain["columns"])
    except (MlflowException, OSError, ValueError, KeyError) as error:
        raise EvalInputError(f"run {run_id} has no table of answered questions to compare with") from error


def compare_tables(run_id: str, before: pd.DataFrame, after: pd.DataFrame, seed: int = 0) -> Against:
    """This run's per-question table against an earlier one's.

    Questions are paired by id; those whose wording changed, or that only one run has, are left out.

    Raises:
        EvalInputError: the runs have no question in common.
    """
    both = after.merge(before, on=["id", "question"], suffixes=("", "_before"))
    if both.empty:
        raise EvalInputError(f"run {run_id} has no question in common with this one")
    changes = []
    for name in ("quality", *SCORE_NAMES, *JUDGE_NAMES):
        if name not in before.columns or name not in after.columns:
            continue
        pair = both[[f"{name}_before", name]].apply(pd.to_numeric, errors="coerce").dropna()
        if len(pair):
            # Stored tables keep ten digits: the last ones are no difference.
            values = pair.to_numpy(np.float64).round(6)
            changes.append(Change(name, paired_difference(values[:, 0], values[:, 1], seed), len(pair)))
    moved = both.assign(moved=both["quality"] - both["quality_before"]).sort_values("moved", kind="stable")
    worse = moved.loc[moved["moved"] <= -_WORTH_A_LOOK, "id"]
    better = moved.loc[moved["moved"] >= _WORTH_A_LOOK, "id"][::-1]
    return Against(run_id, tuple(changes), tuple(better), tuple(worse), len(both))
