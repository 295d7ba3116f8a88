"""Passages that stand behind a tool's figures, quoted exactly: how near cases ended, what run reports say."""

import re
import time
from collections.abc import Collection, Sequence
from typing import Any

from app.records import Precedent, iso
from app.tools.records import ToolResult
from retrieval import Answer, Hit, Index
from retrieval.answer import AnswerSentence, Citation
from retrieval.hostile import speaks_to_the_assistant
from retrieval.text import sentences

_PASSAGES = 12
_SHORTEST = 25
_TELLING = 60
_ENDING = re.compile(
    r"\b(?:[FLN]\d{2}|confirmed|fraud|legitimate|genuine|inconclusive|closed|recover\w*|return\w*|refund\w*|froze\w*|"
    r"recall\w*|releas\w*|reject\w*|reimburs\w*|loss|disposition|outcome|report(?:ed)?|blocked|police)\b",
    re.IGNORECASE,
)
# One sentence of each kind is quoted from a run report: what it was trained on, and what it reached.
_REPORTED = (r"\btrained on\b", r"\bat the threshold\b|\bprecision is\b", r"\baverage precision\b")
_REPORT_SENTENCES = 2


def endings(index: Index, precedents: Sequence[Precedent], before: Any, collections: Collection[str] | None) -> Answer:
    """How near cases ended, in the words of their notes.

    Args:
        index: Where the notes are.
        precedents: The cases.
        before: Only notes closed before this time.
        collections: Those that the asker may see; None for all.
    """
    started = time.perf_counter()
    found: list[AnswerSentence] = []
    hits: list[Hit] = []
    for item in precedents:
        near = index.search(
            f"{item.case_id} how the case ended",
            _PASSAGES,
            iso(before),
            {"case_id": item.case_id},
            per_document=_PASSAGES,
            collections=collections,
        )
        if not near:
            continue
        spans = [
            (len(_ENDING.findall(_cut(hit, *span))), span[0], span[1], hit) for hit in near for span in _spans(hit)
        ]
        if spans:
            # The sentence that says most of how it ended; of two alike, the later.
            _, first, last, hit = max(spans, key=lambda entry: entry[:2])
            following = [span for span in _spans(hit) if span[0] >= last]
            last = following[0][1] if following and last - first < _TELLING else last
            hits.append(hit)
            found.append(_quoted(hit, first, last))
    return _answer(index, found, hits, started)


def reports(index: Index, result: ToolResult, collections: Collection[str] | None) -> Answer:
    """What the run reports of the versions compared say about them."""
    started = time.perf_counter()
    found: list[AnswerSentence] = []
    hits: list[Hit] = []
    versions = [{"model_version": name.removeprefix("v")} for name in result.subject if re.fullmatch(r"v\d+", name)]
    for which in versions or [{"run_id": name} for name in result.subject]:
        near = index.search(
            "precision recall threshold trained on payments",
            _PASSAGES,
            None,
            {"collection": "run_reports", **which},
            per_document=_PASSAGES,
            collections=collections,
        )
        spans = [(hit, *span) for hit in near for span in _spans(hit)]
        chosen: dict[int, tuple[Hit, int, int]] = {}
        for wanted in _REPORTED:
            fitting = [entry for entry in spans if re.search(wanted, _cut(*entry), re.IGNORECASE)]
            if fitting and len(chosen) < _REPORT_SENTENCES:
                chosen.setdefault(fitting[0][1], fitting[0])
        for hit, first, last in (chosen[start] for start in sorted(chosen)):
            hits.append(hit)
            found.append(_quoted(hit, first, last))
    return _answer(index, found, hits, started)


def _cut(hit: Hit, start: int, end: int) -> str:
    return hit.text[start - hit.start : end - hit.start]


def _spans(hit: Hit) -> list[tuple[int, int]]:
    """Sentences of a passage as offsets into its document; what speaks to the assistant is passed over."""
    found = []
    for span in sentences(hit.text):
        text = hit.text[span.start : span.end]
        plain = len(text.strip()) >= _SHORTEST and "|" not in text and not text.lstrip().startswith("#")
        if plain and not speaks_to_the_assistant(text):
            found.append((hit.start + span.start, hit.start + span.end))
    return found


def _quoted(hit: Hit, start: int, end: int) -> AnswerSentence:
    quote = _cut(hit, start, end)
    citation = Citation(hit.document_id, hit.passage_id, hit.source, start, end, quote)
    return AnswerSentence(" ".join(quote.split()), True, (citation,))


def _answer(index: Index, found: Sequence[AnswerSentence], hits: Sequence[Hit], started: float) -> Answer:
    return Answer(
        answer=" ".join(sentence.text for sentence in found),
        status="answered" if found else "not_in_documents",
        sentences=tuple(found),
        answerer="extractive",
        elapsed_ms=(time.perf_counter() - started) * 1000,
        hits=tuple({hit.passage_id: hit for hit in hits}.values()),
        index_version=index.version,
    )
