"""Configurations of the assistant side by side: a parent run in MLflow, a child run for each, the same names in all.

    compare_answers([Variant("8 passages", {"passages": 8}, answerer), ...], load_questions(), tracking_uri=...)

The first one is what the others are held against, question by question.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from eval.against import Against, compare_tables
from eval.errors import EvalInputError
from eval.judge import Judge
from eval.markdown import harmless
from eval.measures import Embed
from eval.questions import Question, question_set_digest
from eval.rag import run_rag
from eval.rag_result import RagResult, plain_number
from eval.tracking import RunRecord, begin_run, comparison_address, finish_run, mark_ended
from eval.trials import Asks, DocumentText
from fraud_model.progress import Progress, ProgressCallback

logger = logging.getLogger(__name__)

EXPERIMENT = "fraud-desk-rag-compare"
MOST_VARIANTS = 48
# What the printed table shows; everything else is in the runs.
SHOWN = (
    "quality",
    "context_recall_by_id",
    "citation_precision",
    "citation_recall",
    "citation_support",
    "refusal_precision",
    "refusal_recall",
    "answer_rate",
    "latency_p95_seconds",
)


@dataclass(frozen=True)
class Variant:
    """One configuration.

    Attributes:
        name: Of its run.
        settings: What is different about it; the same names in all variants.
        answerer: Who answers in it.
        params: Further settings, alike in all or not.
    """

    name: str
    settings: Mapping[str, Any]
    answerer: Asks
    params: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Compared:
    """A variant with its run, held against the first one (None for the first itself)."""

    name: str
    settings: Mapping[str, Any]
    result: RagResult
    against: Against | None


@dataclass(frozen=True)
class Comparison:
    """All variants, in order.

    Attributes:
        run_id: Of the parent run.
        rows: The variants.
        address: Where MLflow shows the runs beside each other.
        report_markdown: The table, for people.
        experiment: MLflow experiment of all these runs.
    """

    run_id: str
    rows: tuple[Compared, ...]
    address: str
    report_markdown: str
    experiment: str = EXPERIMENT

    def to_dict(self) -> dict[str, Any]:
        """The comparison as plain values, ready for JSON."""
        return {
            "run_id": self.run_id,
            "experiment": self.experiment,
            "mlflow": self.address,
            "variants": [
                {
                    "name": row.name,
                    "settings": dict(row.settings),
                    "run_id": row.result.run_id,
                    "metrics": {name: plain_number(value) for name, value in row.result.metrics.items()},
                    "against_first": None
                    if row.against is None
                    else {
                        "better": list(row.against.better),
                        "worse": list(row.against.worse),
                        "beyond_chance": [change.metric for change in row.against.changes if change.beyond_chance],
                    },
                }
                for row in self.rows
            ],
        }


def grid(values: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Every combination of the values of each setting, the first values first.

    Raises:
        EvalInputError: there are more than `MOST_VARIANTS`, or a setting has no value.
    """
    names = list(values)
    for name in names:
        if not values[name]:
            raise EvalInputError(f"{name}: give at least one value to compare")
    found = [dict(zip(names, row, strict=True)) for row in product(*(dict.fromkeys(values[name]) for name in names))]
    if len(found) > MOST_VARIANTS:
        raise EvalInputError(f"{len(found)} combinations to compare; at most {MOST_VARIANTS} at once")
    return found


def variant_name(settings: Mapping[str, Any]) -> str:
    """A run's name from its settings."""
    return ", ".join(f"{name} {value}" for name, value in settings.items()) or "as it is"


def compare_answers(
    variants: Sequence[Variant],
    questions: Sequence[Question],
    *,
    tracking_uri: str,
    artifact_root: str | Path | None = None,
    experiment: str = EXPERIMENT,
    embed: Embed | None = None,
    document_text: DocumentText | None = None,
    judge: Judge | None = None,
    progress: ProgressCallback | None = None,
    seed: int = 0,
) -> Comparison:
    """Measure every variant on the same questions and hold each against the first.

    Args:
        variants: At least one; the first is what the others are held against.
        questions: What each is asked.
        tracking_uri: MLflow's address.
        artifact_root: Where a new experiment keeps its artifacts.
        experiment: MLflow experiment, created where absent.
        embed: See `run_rag`.
        document_text: See `run_rag`.
        judge: See `run_rag`.
        progress: Told after each question.
        seed: Of the intervals.

    Raises:
        EvalInputError: no variants or no questions.
        TrackingError: a run could not be written.
    """
    if not variants or not questions:
        raise EvalInputError("nothing to compare: there are no variants or no questions")
    names = list(dict.fromkeys(name for variant in variants for name in variant.settings))
    params = {
        "variants": len(variants),
        "compared": ", ".join(names),
        "questions": len(questions),
        "question_set": question_set_digest(questions),
    }
    parent = begin_run(
        f"comparison of {len(variants)}",
        tracking_uri=tracking_uri,
        experiment=experiment,
        artifact_root=artifact_root,
        params=params,
        tags={"kind": "rag-comparison"},
    )
    rows: list[Compared] = []
    try:
        for number, variant in enumerate(variants):
            if progress is not None:
                progress(Progress("comparing", number, len(variants), variant.name))
            _warm_up(variant.answerer, questions[0])
            result = run_rag(
                variant.answerer,
                questions,
                tracking_uri=tracking_uri,
                artifact_root=artifact_root,
                experiment=experiment,
                params={**(variant.params or {}), **variant.settings},
                progress=progress,
                embed=embed,
                document_text=document_text,
                judge=judge,
                run_name=variant.name,
                parent_run_id=parent.run_id,
                seed=seed,
            )
            first = rows[0].result if rows else None
            held = None
            if first is not None:
                held = compare_tables(first.run_id, first.per_question, result.per_question, seed)
            rows.append(Compared(variant.name, variant.settings, result, held))
        address = comparison_address(tracking_uri, [parent.experiment_id], [row.result.run_id for row in rows])
        report = _report(rows, address)
        record = RunRecord(
            f"comparison of {len(variants)}",
            params,
            {"variants_compared": float(len(rows))},
            {"kind": "rag-comparison"},
            {"comparison.md": report},
        )
        finish_run(parent, record, tracking_uri=tracking_uri)
    except BaseException:
        mark_ended(parent.run_id, tracking_uri, "KILLED")
        raise
    return Comparison(parent.run_id, tuple(rows), address, report, experiment)


def _warm_up(answerer: Asks, question: Question) -> None:
    """Let an assistant load what it needs, so that the first one's latency does not pay for all of them."""
    try:
        answerer.ask(question.question, as_of=question.as_of)
    except Exception as problem:  # It is asked again, and then measured.
        logger.info("warming up: %s", problem)


def _report(rows: Sequence[Compared], address: str) -> str:
    judged = [name for name in ("faithfulness", "factual_correctness") if name in rows[0].result.metrics]
    shown = [*SHOWN, *judged]
    lines = [
        "# Configurations of the assistant compared",
        "",
        f"{len(rows)} configurations on {len(rows[0].result.per_question)} questions, each held against the first one "
        "question by question.",
        "",
        f"| configuration | {' | '.join(shown)} | better | worse | beyond chance |",
        f"|---|{'---:|' * len(shown)}---:|---:|---|",
    ]
    for row in rows:
        figures = " | ".join(f"{row.result.metrics.get(name, float('nan')):.3f}" for name in shown)
        if row.against is None:
            held = " | | what the others are held against"
        else:
            beyond = [
                f"{change.metric} {change.difference.value:+.3f}"
                for change in row.against.changes
                if change.beyond_chance
            ]
            held = f"{len(row.against.better)} | {len(row.against.worse)} | {', '.join(beyond) or 'nothing'}"
        lines.append(f"| {harmless(row.name)} | {figures} | {held} |")
    stood_in = [row for row in rows if row.result.metrics.get("fallback_share", 0.0) > 0]
    lines += [
        f"\nIn {harmless(row.name)} the extractive answerer stood in for the model in "
        f"{row.result.metrics['fallback_share']:.0%} of the answers from documents."
        for row in stood_in
    ]
    lines += [
        "",
        "Beyond chance: the 95% interval of the paired difference leaves out zero. Of twenty figures that do not "
        "differ at all, one does so by luck; settle a choice made here on questions that were not used for it.",
        "",
        f"Beside each other in MLflow: {address}",
        "",
    ]
    return "\n".join(lines)
