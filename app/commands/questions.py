"""`eval questions`: candidate questions made from documents and corrections, and the decisions on them."""

from dataclasses import asdict
from typing import Annotated

import typer

from app.console import ProgressLine, emit, start, table

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
By = Annotated[str | None, typer.Option(help="Who decides; the user of this machine if not given.")]


def register(group: typer.Typer) -> None:
    """Add the commands below `eval`."""
    questions = typer.Typer(help="Candidate questions: make, list, accept, reject.", no_args_is_help=True)
    questions.command("build")(build)
    questions.command("list")(listed)
    questions.command("accept")(accept)
    questions.command("reject")(reject)
    group.add_typer(questions, name="questions")


def build(
    documents: Annotated[list[str] | None, typer.Argument(help="Ids of documents, or how they begin.")] = None,
    most: Annotated[int, typer.Option(min=1, help="Of so many documents at most.")] = 50,
    llm: Annotated[str | None, typer.Option(help="A model that words one more of each: ollama:MODEL.")] = None,
    as_json: Json = False,
) -> None:
    """Make candidates of documents that no question is about yet."""
    settings = start()
    from app.question_builder import book_of
    from app.question_builder import build as make

    made = make(settings, documents or [], most=most, llm=llm, progress=ProgressLine())
    waiting = len(book_of(settings).pending())
    emit({"made": made, "pending": waiting}, f"{made} new candidates; {waiting} wait for a decision.", as_json)


def listed(as_json: Json = False) -> None:
    """Candidates that nobody has decided on, corrections among them."""
    settings = start()
    from app.question_builder import book_of

    waiting = book_of(settings).pending()
    rows = [(entry.id, entry.source, entry.kind, entry.question, entry.reference_answer) for entry in waiting]
    text = table(("id", "from", "kind", "question", "answer"), rows) if rows else "No candidate waits for a decision."
    emit({"candidates": [asdict(entry) for entry in waiting]}, text, as_json)


def accept(
    candidate: Annotated[str, typer.Argument(help="Its id, from the list.")],
    question: Annotated[str | None, typer.Option(help="Another wording.")] = None,
    answer: Annotated[str | None, typer.Option(help="Another reference answer.")] = None,
    gold: Annotated[list[str] | None, typer.Option(help="A passage that bears it, DOCUMENT::QUOTE.")] = None,
    kind: Annotated[str | None, typer.Option(help="answerable, unanswerable, off_topic or hostile.")] = None,
    split: Annotated[str | None, typer.Option(help="development or gate.")] = None,
    by: By = None,
    as_json: Json = False,
) -> None:
    """Take a candidate into the questions that are asked from now on."""
    settings = start()
    from app.access import local_user
    from app.question_builder import accept as take

    taken = take(
        settings,
        candidate,
        by or local_user().name,
        question=question,
        answer=answer,
        gold=gold or [],
        kind=kind,
        split=split,
    )
    passages = "; ".join(f"{passage.document_id}: {passage.quote!r}" for passage in taken.gold)
    emit(asdict(taken), f"{taken.id} is asked from now on ({taken.kind}, {taken.split}). {passages}".strip(), as_json)


def reject(
    candidate: Annotated[str, typer.Argument(help="Its id, from the list.")],
    reason: Annotated[str, typer.Option(help="Why.")] = "",
    by: By = None,
    as_json: Json = False,
) -> None:
    """Put a candidate away for good."""
    settings = start()
    from app.access import local_user
    from app.question_builder import book_of

    book_of(settings).reject(candidate, by or local_user().name, reason)
    emit({"id": candidate, "decision": "rejected"}, f"{candidate} is rejected.", as_json)
