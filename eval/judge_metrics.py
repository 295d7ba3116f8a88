"""Ragas' metrics that take a judge: which there are, on which answers, and what they say in which words.

Ragas averages over whatever a judge returned: two verdicts on five claims make a score, and no claims at all make a
nought. Here such a reply is a failure, and counted.
"""

import asyncio
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from ragas.metrics.collections import AnswerRelevancy, ContextPrecision, ContextRecall, FactualCorrectness, Faithfulness
from ragas.metrics.collections.base import BaseMetric
from ragas.metrics.collections.factual_correctness.util import NLIStatementOutput as ClaimVerdicts
from ragas.metrics.collections.faithfulness.util import NLIStatementOutput

from eval.judge import Judge, JudgeFailure, JudgeUsage, OllamaJudge
from eval.loop import in_own_loop
from eval.measures import BatchEmbedding, Embed, Scores
from eval.trials import Trial
from fraud_model.progress import Progress, ProgressCallback

logger = logging.getLogger(__name__)

JUDGE_NAMES = (
    "faithfulness",
    "response_relevancy",
    "llm_context_precision",
    "llm_context_recall",
    "factual_correctness",
)
# Of questions made up from an answer: at temperature 0 a second one would be the first again.
_QUESTIONS_MADE_UP = 1


class WholeFaithfulness(Faithfulness):
    """Ragas' faithfulness, with one verdict for each statement or none."""

    async def _create_verdicts(self, statements: list[str], context: str) -> NLIStatementOutput:
        verdicts = await super()._create_verdicts(statements, context)
        _one_each(statements, verdicts.statements)
        return verdicts


class WholeFactualCorrectness(FactualCorrectness):
    """Ragas' factual correctness, with at least one claim and one verdict for each."""

    async def _decompose_claims(self, text: str) -> list[str]:
        claims: list[str] = await super()._decompose_claims(text)
        if not claims:
            raise JudgeFailure("no claims were found in a text that is not empty")
        return claims

    async def _verify_claims(self, claims: list[str], reference: str) -> ClaimVerdicts:
        verdicts = await super()._verify_claims(claims, reference)
        _one_each(claims, verdicts.statements)
        return verdicts


@dataclass(frozen=True)
class Judged:
    """A metric for a judge, and the trials that it is for; see `eval.measures.Measure`."""

    name: str
    metric: BaseMetric
    applies: Callable[[Trial], bool]
    fields: Callable[[Trial], dict[str, Any] | float]


@dataclass(frozen=True)
class Verdicts:
    """What the judge said of all trials.

    Attributes:
        scores: One column a metric of `JUDGE_NAMES`; failures are marked, never scored.
        usage: What it cost.
    """

    scores: Scores
    usage: JudgeUsage

    def metrics(self) -> dict[str, float]:
        """Failures of each metric, of all, and the share of points that got a verdict, by stable name."""
        failed = self.scores.failed
        wanted = int(failed.to_numpy().sum() + np.isfinite(self.scores.values.to_numpy(np.float64)).sum())
        found = {f"judge_failures_{name}": float(failed[name].sum()) for name in failed.columns}
        found["judge_failures"] = float(failed.to_numpy().sum())
        found["judged_share"] = 1 - found["judge_failures"] / wanted if wanted else float("nan")
        return found | self.usage.metrics()


def judged_metrics(llm: OllamaJudge, embeddings: BatchEmbedding) -> list[Judged]:
    """All metrics that take a judge.

    Args:
        llm: The judge.
        embeddings: Compares the question with the one that the judge makes up from the answer.
    """
    relevancy = AnswerRelevancy(llm=llm, embeddings=embeddings, strictness=_QUESTIONS_MADE_UP)
    return [
        Judged("faithfulness", WholeFaithfulness(llm=llm), _answered_from_passages, _with_contexts),
        Judged("response_relevancy", relevancy, _answered, _question_and_answer),
        Judged("llm_context_precision", ContextPrecision(llm=llm), _has_gold, _contexts_and_reference),
        Judged("llm_context_recall", ContextRecall(llm=llm), _has_gold, _contexts_and_reference),
        Judged("factual_correctness", WholeFactualCorrectness(llm=llm), _has_gold, _answer_and_reference),
    ]


def judge_prompts() -> dict[str, Any]:
    """Each metric's prompts in words: instruction, examples, form of the reply; for the run in MLflow."""
    found: dict[str, Any] = {}
    for judged in judged_metrics(OllamaJudge(Judge("none")), BatchEmbedding(lambda texts: [], [])):
        found[judged.name] = [
            {
                "instruction": prompt.instruction,
                "examples": [[given.model_dump(), wanted.model_dump()] for given, wanted in prompt.examples],
                "reply": prompt.output_model.model_json_schema(),
            }
            for prompt in vars(judged.metric).values()
            if hasattr(prompt, "instruction") and hasattr(prompt, "output_model")
        ]
    return found


def judge_trials(
    trials: Sequence[Trial],
    judge: Judge,
    embed: Embed,
    *,
    known: Mapping[tuple[str, str], float] | None = None,
    on_score: Callable[[str, str, float], None] | None = None,
    progress: ProgressCallback | None = None,
) -> Verdicts:
    """The judge's verdicts on all trials.

    Runs in an event loop of its own in a thread of its own, `judge.concurrency` points at once.

    Args:
        trials: Answers, in order.
        judge: Who judges, and its limits.
        embed: Gives one vector a text.
        known: Scores from before, by (question id, metric): not asked again.
        on_score: Told each new score, so that it is not lost with the process.
        progress: Told after each point.
    """
    values = pd.DataFrame(np.nan, index=range(len(trials)), columns=list(JUDGE_NAMES))
    failed = pd.DataFrame(False, index=range(len(trials)), columns=list(JUDGE_NAMES))
    reasons: dict[tuple[int, str], str] = {}
    llm = OllamaJudge(judge)
    embeddings = BatchEmbedding(embed, [trial.question.question for trial in trials])
    metrics = judged_metrics(llm, embeddings)
    points = [(row, judged) for row, trial in enumerate(trials) for judged in metrics if judged.applies(trial)]
    done = 0

    async def work(waiting: "asyncio.Queue[tuple[int, Judged]]") -> None:
        nonlocal done
        while not waiting.empty():
            row, judged = waiting.get_nowait()
            question = trials[row].question.id
            score = (known or {}).get((question, judged.name))
            if score is None:
                score, reason = await _score(judged, trials[row])
                if math.isfinite(score) and on_score is not None:
                    on_score(question, judged.name, score)
                if reason:
                    reasons[row, judged.name] = reason
            values.loc[row, judged.name] = score
            failed.loc[row, judged.name] = not math.isfinite(score)
            done += 1
            if progress is not None:
                progress(Progress("judging the answers", done, len(points), question))

    async def judge_all() -> None:
        waiting: asyncio.Queue[tuple[int, Judged]] = asyncio.Queue()
        for point in points:
            waiting.put_nowait(point)
        await asyncio.gather(*(work(waiting) for _ in range(judge.concurrency)))

    in_own_loop(judge_all)
    return Verdicts(Scores(values, failed, reasons), llm.usage)


async def _score(judged: Judged, trial: Trial) -> tuple[float, str]:
    """The score, or NaN and why there is none."""
    try:
        given = judged.fields(trial)
        if isinstance(given, float):
            return given, ""
        result = await judged.metric.ascore(**given)
        if math.isfinite(float(result.value)):
            return float(result.value), ""
        return float("nan"), "JudgeFailure: nothing to score in the judge's reply"
    except Exception as problem:  # One point without a verdict must not end the measurement; it is counted.
        logger.warning("%s on question %s: %s", judged.name, trial.question.id, problem)
        return float("nan"), f"{type(problem).__name__}: {problem}"


def _one_each(asked: Sequence[str], verdicts: Sequence[Any]) -> None:
    if len(verdicts) != len(asked):
        raise JudgeFailure(f"{len(verdicts)} verdicts on {len(asked)} statements")


def _answered(trial: Trial) -> bool:
    return trial.answered and bool(trial.response)


def _answered_from_passages(trial: Trial) -> bool:
    return _answered(trial) and bool(trial.contexts)


def _has_gold(trial: Trial) -> bool:
    return not trial.failed and bool(trial.question.gold)


def _question_and_answer(trial: Trial) -> dict[str, Any]:
    return {"user_input": trial.question.question, "response": trial.response}


def _with_contexts(trial: Trial) -> dict[str, Any]:
    return {**_question_and_answer(trial), "retrieved_contexts": [text for _, text in trial.contexts]}


def _contexts_and_reference(trial: Trial) -> dict[str, Any] | float:
    if not trial.contexts:
        return 0.0
    return {
        "user_input": trial.question.question,
        "reference": trial.question.reference_answer,
        "retrieved_contexts": [text for _, text in trial.contexts],
    }


def _answer_and_reference(trial: Trial) -> dict[str, Any] | float:
    if not trial.answered or not trial.response:
        return 0.0
    return {"response": trial.response, "reference": trial.question.reference_answer}
