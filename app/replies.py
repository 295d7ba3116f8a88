"""A reply of the assistant with all it rests on, and the steps on the way to it."""

from dataclasses import dataclass
from typing import Any

from app.arms import DEFAULT
from app.records import plain
from app.tools.payments import CaseFacts
from app.tools.records import ToolResult
from retrieval import Answer
from retrieval.resolution import NO_ANSWER


@dataclass(frozen=True)
class Reply:
    """An answer with all it rests on.

    Attributes:
        question: The question as asked.
        answer: The answer from the documents.
        case: All that is known of the payment that the question asks about; None where it asks about none.
        results: Figures from tools, in the order in which they are shown.
        told: What a chat model says of those figures; every figure in it stands in `results`.
        read: Whether the documents were asked.
        asked: Whether the question asks for the figures, and not only names what they are about.
        notices: What the analyst should know about how the answer came about.
        elapsed_ms: Time from question to answer.
        arm: The configuration that answered.
        transaction_id: What "this payment" means in the next question.
    """

    question: str
    answer: Answer
    case: CaseFacts | None = None
    results: tuple[ToolResult, ...] = ()
    told: tuple[str, ...] = ()
    read: bool = True
    asked: bool = False
    notices: tuple[str, ...] = ()
    elapsed_ms: float = 0.0
    arm: str = DEFAULT
    transaction_id: str = ""

    @property
    def figures_text(self) -> str:
        """What the tools' figures say, in words."""
        return " ".join(self.told or (sentence for result in self.results for sentence in result.sentences))

    @property
    def tool_text(self) -> str:
        """The tools' own sentences, whoever told them; empty where no tool spoke."""
        return " ".join(result.text for result in self.results)

    @property
    def status(self) -> str:
        """`answered`, `partial` or `not_in_documents`; figures that were asked for answer too."""
        if self.answer.status == "not_in_documents" and self.asked and self.figures_text:
            return "answered"
        return self.answer.status

    @property
    def text(self) -> str:
        """The whole answer: figures that were asked for, and what the documents say.

        Figures that only go with what the question names are told where the documents have nothing.
        """
        if self.asked:
            said = self.answer.answer if self.answer.sentences or not self.figures_text else ""
            return " ".join(part for part in (self.figures_text, said) if part)
        if self.answer.sentences or not self.figures_text:
            return self.answer.answer
        return f"{self.answer.answer or NO_ANSWER} {self.figures_text}"

    def to_dict(self) -> dict[str, Any]:
        """The answer's JSON, with `tool_results` and `case` beside it where tools gave figures."""
        body = self.answer.to_dict() | {
            "answer": self.text,
            "status": self.status,
            "elapsed_ms": round(self.elapsed_ms, 1),
            "answered_from": [
                *(["tools"] if self.figures_text and (self.asked or not self.answer.sentences) else []),
                *(["documents"] if self.answer.sentences else []),
            ],
            "tool_results": [result.to_dict() for result in self.results],
            "arm": self.arm,
        }
        if self.told:
            body["told"] = list(self.told)
        if self.case is not None:
            body["case"] = plain(self.case)
        if self.answer.trace_id:
            body["trace_id"] = self.answer.trace_id
        notices = [*body.pop("notices", ()), *self.notices]
        return body | ({"notices": notices} if notices else {})


@dataclass(frozen=True)
class Step:
    """Something that happened on the way to an answer.

    Attributes:
        kind: `looking_up`, `case`, `figures`, `searching`, `writing` (`said` holds the unchecked text so far), `done`.
        text: What is being done, in words for the page.
        case: With kind `case`.
        result: With kind `figures`.
        said: With kind `writing`.
        reply: With kind `done`.
    """

    kind: str
    text: str = ""
    case: CaseFacts | None = None
    result: ToolResult | None = None
    said: str = ""
    reply: Reply | None = None
