"""From scores of single questions to the figures of a run: means with intervals, refusals, latencies, failures.

Names are stable, so that runs line up in MLflow. `X` is the figure, `X_low` and `X_high` its 95% interval over
questions, `X_scored` how many questions it rests on, `X_failed` how many could not be scored though they should.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from eval.intervals import Interval, Vector, mean_interval, ratio_interval
from eval.measures import Scores
from eval.questions import KINDS
from eval.trials import Trial

SCORE_NAMES = (
    "context_precision_by_id",
    "context_recall_by_id",
    "context_precision_by_text",
    "context_recall_by_text",
    "string_similarity",
    "rouge_l",
    "answer_similarity",
    "citation_precision",
    "citation_recall",
    "citation_document_precision",
    "citation_support",
    "quote_exactness",
    "figure_correctness",
    "figure_recall",
    "tool_figure_recall",
    "refusal_correctness",
)
EXTRACTIVE = "extractive"
REFUSAL_NAMES = ("refusal_precision", "refusal_recall", "refusal_f1", "answer_rate")
KIND_NAMES = tuple(f"refusal_recall_{kind}" for kind in KINDS if kind not in ("answerable", "tool"))
METRIC_NAMES = (*SCORE_NAMES, *REFUSAL_NAMES, *KIND_NAMES, "completed_share", "quality")


def aggregate(trials: Sequence[Trial], scores: Scores, seed: int = 0) -> dict[str, float]:
    """All figures of a run, by stable name; shares in [0, 1], latencies in seconds."""
    found: dict[str, float] = {}
    for name in scores.values.columns:
        values = scores.values[name].to_numpy(np.float64)
        values = values[np.isfinite(values)]
        _put(found, name, mean_interval(values, seed))
        found[f"{name}_scored"] = float(len(values))
        found[f"{name}_failed"] = float(scores.failed[name].sum())
    _refusals(found, trials, seed)
    done = _vector(not trial.failed for trial in trials)
    _put(found, "completed_share", mean_interval(done, seed))
    found["questions_failed"] = float(len(trials) - done.sum())
    _latencies(found, trials)
    _cost(found, trials)
    return found


def fallback_share(trials: Sequence[Trial], answerer: str) -> float:
    """Share of the answers from documents alone that the extractive answerer gave in place of the one measured.

    A model that cannot be reached, or says nothing that the documents support, is otherwise measured as its stand-in.
    """
    told = [trial for trial in trials if trial.answerer and trial.sentences and not trial.tool_text]
    if not told or answerer in ("", EXTRACTIVE):
        return 0.0
    return sum(trial.answerer == EXTRACTIVE for trial in told) / len(told)


def _refusals(found: dict[str, float], trials: Sequence[Trial], seed: int) -> None:
    completed = [trial for trial in trials if not trial.failed]
    refused = _vector(trial.refused for trial in completed)
    should = _vector(not trial.question.expects_answer for trial in completed)
    right = refused * should
    _put(found, "refusal_recall", ratio_interval(right, should, seed))
    # Nothing refused although some should be: no refusal was right, which is a precision of nought, not an absence.
    precision = ratio_interval(right, refused, seed) if refused.any() or not should.any() else Interval(0.0, 0.0, 0.0)
    _put(found, "refusal_precision", precision)
    both = refused + should
    _put(found, "refusal_f1", ratio_interval(2 * right, both, seed))
    _put(found, "answer_rate", ratio_interval((1 - refused) * (1 - should), 1 - should, seed))
    for name in KIND_NAMES:
        kind = name.removeprefix("refusal_recall_")
        of_kind = should * _vector(trial.question.kind == kind for trial in completed)
        _put(found, name, ratio_interval(refused * of_kind, of_kind, seed))


def _cost(found: dict[str, float], trials: Sequence[Trial]) -> None:
    """Tokens in all answers that report them, and how many do not."""
    for name in ("prompt_tokens", "reply_tokens"):
        counts = [value for trial in trials if (value := getattr(trial, name)) is not None]
        found[f"answer_{name}"] = float(sum(counts))
    found["answers_without_token_counts"] = float(
        sum(trial.prompt_tokens is None and not trial.failed for trial in trials)
    )


def _latencies(found: dict[str, float], trials: Sequence[Trial]) -> None:
    seconds = np.array([trial.seconds for trial in trials])
    for percentile in (50, 90, 95, 99):
        found[f"latency_p{percentile}_seconds"] = float(np.percentile(seconds, percentile))
    found["latency_max_seconds"] = float(seconds.max())
    found["latency_mean_seconds"] = float(seconds.mean())


def named_interval(name: str, interval: Interval) -> dict[str, float]:
    """A figure and its bounds by stable name."""
    return {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}


def _put(found: dict[str, float], name: str, interval: Interval) -> None:
    found.update(named_interval(name, interval))


def _vector(values: Iterable[bool]) -> Vector:
    return np.array([float(value) for value in values], dtype=np.float64)
