"""Ragas metrics of our own, which need no model: citations, quotes, figures and refusals.

Ragas has none for citations by offset. Each is a `BaseMetric` of Ragas' collections, so it can be awaited alone:

    result = await CitationRecall().ascore(trial=trial)
    result.value, result.reason

A value is in [0, 1]; higher is better. `eval/measures.py` lists them together with Ragas' own.
"""

from abc import abstractmethod
from decimal import Decimal, InvalidOperation
from typing import Any

from ragas.metrics.collections.base import BaseMetric
from ragas.metrics.result import MetricResult

from eval.spans import content_words, figures
from eval.trials import Sentence, Trial

# A sentence rests on its citations where they hold at least this share of its content words, and all its figures.
_LEAST_SHARED_WORDS = 0.5
# A figure of one digit only is met by accident.
_LEAST_DIGITS = 2


class TrialMetric(BaseMetric):
    """A Ragas metric of a whole trial; each kind gives its `title` and its `judge`."""

    title = ""

    def __init__(self) -> None:
        super().__init__(name=self.title)

    async def ascore(self, **kwargs: Any) -> MetricResult:
        """Score `trial`, the only argument."""
        return self.judge(kwargs["trial"])

    @abstractmethod
    def judge(self, trial: Trial) -> MetricResult:
        """Value in [0, 1] of a trial, and why it is below 1."""


class CitationPrecision(TrialMetric):
    """Share of the answer's citations that overlap a gold passage."""

    title = "citation_precision"

    def judge(self, trial: Trial) -> MetricResult:
        """Score one trial; 0 where the answer cites nothing."""
        stray = [c for c in trial.citations if not any(trial.meets(c, gold) for gold in trial.gold)]
        names = ", ".join(f"{c.document_id}[{c.start}:{c.end}]" for c in stray)
        return _share(len(trial.citations) - len(stray), len(trial.citations), names and f"beside the gold: {names}")


class CitationRecall(TrialMetric):
    """Share of the gold passages that the answer cites."""

    title = "citation_recall"

    def judge(self, trial: Trial) -> MetricResult:
        """Score one trial; 0 for a refusal."""
        missed = [gold for gold in trial.gold if not any(trial.meets(c, gold) for c in trial.citations)]
        names = ", ".join(f"{gold.document_id}: {gold.quote[:60]!r}" for gold in missed)
        return _share(len(trial.gold) - len(missed), len(trial.gold), names and f"not cited: {names}")


class CitationDocumentPrecision(TrialMetric):
    """Share of the answer's citations that point into a document with a gold passage, wherever in it."""

    title = "citation_document_precision"

    def judge(self, trial: Trial) -> MetricResult:
        """Score one trial; 0 where the answer cites nothing."""
        right = {gold.document_id for gold in trial.gold}
        stray = {c.document_id for c in trial.citations} - right
        hits = sum(c.document_id in right for c in trial.citations)
        return _share(hits, len(trial.citations), f"other documents: {', '.join(sorted(stray))}" if stray else "")


class CitationSupport(TrialMetric):
    """Share of the answer's sentences that their own citations bear out.

    Judged from the documents, not from the assistant's word: the cited text must hold every figure of the sentence and
    half of its content words. Citations given to the wrong sentence fail here and nowhere else.
    """

    title = "citation_support"

    def judge(self, trial: Trial) -> MetricResult:
        """Score one trial; 0 where the answer has no sentences."""
        loose = [sentence.text for sentence in trial.sentences if not _borne_out(sentence)]
        names = " | ".join(text[:80] for text in loose)
        return _share(len(trial.sentences) - len(loose), len(trial.sentences), names and f"not borne out: {names}")


class QuoteExactness(TrialMetric):
    """Share of the answer's quotes that stand, character for character, at their offsets in the document."""

    title = "quote_exactness"

    def judge(self, trial: Trial) -> MetricResult:
        """Score one trial; 0 where the answer cites nothing."""
        wrong = [c for c in trial.citations if not c.exact]
        names = ", ".join(f"{c.document_id}[{c.start}:{c.end}]" for c in wrong)
        return _share(len(trial.citations) - len(wrong), len(trial.citations), names and f"not as quoted: {names}")


class FigureCorrectness(TrialMetric):
    """Share of the answer's figures that stand in the cited text, in what tools gave, in the gold or the question.

    Figures are numbers, dates, times and identifiers, compared by value: 1,200.00 is 1200.
    """

    title = "figure_correctness"

    def judge(self, trial: Trial) -> MetricResult:
        """Score one trial; 1 where the answer names no figure."""
        named = figures(trial.response)
        evidence = [c.found for c in trial.citations if c.found] + [gold.quote for gold in trial.gold]
        given = [trial.tool_text, trial.question.question, trial.question.reference_answer]
        known = figures(" \n ".join([*evidence, *given]))
        invented = sorted(named - known)
        if not named:
            return MetricResult(value=1.0, reason="no figures")
        return _share(len(named) - len(invented), len(named), (invented and f"unfounded: {', '.join(invented)}") or "")


class FigureRecall(TrialMetric):
    """Share of the reference answer's figures that the answer names."""

    title = "figure_recall"

    def judge(self, trial: Trial) -> MetricResult:
        """Score one trial; 1 where the reference names no figure."""
        wanted = figures(trial.question.reference_answer) - figures(trial.question.question)
        missing = sorted(wanted - figures(trial.response)) if trial.answered else sorted(wanted)
        if not wanted:
            return MetricResult(value=1.0, reason="no figures")
        return _share(len(wanted) - len(missing), len(wanted), (missing and f"missing: {', '.join(missing)}") or "")


class ToolFigureRecall(TrialMetric):
    """Share of the figures asked of the desk's tools that the reply names.

    A number counts as named where the reply gives it rounded, as a number or in per cent; a word where it stands there.
    """

    title = "tool_figure_recall"

    def judge(self, trial: Trial) -> MetricResult:
        """Score one trial; 0 where no tool spoke."""
        said = f"{trial.tool_text} \n {trial.response}"
        named = figures(said)
        missing = [fact for fact in trial.question.facts if not _is_named(fact, named, said)]
        whole = len(trial.question.facts)
        return _share(whole - len(missing), whole, (missing and f"missing: {', '.join(missing)}") or "")


class RefusalCorrectness(TrialMetric):
    """1 where the assistant answered what the documents answer, or refused what they do not; else 0."""

    title = "refusal_correctness"

    def judge(self, trial: Trial) -> MetricResult:
        """Score one trial."""
        if trial.question.expects_answer:
            return MetricResult(value=float(trial.answered), reason="" if trial.answered else "refused, but answerable")
        reason = "" if trial.refused else f"answered a question of kind {trial.question.kind}"
        return MetricResult(value=float(trial.refused), reason=reason)


def _share(part: int, whole: int, reason: str) -> MetricResult:
    return MetricResult(value=part / whole if whole else 0.0, reason=reason if whole else "nothing to score")


def _borne_out(sentence: Sentence) -> bool:
    cited = " \n ".join(citation.found for citation in sentence.citations if citation.found)
    if not cited:
        return False
    if figures(sentence.text) - figures(cited):
        return False
    words = content_words(sentence.text)
    return not words or len(words & content_words(cited)) / len(words) >= _LEAST_SHARED_WORDS


def _is_named(fact: str, named: frozenset[str], said: str) -> bool:
    wanted = figures(fact)
    if not wanted:
        return fact.lower() in said.lower()
    try:
        value = Decimal(fact.replace(",", ""))
    except InvalidOperation:
        return wanted <= named
    return any(_rounds_to(value, figure) or _rounds_to(value * 100, figure) for figure in named)


def _rounds_to(value: Decimal, figure: str) -> bool:
    """Whether a figure is a number as people write it: to at least two digits that count."""
    try:
        written = Decimal(figure)
    except InvalidOperation:
        return False
    digits = -min(int(written.as_tuple().exponent), 0)
    if round(value, digits) != written:
        return False
    return value == written or len(written.as_tuple().digits) >= _LEAST_DIGITS
