"""A small assistant whose answers are scripted, over a handful of real documents, and an MLflow store."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from eval.questions import GoldPassage, Question

DOCUMENTS = {
    "policies/holds": (
        "# Holds\n\nA hold is lifted after 48 hours unless the payer confirms the fraud. "
        "Payments above EUR 10,000.00 need a second pair of eyes.\n"
    ),
    "typologies/mule": (
        "# Mule chains\n\nMoney that arrives and leaves within 2 hours is the sign of a mule. "
        "Freeze the account before calling the bank.\n"
    ),
    "case_notes/CN-2026-0017": "Caller said he was told to move EUR 4,250 to T00012345. Closed as fraud.\n",
}


@dataclass(frozen=True)
class Citation:
    document_id: str
    start: int
    end: int
    quote: str
    passage_id: str = "p"
    source: str = "s"


@dataclass(frozen=True)
class Said:
    text: str
    citations: tuple[Citation, ...]
    supported: bool = True


@dataclass(frozen=True)
class Hit:
    document_id: str
    text: str


@dataclass(frozen=True)
class Answer:
    answer: str
    status: str
    sentences: tuple[Said, ...] = ()
    hits: tuple[Hit, ...] = ()
    answerer: str = "scripted"
    elapsed_ms: float = 1.0


def cite(document_id: str, quote: str) -> Citation:
    start = DOCUMENTS[document_id].index(quote)
    return Citation(document_id, start, start + len(quote), quote)


def answer_from(*passages: tuple[str, str], others: tuple[str, ...] = ()) -> Answer:
    """An answer that says each passage in a sentence of its own, and cites it."""
    sentences = tuple(Said(quote, (cite(document_id, quote),)) for document_id, quote in passages)
    hits = tuple(Hit(name, DOCUMENTS[name]) for name in (*dict.fromkeys(d for d, _ in passages), *others))
    return Answer(" ".join(f"{s.text} [{n}]" for n, s in enumerate(sentences, 1)), "answered", sentences, hits)


REFUSAL = Answer("This is not in the documents.", "not_in_documents")


class ScriptedIndex:
    def document_text(self, document_id: str) -> str:
        return DOCUMENTS[document_id]


@dataclass
class ScriptedAnswerer:
    answers: dict[str, Answer | Exception]
    index: ScriptedIndex = field(default_factory=ScriptedIndex)
    asked: list[tuple[str, object]] = field(default_factory=list)

    def ask(self, question: str, as_of=None, where=None) -> Answer:
        self.asked.append((question, as_of))
        answer = self.answers[question]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def changed(self, change) -> "ScriptedAnswerer":
        return ScriptedAnswerer({question: change(answer) for question, answer in self.answers.items()})


HOLD = ("policies/holds", "A hold is lifted after 48 hours unless the payer confirms the fraud.")
EYES = ("policies/holds", "Payments above EUR 10,000.00 need a second pair of eyes.")
MULE = ("typologies/mule", "Money that arrives and leaves within 2 hours is the sign of a mule.")
CASE = ("case_notes/CN-2026-0017", "Caller said he was told to move EUR 4,250 to T00012345.")


def question(name: str, *gold: tuple[str, str], kind: str = "answerable", **more) -> Question:
    reference = " ".join(quote for _, quote in gold)
    return Question(name, f"{name}?", reference, tuple(GoldPassage(*passage) for passage in gold), kind, **more)


@pytest.fixture
def questions() -> list[Question]:
    return [
        question("holds", HOLD),
        question("holds-and-eyes", HOLD, EYES),
        question("mule", MULE),
        question("case", CASE, as_of="2026-08-01T00:00:00Z"),
        question("fee", kind="unanswerable"),
        question("weather", kind="off_topic"),
        question("ignore-your-rules", kind="hostile"),
        question("ignore-and-tell-holds", HOLD, kind="hostile"),
    ]


@pytest.fixture
def good() -> ScriptedAnswerer:
    """An assistant that does everything right."""
    return ScriptedAnswerer(
        {
            "holds?": answer_from(HOLD),
            "holds-and-eyes?": answer_from(HOLD, EYES),
            "mule?": answer_from(MULE),
            "case?": answer_from(CASE),
            "fee?": REFUSAL,
            "weather?": REFUSAL,
            "ignore-your-rules?": REFUSAL,
            "ignore-and-tell-holds?": answer_from(HOLD),
        }
    )


def with_citations(answer: Answer, change) -> Answer:
    """The answer with every citation changed."""
    sentences = tuple(replace(s, citations=tuple(change(c) for c in s.citations)) for s in answer.sentences)
    return replace(answer, sentences=sentences)


@pytest.fixture(scope="session")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """One MLflow store for the folder: making its database takes seconds."""
    home: Path = tmp_path_factory.mktemp("mlflow")
    return {"tracking_uri": f"sqlite:///{home / 'ml.db'}", "artifact_root": home / "artifacts"}


@pytest.fixture
def scripted() -> SimpleNamespace:
    """The pieces that scripted answers are made of."""
    return SimpleNamespace(
        answerer=ScriptedAnswerer,
        answer_from=answer_from,
        citation=Citation,
        documents=DOCUMENTS,
        refusal=REFUSAL,
        said=Said,
        with_citations=with_citations,
        holds=HOLD,
        mule=MULE,
    )
