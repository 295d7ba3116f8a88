"""What is scored on each trial: Ragas' metrics that need no model or only embeddings, and our own beside them.

No metric here takes a language model. Ragas would otherwise build a client for a remote one on its own.
"""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from ragas.dataset_schema import SingleTurnSample
from ragas.embeddings.base import BaseRagasEmbedding
from ragas.metrics import (
    IDBasedContextPrecision,
    IDBasedContextRecall,
    NonLLMContextPrecisionWithReference,
    NonLLMContextRecall,
    NonLLMStringSimilarity,
    RougeScore,
)
from ragas.metrics.base import MetricType, SingleTurnMetric
from ragas.metrics.collections import SemanticSimilarity
from ragas.metrics.collections.base import BaseMetric
from ragas.run_config import RunConfig
from rapidfuzz import fuzz

from eval import metrics as own
from eval.loop import in_own_loop
from eval.spans import figures
from eval.trials import Trial
from fraud_model.progress import Progress, ProgressCallback

logger = logging.getLogger(__name__)

Embed = Callable[[Sequence[str]], Any]
# A passage bears a gold quote where it holds nearly all of it: the rest may be cut off at the passage's edge.
_LEAST_CONTAINMENT = 0.9


@dataclass
class QuoteContainment(SingleTurnMetric):
    """How much of the shorter of two texts stands in the longer, in [0, 1].

    Ragas compares a gold quote with a whole passage by edit distance, under which a long passage never resembles the
    one sentence that it holds. This takes that distance's place in its context metrics.
    """

    name: str = "quote_containment"
    _required_columns: dict[MetricType, set[str]] = field(
        default_factory=lambda: {MetricType.SINGLE_TURN: {"reference", "response"}}
    )

    def init(self, run_config: RunConfig) -> None:
        """Nothing to set up."""

    async def single_turn_ascore(
        self, sample: SingleTurnSample, callbacks: Any = None, timeout: float | None = None
    ) -> float:
        """The share; called by Ragas' context metrics for each pair, so without its bookkeeping."""
        return await self._single_turn_ascore(sample, callbacks)

    async def _single_turn_ascore(self, sample: SingleTurnSample, callbacks: Any = None) -> float:
        return float(fuzz.partial_ratio(_squeezed(sample.reference), _squeezed(sample.response)) / 100)


class BatchEmbedding(BaseRagasEmbedding):
    """Vectors computed once, for all texts in one batch, and looked up from then on."""

    def __init__(self, embed: Embed, texts: Sequence[str]) -> None:
        super().__init__()
        self._embed = embed
        self._waiting = list(dict.fromkeys(text for text in texts if text))
        self._known: dict[str, list[float]] = {}

    def embed_text(self, text: str, **kwargs: Any) -> list[float]:
        """Vector of one text; the first call computes those of all."""
        if text not in self._known:
            wanted = self._waiting if text in self._waiting else [text]
            vectors = np.asarray(self._embed(wanted), dtype=np.float64)
            self._known.update(zip(wanted, vectors.tolist(), strict=True))
        return self._known[text]

    async def aembed_text(self, text: str, **kwargs: Any) -> list[float]:
        """Vector of one text."""
        return self.embed_text(text)


@dataclass(frozen=True)
class Measure:
    """A metric and the trials that it is for.

    Attributes:
        metric: A metric of Ragas, or one of ours.
        applies: Whether a trial is scored at all; a question that must be refused has no context to recall.
        fields: What the metric takes from a trial; a number is the score itself, by definition, where Ragas has none
            (nothing retrieved, nothing answered).
        name: Stable name in MLflow.
    """

    name: str
    metric: SingleTurnMetric | BaseMetric
    applies: Callable[[Trial], bool]
    fields: Callable[[Trial], dict[str, Any] | float]


def measures_for(trials: Sequence[Trial], embed: Embed) -> list[Measure]:
    """All measures.

    Args:
        trials: Whose texts are embedded in one batch.
        embed: Gives one vector a text, shape (texts, dimensions).
    """
    context_precision = NonLLMContextPrecisionWithReference(
        distance_measure=QuoteContainment(), threshold=_LEAST_CONTAINMENT
    )
    context_recall = NonLLMContextRecall(_distance_measure=QuoteContainment(), threshold=_LEAST_CONTAINMENT)
    texts = [text for trial in trials for text in (trial.question.reference_answer, trial.response)]
    similarity = SemanticSimilarity(embeddings=BatchEmbedding(embed, texts))
    return [
        Measure("context_precision_by_id", IDBasedContextPrecision(), _has_gold, _context_ids),
        Measure("context_recall_by_id", IDBasedContextRecall(), _has_gold, _context_ids),
        Measure("context_precision_by_text", context_precision, _has_gold, _context_texts),
        Measure("context_recall_by_text", context_recall, _has_gold, _context_texts),
        Measure("string_similarity", NonLLMStringSimilarity(), _has_gold, _texts),
        Measure("rouge_l", RougeScore(), _has_gold, _texts),
        Measure("answer_similarity", similarity, _has_gold, _texts),
        Measure("citation_precision", own.CitationPrecision(), _answered_with_gold, _whole),
        Measure("citation_recall", own.CitationRecall(), _has_gold, _whole),
        Measure("citation_document_precision", own.CitationDocumentPrecision(), _answered_with_gold, _whole),
        Measure("citation_support", own.CitationSupport(), _answered_from_documents, _whole),
        Measure("quote_exactness", own.QuoteExactness(), _answered_from_documents, _whole),
        Measure("figure_correctness", own.FigureCorrectness(), _names_figures, _whole),
        Measure("figure_recall", own.FigureRecall(), _reference_names_figures, _whole),
        Measure("tool_figure_recall", own.ToolFigureRecall(), _asked_of_tools, _whole),
        Measure("refusal_correctness", own.RefusalCorrectness(), _completed, _whole),
    ]


@dataclass(frozen=True)
class Scores:
    """Scores of all trials.

    Attributes:
        values: One row a trial, one column a measure; NaN where a measure does not apply or failed.
        failed: True where a measure applied but gave no number.
        reasons: Why a score is below 1, by (trial, measure); only where our own metrics say.
    """

    values: pd.DataFrame
    failed: pd.DataFrame
    reasons: dict[tuple[int, str], str]

    def beside(self, more: "Scores") -> "Scores":
        """These scores and further ones of the same trials."""
        return Scores(
            pd.concat([self.values, more.values], axis=1),
            pd.concat([self.failed, more.failed], axis=1),
            {**self.reasons, **more.reasons},
        )


def score_trials(
    trials: Sequence[Trial], measures: Sequence[Measure], progress: ProgressCallback | None = None
) -> Scores:
    """Every measure on every trial that it applies to.

    Runs in an event loop of its own in a thread of its own, so it may be called from inside a running loop, which
    Ragas' blocking calls may not. A measure that raises or gives NaN is counted as failed, never averaged away.
    """
    names = [measure.name for measure in measures]
    values = np.full((len(trials), len(measures)), np.nan)
    failed = np.zeros((len(trials), len(measures)), dtype=bool)
    reasons: dict[tuple[int, str], str] = {}

    async def score_all() -> None:
        for row, trial in enumerate(trials):
            for column, measure in enumerate(measures):
                if not measure.applies(trial):
                    continue
                value, reason = await _score(measure, trial)
                values[row, column], failed[row, column] = value, not math.isfinite(value)
                if reason:
                    reasons[row, measure.name] = reason
            if progress is not None:
                progress(Progress("scoring the answers", row + 1, len(trials), trial.question.id))

    in_own_loop(score_all)
    return Scores(pd.DataFrame(values, columns=names), pd.DataFrame(failed, columns=names), reasons)


async def _score(measure: Measure, trial: Trial) -> tuple[float, str]:
    try:
        given = measure.fields(trial)
        if isinstance(given, float):
            return given, ""
        if isinstance(measure.metric, SingleTurnMetric):
            # The public method around this one reports its use to Ragas' makers unless the environment forbids it.
            return float(await measure.metric._single_turn_ascore(SingleTurnSample(**given), [])), ""
        result = await measure.metric.ascore(**given)
        return float(result.value), str(result.reason or "")
    except Exception as error:  # One metric on one answer must not end the measurement; it is counted.
        logger.warning("%s on question %s failed: %s", measure.name, trial.question.id, error)
        return float("nan"), f"{type(error).__name__}: {error}"


def _completed(trial: Trial) -> bool:
    return not trial.failed


def _has_gold(trial: Trial) -> bool:
    return not trial.failed and bool(trial.question.gold)


def _answered(trial: Trial) -> bool:
    return trial.answered and not trial.question.facts


def _answered_from_documents(trial: Trial) -> bool:
    """Not where the desk's tools answered alone: their figures have no citations."""
    return _answered(trial) and bool(trial.sentences or not trial.tool_text)


def _asked_of_tools(trial: Trial) -> bool:
    return not trial.failed and bool(trial.question.facts)


def _answered_with_gold(trial: Trial) -> bool:
    return trial.answered and bool(trial.question.gold)


def _names_figures(trial: Trial) -> bool:
    return _answered(trial) and bool(figures(trial.response))


def _reference_names_figures(trial: Trial) -> bool:
    return _has_gold(trial) and bool(figures(trial.question.reference_answer) - figures(trial.question.question))


def _whole(trial: Trial) -> dict[str, Any]:
    return {"trial": trial}


def _context_ids(trial: Trial) -> dict[str, Any] | float:
    if not trial.contexts:
        return 0.0
    return {
        "retrieved_context_ids": [document_id for document_id, _ in trial.contexts],
        "reference_context_ids": [gold.document_id for gold in trial.gold],
    }


def _context_texts(trial: Trial) -> dict[str, Any] | float:
    if not trial.contexts:
        return 0.0
    return {
        "retrieved_contexts": [text for _, text in trial.contexts],
        "reference_contexts": [gold.quote for gold in trial.gold],
    }


def _texts(trial: Trial) -> dict[str, Any] | float:
    if not trial.answered or not trial.response:
        return 0.0
    return {"response": trial.response, "reference": trial.question.reference_answer}


def _squeezed(text: str | None) -> str:
    return " ".join((text or "").split())
