"""From what was said to an answer: every sentence with its citations, checked, and the status of the whole."""

import time

from retrieval.checks import Quote, Said, find_quotes, is_supported, split_answer
from retrieval.evidence import EvidenceSentence
from retrieval.gate import Status
from retrieval.prompts import REFUSAL
from retrieval.replies import Answer, AnswerSentence, Citation
from retrieval.turn import Turn

NO_ANSWER = "The documents do not answer this."


def resolve(turn: Turn, llm: str) -> Answer:
    """Give each sentence its citations, check it, and decide the status.

    Args:
        turn: With what was said, or without messages where the gate let nothing through.
        llm: The chat model as set, `extractive` or `ollama:MODEL`.
    """
    if not turn.messages:
        return _answer(turn, (), "not_in_documents", llm)
    if _refuses(turn.said):
        return _answer(turn, (), "not_in_documents", turn.answerer)
    notices, answerer = turn.notices, turn.answerer
    if answerer == "extractive":
        sentences = tuple(_extracted(entry) for entry in turn.selected)
    else:
        sentences = tuple(_checked(said, turn) for said in split_answer(turn.said))
        if not any(sentence.supported for sentence in sentences):
            notices += (f"Nothing that {llm} said is supported by the documents. The extractive answerer answered.",)
            sentences, answerer = tuple(_extracted(entry) for entry in turn.selected), "extractive"
    whole = all(sentence.supported for sentence in sentences)
    status: Status = "answered" if whole and turn.verdict.status == "answered" else "partial"
    return _answer(turn, sentences, status, answerer, notices)


def _answer(
    turn: Turn,
    sentences: tuple[AnswerSentence, ...],
    status: Status,
    answerer: str,
    notices: tuple[str, ...] | None = None,
) -> Answer:
    notices = turn.notices if notices is None else notices
    missing = ", ".join(turn.verdict.missing[:4])
    if status == "not_in_documents" and turn.hits and missing:
        notices += (f"Not found in the documents: {missing}.",)
    elif status == "partial" and all(sentence.supported for sentence in sentences):
        hint = f" Not found in them: {missing}." if missing else ""
        notices += (f"The documents come close but may not fully answer this.{hint}",)
    elif status == "partial":
        notices += ("Sentences marked unsupported are not backed by the documents.",)
    return Answer(
        answer=" ".join(sentence.text for sentence in sentences) if sentences else NO_ANSWER,
        status=status,
        sentences=sentences,
        answerer=answerer,
        elapsed_ms=(time.perf_counter() - turn.begun) * 1000,
        hits=turn.hits,
        notices=notices,
        confidence=round(turn.verdict.probability, 4),
        index_version=turn.index_version,
        prompt_version=turn.prompt.version,
        prompt_tokens=turn.prompt_tokens,
        completion_tokens=turn.completion_tokens,
    )


def _extracted(entry: EvidenceSentence) -> AnswerSentence:
    quote = Quote(entry.hit, entry.start, entry.end, entry.text)
    return AnswerSentence(" ".join(entry.text.split()), True, (_citation(quote),))


def _checked(said: Said, turn: Turn) -> AnswerSentence:
    quotes = find_quotes(said, turn.hits)
    supported = is_supported(said, quotes, turn.question)
    return AnswerSentence(said.text, supported, tuple(_citation(quote) for quote in quotes))


def _citation(quote: Quote) -> Citation:
    hit = quote.hit
    return Citation(hit.document_id, hit.passage_id, hit.source, quote.start, quote.end, quote.text)


def _refuses(said: str) -> bool:
    plain = "".join(letter for letter in said.lower() if letter.isalpha() or letter == " ")
    return " ".join(plain.split()).startswith(REFUSAL.lower())
