"""The reports of a measurement of the assistant: figures with intervals, and the ten worst answers to read."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from eval.aggregates import KIND_NAMES, REFUSAL_NAMES, SCORE_NAMES
from eval.gates import Gate
from eval.intervals import Vector
from eval.judge_metrics import JUDGE_NAMES
from eval.markdown import harmless
from eval.measures import Scores
from eval.trials import Trial

# What one answer's quality is made of; the rest of the measures are views of the same things.
_CORE = ("context_recall_by_id", "citation_precision", "citation_recall", "quote_exactness", "citation_support")
_ALWAYS = ("figure_correctness", "refusal_correctness", "tool_figure_recall")

_MEANING = {
    "quality": "mean of what an answer is judged by first: found, cited, exact, borne out, refused where it should",
    "context_precision_by_id": "retrieved documents that are gold",
    "context_recall_by_id": "gold documents that were retrieved",
    "context_precision_by_text": "rank of the passages that hold a gold quote",
    "context_recall_by_text": "gold quotes held by a retrieved passage",
    "string_similarity": "edit similarity to the reference answer",
    "rouge_l": "longest common sequence with the reference answer",
    "answer_similarity": "cosine to the reference answer",
    "citation_precision": "citations that overlap a gold passage",
    "citation_recall": "gold passages that are cited",
    "citation_document_precision": "citations into a gold document",
    "citation_support": "sentences that their own citations bear out",
    "quote_exactness": "quotes equal to the source at their offsets",
    "figure_correctness": "figures in the answer that are founded",
    "figure_recall": "figures of the reference that are named",
    "tool_figure_recall": "figures asked of the desk's tools that are named",
    "refusal_correctness": "answered or refused as it should",
    "faithfulness": "claims of the answer that the retrieved passages bear out (judge)",
    "response_relevancy": "cosine of the question with one made up from the answer (judge)",
    "llm_context_precision": "rank of the passages that help to the reference answer (judge)",
    "llm_context_recall": "claims of the reference answer that the passages hold (judge)",
    "factual_correctness": "agreement of claims with the reference answer, F1 (judge)",
    "refusal_precision": "refusals that were right",
    "refusal_recall": "questions to refuse that were refused",
    "refusal_f1": "harmonic mean of the two",
    "answer_rate": "answerable questions that were answered",
    "refusal_recall_unanswerable": "refused, of those on topic without an answer",
    "refusal_recall_off_topic": "refused, of those off topic",
    "refusal_recall_hostile": "refused, of the hostile ones",
}


def quality_of(trials: Sequence[Trial], scores: Scores) -> Vector:
    """One figure an answer, to sort by: the mean of its core scores; 0 where asking failed or refused wrongly."""
    core = [name for name in (*_CORE, *_ALWAYS) if name in scores.values.columns]
    found = np.zeros(len(trials))
    for row, trial in enumerate(trials):
        if trial.failed or (trial.refused and trial.question.expects_answer):
            continue
        if not trial.question.expects_answer:
            found[row] = float(trial.refused)
            continue
        values = scores.values.loc[row, core].to_numpy(np.float64)
        values = values[np.isfinite(values)]
        found[row] = float(values.mean()) if len(values) else 0.0
    return found


def write_report(
    metrics: Mapping[str, float], trials: Sequence[Trial], gates: Sequence[Gate], stale: Sequence[str]
) -> str:
    """The figures of a run in Markdown."""
    lines = ["# Quality of the assistant", "", _headline(metrics, trials), ""]
    for title, names in (
        ("Retrieval and answers", ("quality", *SCORE_NAMES)),
        ("Refusals", (*REFUSAL_NAMES, *KIND_NAMES)),
        ("By the judge", JUDGE_NAMES),
    ):
        if not any(name in metrics for name in names):
            continue
        lines += [
            f"## {title}",
            "",
            "| figure | value | 95% interval | questions | not scored | meaning |",
            "|---|---:|---:|---:|---:|---|",
        ]
        lines += [_row(metrics, name) for name in names if name in metrics]
        lines.append("")
    lines += [
        "## Time",
        "",
        f"Half of the answers came within {metrics['latency_p50_seconds']:.2f} s, 95% within "
        f"{metrics['latency_p95_seconds']:.2f} s; the slowest took {metrics['latency_max_seconds']:.2f} s.",
        "",
    ]
    lines += _judging(metrics)
    if gates:
        lines += ["## Gates", "", "| figure | least | measured | |", "|---|---:|---:|---|"]
        for gate in gates:
            verdict = "held" if gate.passed else "**failed**"
            lines.append(f"| {gate.metric} | {gate.least:.3f} | {_number(gate.value)} | {verdict} |")
        lines.append("")
    if stale:
        lines += ["## Questions to correct", "", "Their gold passages no longer stand in the documents.", ""]
        lines += [f"- {harmless(line)}" for line in stale] + [""]
    return "\n".join(lines)


def write_worst(trials: Sequence[Trial], scores: Scores, quality: Any, most: int = 10) -> str:
    """The worst answers in Markdown, beside what was expected of them."""
    order = np.argsort(np.asarray(quality, dtype=np.float64), kind="stable")[:most]
    lines = [f"# The {len(order)} worst answers", ""]
    for rank, row in enumerate(order, start=1):
        trial = trials[row]
        expected = trial.question.reference_answer if trial.question.expects_answer else "(not in the documents)"
        lines += [
            f"## {rank}. {trial.question.id} ({trial.question.kind}), quality {quality[row]:.2f}",
            "",
            f"**Asked:** {harmless(trial.question.question)}",
            "",
            f"**Expected:** {harmless(expected)}",
            "",
            f"**Answered ({trial.status or 'failed'}):** {harmless(trial.error or trial.response) or '(nothing)'}",
            "",
        ]
        for gold in trial.gold:
            lines.append(f"- gold: {gold.document_id}: {harmless(gold.quote)!r}")
        for citation in trial.citations:
            mark = "" if citation.exact else " (not what stands there)"
            lines.append(
                f"- cited: {citation.document_id}[{citation.start}:{citation.end}]: {harmless(citation.quote)!r}{mark}"
            )
        why = [f"- {name}: {harmless(reason)}" for (at, name), reason in scores.reasons.items() if at == row]
        lines += [*why, ""]
    return "\n".join(lines)


def _judging(metrics: Mapping[str, float]) -> list[str]:
    if "judge_calls" not in metrics:
        return []
    return [
        "## Judging",
        "",
        f"{metrics['judge_calls']:.0f} calls, {metrics['judge_retries']:.0f} of them further tries; "
        f"{metrics['judge_failures']:.0f} points got no verdict and are in no mean. The judge read "
        f"{metrics['judge_prompt_tokens']:,.0f} tokens and wrote {metrics['judge_reply_tokens']:,.0f}.",
        "",
    ]


def _headline(metrics: Mapping[str, float], trials: Sequence[Trial]) -> str:
    answerable = sum(trial.question.expects_answer for trial in trials)
    failed = int(metrics["questions_failed"])
    sentence = (
        f"{len(trials)} questions were asked: {answerable} that the documents answer and {len(trials) - answerable} "
        f"that must be refused."
    )
    stood_in = metrics.get("fallback_share", 0.0)
    if stood_in:
        sentence += f" **The extractive answerer stood in for the model in {stood_in:.0%} of the answers.**"
    return sentence + (f" **{failed} failed with an error.**" if failed else "")


def _row(metrics: Mapping[str, float], name: str) -> str:
    interval = f"{_number(metrics[f'{name}_low'])} to {_number(metrics[f'{name}_high'])}"
    scored, failed = metrics.get(f"{name}_scored"), metrics.get(f"{name}_failed")
    counts = f"{'' if scored is None else int(scored)} | {'' if failed is None else int(failed)}"
    return f"| {name} | {_number(metrics[name])} | {interval} | {counts} | {_MEANING.get(name, '')} |"


def _number(value: float) -> str:
    return f"{value:.3f}" if np.isfinite(value) else "n/a"
