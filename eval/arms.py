"""Two configurations in service: what analysts thought of the answers of each, and what Ragas finds in them.

Answers in service have no reference answer and no gold passages, so only what can be judged without them is: whether
citations bear the sentences out, quotes are exact and figures founded, and with a judge faithfulness and relevancy.
A conversation stays with its arm, so intervals are drawn over conversations, not over single answers.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eval.errors import EvalInputError
from eval.intervals import Interval, Vector, difference_of_ratios, ratio_interval
from eval.judge import Judge, find_model
from eval.judge_metrics import judge_trials
from eval.markdown import harmless
from eval.measures import Embed, measures_for, score_trials
from eval.questions import Question
from eval.rag_result import plain_number
from eval.tracking import RunRecord, begin_run, comparison_address, finish_run, log_run, mark_ended
from eval.trials import DocumentText, Trial, from_plain

EXPERIMENT = "fraud-desk-arms"
_WITHOUT_REFERENCE = ("citation_support", "quote_exactness", "figure_correctness")
_JUDGED = ("faithfulness", "response_relevancy")
_MEANING = {
    "helpful_share": "answers called helpful, of those that were rated",
    "rated_share": "answers that were rated",
    "corrected_share": "answers that were corrected",
    "answered_share": "questions answered, whole or in part",
    "citation_support": "sentences that their own citations bear out",
    "quote_exactness": "quotes equal to the source at their offsets",
    "figure_correctness": "figures in the answer that are founded",
    "faithfulness": "claims that the cited passages bear out (judge)",
    "response_relevancy": "cosine of the question with one made up from the answer (judge)",
}


@dataclass(frozen=True)
class Served:
    """One answer that was given in service.

    Attributes:
        message_id: In the desk's database.
        conversation_id: To which it belongs.
        arm: The configuration that answered.
        question: What was asked.
        answer: Its values as `eval.trials.from_plain` takes them.
        helpful: What the analyst thought of it; None where nothing was said.
        corrected: Whether the analyst wrote what would have been right.
    """

    message_id: int
    conversation_id: str
    arm: str
    question: str
    answer: Mapping[str, Any]
    helpful: bool | None = None
    corrected: bool = False


@dataclass(frozen=True)
class ArmFigures:
    """One arm: its run and figures; `differences` to the first arm (empty for the first itself)."""

    arm: str
    run_id: str
    metrics: dict[str, float]
    differences: Mapping[str, Interval]


@dataclass(frozen=True)
class ArmsResult:
    """All arms, the default first."""

    run_id: str
    arms: tuple[ArmFigures, ...]
    address: str
    report_markdown: str

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain values, ready for JSON."""
        return {
            "run_id": self.run_id,
            "experiment": EXPERIMENT,
            "mlflow": self.address,
            "arms": [
                {
                    "arm": arm.arm,
                    "run_id": arm.run_id,
                    "metrics": {name: plain_number(value) for name, value in arm.metrics.items()},
                    "difference_to_first": {
                        name: {
                            "value": plain_number(found.value),
                            "low": plain_number(found.low),
                            "high": plain_number(found.high),
                            "beyond_chance": beyond_chance(found),
                        }
                        for name, found in arm.differences.items()
                    },
                }
                for arm in self.arms
            ],
        }


def beyond_chance(difference: Interval) -> bool:
    """Whether the interval leaves out zero."""
    return bool(difference.low > 0 or difference.high < 0)


def measure_arms(
    served: Sequence[Served],
    document_text: DocumentText,
    embed: Embed,
    *,
    tracking_uri: str,
    artifact_root: str | Path | None = None,
    judge: Judge | None = None,
    params: Mapping[str, Any] | None = None,
    default: str = "default",
    seed: int = 0,
) -> ArmsResult:
    """Figures of each arm, one run each under a parent.

    Args:
        served: Answers of all arms.
        document_text: Text of a document, by which citations are checked.
        embed: Gives one vector a text.
        tracking_uri: MLflow's address.
        artifact_root: Where a new experiment keeps its artifacts.
        judge: A language model that gives verdicts beside.
        params: Settings to log with every run.
        default: The arm that the others are held against, where it has answers.
        seed: Of the intervals.

    Raises:
        EvalInputError: there are no answers.
        TrackingError: a run could not be written.
    """
    if not served:
        raise EvalInputError("no answers were given in service in this time")
    shared = {**(params or {}), "answers": len(served)}
    if judge is not None:
        shared |= {**judge.params(), "judge_model_digest": find_model(judge)}
    trials = [_trial(entry, document_text) for entry in served]
    columns = _columns(served, trials, embed, judge)
    names = sorted({entry.arm for entry in served}, key=lambda name: (name != default, name))
    rows = {name: np.array([entry.arm == name for entry in served]) for name in names}
    conversations = np.array([entry.conversation_id for entry in served])
    where = {"tracking_uri": tracking_uri, "experiment": EXPERIMENT, "artifact_root": artifact_root}
    parent = begin_run("arms " + ", ".join(names), params=shared, tags={"kind": "arms"}, **where)  # type: ignore[arg-type]
    found: list[ArmFigures] = []
    try:
        for name in names:
            sums = {key: _by_conversation(values, conversations, rows[name]) for key, values in columns.items()}
            first = {key: _by_conversation(values, conversations, rows[names[0]]) for key, values in columns.items()}
            metrics = _figures(sums, trials, rows[name], seed)
            differences = (
                {}
                if not found
                else {
                    key: difference_of_ratios(first[key], sums[key], seed)
                    for key in columns
                    if len(first[key][0]) and len(sums[key][0])
                }
            )
            for key, difference in differences.items():
                metrics |= {
                    f"difference_{key}": difference.value,
                    f"difference_{key}_low": difference.low,
                    f"difference_{key}_high": difference.high,
                }
            told = {**shared, "arm": name, "answerer": _answerers(trials, rows[name])}
            record = RunRecord(f"arm {name}", told, metrics, {"kind": "arm", "arm": name})
            logged = log_run(record, parent_run_id=parent.run_id, **where)  # type: ignore[arg-type]
            found.append(ArmFigures(name, logged.run_id, metrics, differences))
        address = comparison_address(tracking_uri, [parent.experiment_id], [arm.run_id for arm in found])
        report = _report(found, address)
        finish_run(
            parent,
            RunRecord("arms", shared, {"arms": float(len(found))}, {}, {"arms.md": report}),
            tracking_uri=tracking_uri,
        )
    except BaseException:
        mark_ended(parent.run_id, tracking_uri, "KILLED")
        raise
    return ArmsResult(parent.run_id, tuple(found), address, report)


def _trial(entry: Served, document_text: DocumentText) -> Trial:
    # Nobody knows whether the documents answer it: no measure that would need to know is applied.
    question = Question(f"message-{entry.message_id}", entry.question, "", (), "answerable")
    return from_plain(entry.answer, question, document_text)


def _columns(served: Sequence[Served], trials: Sequence[Trial], embed: Embed, judge: Judge | None) -> dict[str, Vector]:
    """One value an answer and figure; NaN where the figure does not apply."""
    wanted = [measure for measure in measures_for(trials, embed) if measure.name in _WITHOUT_REFERENCE]
    values = score_trials(trials, wanted).values
    found = {
        "helpful_share": np.array([np.nan if entry.helpful is None else float(entry.helpful) for entry in served]),
        "rated_share": np.array([float(entry.helpful is not None) for entry in served]),
        "corrected_share": np.array([float(entry.corrected) for entry in served]),
        "answered_share": np.array([float(trial.answered) for trial in trials]),
        **{name: values[name].to_numpy(np.float64) for name in values.columns},
    }
    if judge is not None:
        verdicts = judge_trials(trials, judge, embed).scores.values
        found |= {name: verdicts[name].to_numpy(np.float64) for name in _JUDGED}
    return found


def _by_conversation(values: Vector, conversations: Vector, rows: Vector) -> tuple[Vector, Vector]:
    """Sum and count of a figure in each conversation of an arm that has it."""
    chosen = rows & np.isfinite(values)
    _, place = np.unique(conversations[chosen], return_inverse=True)
    return np.bincount(place, values[chosen]).astype(np.float64), np.bincount(place).astype(np.float64)


def _figures(
    sums: Mapping[str, tuple[Vector, Vector]], trials: Sequence[Trial], rows: Vector, seed: int
) -> dict[str, float]:
    found: dict[str, float] = {"answers": float(rows.sum())}
    for name, (totals, counts) in sums.items():
        interval = ratio_interval(totals, counts, seed)
        found |= {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}
        found[f"{name}_scored"] = float(counts.sum())
    found["conversations"] = float(len(sums["rated_share"][0]))
    seconds = np.array([trial.seconds for trial, chosen in zip(trials, rows, strict=True) if chosen])
    for percentile in (50, 95):
        found[f"latency_p{percentile}_seconds"] = float(np.percentile(seconds, percentile))
    return found


def _answerers(trials: Sequence[Trial], rows: Vector) -> str:
    """Who gave an arm's answers, as they themselves say, the most frequent first."""
    counts = Counter(trial.answerer for trial, chosen in zip(trials, rows, strict=True) if chosen and trial.answerer)
    return ", ".join(f"{name} {count}" for name, count in counts.most_common())


def _report(arms: Sequence[ArmFigures], address: str) -> str:
    lines = [
        "# Configurations in service",
        "",
        f"| figure | {' | '.join(harmless(arm.arm) for arm in arms)} | meaning |",
    ]
    lines.append(f"|---|{'---:|' * len(arms)}---|")
    counted = ("answers", "conversations")
    lines += [f"| {name} | {' | '.join(f'{arm.metrics[name]:.0f}' for arm in arms)} | |" for name in counted]
    for name, meaning in _MEANING.items():
        if name in arms[0].metrics:
            lines.append(f"| {name} | {' | '.join(_cell(arm, name) for arm in arms)} | {meaning} |")
    lines.append(f"| latency_p95_seconds | {' | '.join(_seconds(arm) for arm in arms)} | slowest of twenty answers |")
    if len(arms) == 1:
        lines += ["", "Only one configuration has answered: nothing to hold it against."]
    return "\n".join([*lines, "", f"Beside each other in MLflow: {address}", ""])


def _cell(arm: ArmFigures, name: str) -> str:
    if not np.isfinite(arm.metrics[name]):
        return "n/a"
    text = f"{arm.metrics[name]:.3f} ({arm.metrics[f'{name}_low']:.3f} to {arm.metrics[f'{name}_high']:.3f})"
    difference = arm.differences.get(name)
    if difference is not None and beyond_chance(difference):
        return f"**{text}**, {difference.value:+.3f} beyond chance"
    return text


def _seconds(arm: ArmFigures) -> str:
    return f"{arm.metrics['latency_p95_seconds']:.2f}"
