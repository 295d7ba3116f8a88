"""Questions with reference answers and gold passages, one JSON object a line.

    {"id": "Q-001", "kind": "answerable", "question": "When is a hold lifted?", "reference_answer": "After 48 hours",
     "gold": [{"document_id": "policies/holds", "quote": "A hold is lifted after 48 hours"}]}

`kind` says what the assistant should do. `answerable`: answer from the gold passages. `unanswerable` (the topic is
covered, the answer is not) and `off_topic`: say that it is not in the documents. `hostile`: an attempt to misuse the
assistant, which must be refused, unless gold passages are given: then the answer must come from them alone. `tool`:
about a payment or a model, answered by the desk's own tools; `facts` lists figures that must be named.
Optional: `as_of` (only documents closed or published before count) and `split` (`development` or `gate`).
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from eval.errors import EvalInputError
from eval.spans import locate

KINDS = ("answerable", "unanswerable", "off_topic", "hostile", "tool")
SPLITS = ("development", "gate")
DEFAULT_FOLDER = Path(__file__).parent / "questions"

_FIELDS = ("id", "question", "reference_answer", "gold", "kind", "as_of", "split", "facts")
# More than this many problems in one message hides the first, which is often the cause of the others.
_MOST_PROBLEMS_SHOWN = 10


@dataclass(frozen=True)
class GoldPassage:
    """A passage that a good answer rests on: `quote` stands word for word in the document."""

    document_id: str
    quote: str


@dataclass(frozen=True)
class Question:
    """A question and what a good assistant does with it.

    Attributes:
        id: Unique in the set; stays the same over time, so that runs can be compared question by question.
        question: As an analyst would type it.
        reference_answer: A good answer; empty where the assistant must refuse.
        gold: Passages that bear the answer; empty where the assistant must refuse.
        kind: One of `KINDS`.
        as_of: ISO 8601 time; documents closed or published at or after it are out of sight. None: now.
        split: `development` for tuning, `gate` for deciding; gates must not be tuned on.
        facts: Figures that a tool gives and the answer must name; only of the kind `tool`.
    """

    id: str
    question: str
    reference_answer: str
    gold: tuple[GoldPassage, ...]
    kind: str
    as_of: str | None = None
    split: str = "gate"
    facts: tuple[str, ...] = ()

    @property
    def expects_answer(self) -> bool:
        """Whether documents or tools answer it; else the assistant must say that the documents do not."""
        return bool(self.gold or self.facts)


def load_questions(path: str | Path | None = None, split: str | None = None) -> list[Question]:
    """Questions from a .jsonl file, or from every .jsonl file of a folder in the order of their names.

    Args:
        path: File or folder; the questions shipped with the desk where None.
        split: Only the questions of this split; all where None.

    Raises:
        EvalInputError: nothing there, or a question is wrong; names file and line of each.
    """
    if split is not None and split not in SPLITS:
        raise EvalInputError(f"unknown split {split!r}; known: {', '.join(SPLITS)}")
    place = Path(path) if path is not None else DEFAULT_FOLDER
    files = sorted(place.glob("*.jsonl")) if place.is_dir() else [place]
    if not files:
        raise EvalInputError(f"no .jsonl file with questions in {place}")
    problems: list[str] = []
    found: dict[str, Question] = {}
    first_seen: dict[str, str] = {}
    for file in files:
        for number, line in _lines(file):
            where = f"{file}, line {number}"
            try:
                question = parse_question(json.loads(line))
            except json.JSONDecodeError as error:
                problems.append(f"{where}: not JSON ({error.msg}, column {error.colno})")
                continue
            except EvalInputError as error:
                problems.append(f"{where}: {error}")
                continue
            if question.id in found:
                problems.append(f"{where}: id {question.id} was used before ({first_seen[question.id]})")
                continue
            found[question.id] = question
            first_seen[question.id] = where
    if problems:
        more = len(problems) - _MOST_PROBLEMS_SHOWN
        shown = problems[:_MOST_PROBLEMS_SHOWN] + ([f"and {more} more"] if more > 0 else [])
        raise EvalInputError("\n".join(shown))
    chosen = [question for question in found.values() if split is None or question.split == split]
    if not chosen:
        raise EvalInputError(f"no questions in {place}" + (f" with split {split}" if split else ""))
    return chosen


def parse_question(values: Any) -> Question:
    """A question from plain values.

    Raises:
        EvalInputError: a field is unknown, missing, mistyped or contradicts another.
    """
    if not isinstance(values, dict):
        raise EvalInputError("expected a JSON object with id, question, kind and gold")
    for name in values:
        if name not in _FIELDS:
            near = get_close_matches(str(name), _FIELDS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(_FIELDS)}"
            raise EvalInputError(f"unknown field {name!r}; {hint}")
    kind = _text(values, "kind")
    if kind not in KINDS:
        raise EvalInputError(f"kind {kind!r} unknown; known: {', '.join(KINDS)}")
    split = _text(values, "split", default="gate")
    if split not in SPLITS:
        raise EvalInputError(f"split {split!r} unknown; known: {', '.join(SPLITS)}")
    gold = tuple(_gold_passages(values.get("gold", [])))
    reference = _text(values, "reference_answer", default="")
    if kind == "answerable" and not gold:
        raise EvalInputError("an answerable question needs at least one gold passage")
    if kind in ("unanswerable", "off_topic") and gold:
        raise EvalInputError(f"a question of kind {kind} has no gold passage; make it answerable or remove `gold`")
    facts = _facts(values.get("facts"))
    if (kind == "tool") != bool(facts) or (kind == "tool" and gold):
        raise EvalInputError("a question of kind tool has `facts` and no gold passage; other kinds have no `facts`")
    if gold and not reference:
        raise EvalInputError("a question with gold passages needs a reference_answer")
    return Question(
        id=_text(values, "id"),
        question=_text(values, "question"),
        reference_answer=reference,
        gold=gold,
        kind=kind,
        as_of=_moment(values.get("as_of")),
        split=split,
        facts=facts,
    )


def to_json(question: Question) -> str:
    """A question as its line in a .jsonl file."""
    plain = {name: value for name, value in asdict(question).items() if value not in (None, ())}
    return json.dumps(plain, ensure_ascii=False)


def sample_questions(questions: Sequence[Question], most: int) -> list[Question]:
    """A part of the questions with each kind in its share, the same part every time, in the order given.

    For a first look where asking them all takes too long. Chosen by a hash of the id, so that adding a question to the
    set hardly changes which others are asked.

    Args:
        questions: All questions.
        most: How many to keep; each kind present keeps at least one.
    """
    if len(questions) <= most:
        return list(questions)
    kept: set[str] = set()
    for kind in KINDS:
        of_kind = [question.id for question in questions if question.kind == kind]
        if not of_kind:
            continue
        share = round(most * len(of_kind) / len(questions))
        of_kind.sort(key=lambda name: hashlib.sha256(name.encode()).hexdigest())
        kept.update(of_kind[: max(share, 1)])
    return [question for question in questions if question.id in kept]


def question_set_digest(questions: Sequence[Question]) -> str:
    """Sixteen hex digits that change with any word of any question; the order does not matter."""
    plain = sorted((asdict(question) for question in questions), key=lambda values: str(values["id"]))
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]


def stale_gold(questions: Sequence[Question], document_text: Callable[[str], str | None]) -> list[str]:
    """Gold passages that no longer stand in the documents, one line each.

    A question whose passage was edited away measures the question set, not the assistant: such a line is a reason to
    correct the question.

    Args:
        questions: The questions to check.
        document_text: Gives the text of a document, None where there is no such document.
    """
    problems = []
    for question in questions:
        for passage in question.gold:
            text = document_text(passage.document_id)
            if text is None:
                problems.append(f"{question.id}: no document {passage.document_id}")
            elif locate(passage.quote, text) is None:
                problems.append(f"{question.id}: {passage.document_id} no longer says {passage.quote[:60]!r}")
    return problems


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise EvalInputError(f"no file {file}") from error
    except UnicodeDecodeError as error:
        raise EvalInputError(f"{file}: not UTF-8 text ({error.reason} at byte {error.start})") from error
    except OSError as error:
        raise EvalInputError(f"{file}: {error.strerror or error}") from error
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, line


def _text(values: dict[str, Any], name: str, default: str | None = None) -> str:
    value = values.get(name)
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        raise EvalInputError(f"{name} missing" if value is None else f"{name} must be text, not {value!r}")
    if default is None and not value.strip():
        raise EvalInputError(f"{name} is empty")
    return value


def _gold_passages(value: Any) -> Iterator[GoldPassage]:
    if value is None:
        return
    if not isinstance(value, list):
        raise EvalInputError("gold must be a list of {document_id, quote}")
    for passage in value:
        if not isinstance(passage, dict) or set(passage) != {"document_id", "quote"}:
            raise EvalInputError(f"each gold passage must have document_id and quote, nothing else: {passage!r}")
        yield GoldPassage(_text(passage, "document_id"), _text(passage, "quote"))


def _facts(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list | tuple) or not all(isinstance(fact, str) and fact.strip() for fact in value):
        raise EvalInputError("facts must be a list of texts, each with a figure")
    return tuple(value)


def _moment(value: Any) -> str | None:
    if value is None:
        return None
    try:
        datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise EvalInputError(f"as_of {value!r} is not a time such as 2026-07-01T00:00:00Z") from error
    return str(value)
