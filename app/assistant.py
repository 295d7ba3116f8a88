"""The assistant: an answer from the documents and, where a question names a payment, its figures from tools.

Every figure of a payment (score, contributions, precedents) comes from the model, the store and the index, and stands
apart from what the documents say. Nothing that a document says starts a tool: only the question itself does.
"""

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from app.errors import message_of
from app.records import Alert, Precedent, ReasonRecord, Scored, plain
from retrieval import Answer

if TYPE_CHECKING:
    from app.desk import Desk

_TOKEN = re.compile(r"[A-Za-z0-9][\w-]{3,}")
# A bare number is an id only where the question says so: "over 10,000" is an amount.
_NAMED_NUMBER = re.compile(r"(?:transaction|payment|id|#)\s*(?:no\.?|number)?\s*#?(\d{3,})", re.IGNORECASE)
_REASONS_SHOWN = 5


@dataclass(frozen=True)
class CaseFacts:
    """What the tools say about one payment. Probabilities in [0, 1], amount in `currency`, time UTC.

    Attributes:
        origin: `alert record` for what was frozen when the alert was raised, `scored now` otherwise.
        alert_id: The alert on this payment; None where it has none.
        state: The alert's state; None where there is none.
    """

    transaction_id: str
    event_time: datetime
    payer: str
    payee: str
    amount: float
    currency: str
    probability: float
    threshold: float
    model_version: str
    reasons: tuple[ReasonRecord, ...]
    precedents: tuple[Precedent, ...]
    origin: str
    alert_id: int | None = None
    state: str | None = None


@dataclass(frozen=True)
class Reply:
    """An answer with all it rests on.

    Attributes:
        question: The question as asked.
        answer: The answer from the documents.
        case: Figures from tools on the payment that the question names; None where it names none.
        notices: What the analyst should know about how the answer came about.
        elapsed_ms: Time from question to answer.
    """

    question: str
    answer: Answer
    case: CaseFacts | None = None
    notices: tuple[str, ...] = ()
    elapsed_ms: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """The answer's JSON, with `case` beside it where tools gave figures."""
        body = self.answer.to_dict() | {"elapsed_ms": round(self.elapsed_ms, 1)}
        if self.case is not None:
            body["case"] = plain(self.case)
        notices = [*body.get("notices", ()), *self.notices]
        return body | ({"notices": notices} if notices else {})


@dataclass(frozen=True)
class Step:
    """Something that happened on the way to an answer.

    Attributes:
        kind: `looking_up`, `case`, `searching`, `writing` (`said` holds the unchecked text so far), `done`.
        text: What is being done, in words for the page.
        case: With kind `case`.
        said: With kind `writing`.
        reply: With kind `done`.
    """

    kind: str
    text: str = ""
    case: CaseFacts | None = None
    said: str = ""
    reply: Reply | None = None


class Assistant:
    """Answers questions with the parts of a desk."""

    def __init__(self, desk: "Desk") -> None:
        self._desk = desk

    def ask(self, question: str, transaction_id: str | None = None, as_of: datetime | str | None = None) -> Reply:
        """Answers a question.

        Args:
            question: In plain words; may name a payment by its id.
            transaction_id: The payment at hand, for a question asked beside a case.
            as_of: Only documents known by then are seen; now where None.

        Raises:
            InputError: the question is empty or `as_of` is not a time.
            RetrievalError: the index is not there or cannot be searched.
        """
        for step in self.steps(question, transaction_id, as_of):
            if step.reply is not None:
                return step.reply
        raise RuntimeError("the steps of an answer ended without a reply")

    def steps(
        self, question: str, transaction_id: str | None = None, as_of: datetime | str | None = None
    ) -> Iterator[Step]:
        """The same, telling each step; the last one holds the reply."""
        started = time.perf_counter()
        notices: list[str] = []
        case: CaseFacts | None = None
        named = transaction_id or self._named(question)
        if named is not None:
            yield Step("looking_up", f"Looking up payment {named}")
            try:
                case = self.case_facts(named)
            except Exception as error:
                # The documents can still answer; what failed is told beside the answer.
                notices.append(f"The figures for {named} are not available: {message_of(error)}")
            if case is not None:
                yield Step("case", f"Payment {named}: score {case.probability:.3f}", case=case)
            elif not notices:
                notices.append(f"No payment {named} is known here.")
        yield Step("searching", "Searching the documents")
        answer: Answer | None = None
        said = ""
        asked = question if case is None else self._for_documents(question, case.transaction_id, as_of)
        for event in self._desk.answerer.stream(asked, as_of=as_of):
            if event.kind == "evidence":
                yield Step("searching", f"Reading {_count(event.hits)}")
            elif event.kind == "done":
                answer = event.answer
            else:
                said = "" if event.kind == "reset" else said + event.text
                yield Step("writing", "Checking each sentence against its source", said=said)
        assert answer is not None, "the last event of a stream holds the answer"
        elapsed = (time.perf_counter() - started) * 1000
        yield Step("done", reply=Reply(question, answer, case, tuple(notices), elapsed))

    def case_facts(self, transaction_id: str) -> CaseFacts | None:
        """Figures on one payment: from its alert's frozen record, else scored from the history before it."""
        alert = self._desk.store.alert_of(transaction_id)
        found: Alert | Scored | None = alert or self._desk.score_known(transaction_id)
        if found is None:
            return None
        return CaseFacts(
            transaction_id=found.transaction_id,
            event_time=found.event_time,
            payer=found.payer,
            payee=found.payee,
            amount=found.amount,
            currency=found.currency,
            probability=found.probability,
            threshold=found.threshold,
            model_version=found.model_version,
            reasons=found.reasons[:_REASONS_SHOWN],
            precedents=self._desk.precedents(found),
            origin="alert record" if alert is not None else "scored now",
            alert_id=alert.id if alert is not None else None,
            state=alert.state if alert is not None else None,
        )

    def _for_documents(self, question: str, transaction_id: str, as_of: datetime | str | None) -> str:
        """The question as documents can answer it.

        The id of a payment that no document names would make every passage look beside the point; the tools have
        answered for it, so that for the documents it is just "this payment".
        """
        if any(hit.named for hit in self._desk.index.search(transaction_id, k=1, as_of=as_of)):
            return question
        return re.sub(re.escape(transaction_id), "this payment", question, flags=re.IGNORECASE)

    def _named(self, question: str) -> str | None:
        """The first payment id in a question; None where no word in it is one."""
        numbers = _NAMED_NUMBER.findall(question)
        words = [word for word in _TOKEN.findall(question) if any(c.isdigit() for c in word) and not word.isdigit()]
        for word in dict.fromkeys([*words, *(word.upper() for word in words), *numbers]):
            if self._is_known(word):
                return word
        return next((word for word in words if re.fullmatch(r"[Tt]\d{6,}", word)), None)

    def _is_known(self, word: str) -> bool:
        try:
            return self._desk.store.alert_of(word) is not None or self._desk.history.find(word) is not None
        except Exception:
            # Without model or transactions the documents still answer; the page shows what is not ready.
            return False


def _count(hits: Sequence[object]) -> str:
    return "1 passage" if len(hits) == 1 else f"{len(hits)} passages"
