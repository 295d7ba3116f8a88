"""`index` and `ask`: the path of a question."""

from pathlib import Path
from typing import Annotated

import typer

from app.console import ProgressLine, emit, note, start, table

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
AsOf = Annotated[str | None, typer.Option(help="Only what was closed or published before this UTC time.")]


def register(cli: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="The document index: sync, status, search, delete, rebuild.", no_args_is_help=True)
    group.command("sync")(sync)
    group.command("status")(status)
    group.command("search")(search)
    group.command("delete")(delete)
    group.command("rebuild")(rebuild)
    cli.add_typer(group, name="index")
    cli.command("ask")(ask)


def sync(
    paths: Annotated[list[Path] | None, typer.Argument(help="Folders or files; all of the corpus if none.")] = None,
    columns: Annotated[
        Path | None,
        typer.Option(help="TOML file that says which column of a table is what; else NAME.columns.toml beside NAME."),
    ] = None,
    runs: Annotated[
        list[str] | None, typer.Option(help="Also read the runs of this MLflow experiment, such as fraud-desk.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Bring the index up to date with the documents: new, changed and removed ones.

    Reads md, txt, pdf, docx, html, csv and jsonl. With --runs alone only MLflow is read; what is indexed stays.
    """
    settings = start()
    if columns and not paths:
        raise typer.BadParameter("--columns says what is in a table; name the table before it")
    from app.corpus import sync_corpus
    from app.serve import hold_home
    from app.up import works_on_simulated

    with hold_home(settings, "frauddesk index sync"):
        report = sync_corpus(
            settings,
            paths or None,
            columns=columns,
            runs=runs or (),
            simulated=works_on_simulated(settings),
            progress=ProgressLine(),
        )
    for failure in report.failed:
        note(f"failed: {failure.source}: {failure.reason}")
    emit(report.to_dict(), report.to_text(), as_json)
    if report.failed:
        raise typer.Exit(1)


def status(as_json: Json = False) -> None:
    """What the index holds."""
    settings = start()
    from app.corpus import open_index

    state = open_index(settings, read_only=True).status()
    emit(state.to_dict(), state.to_text(), as_json)


def search(
    query: str,
    k: Annotated[int, typer.Option(min=1, max=1000, help="Passages to return.")] = 10,
    as_of: AsOf = None,
    as_json: Json = False,
) -> None:
    """The passages nearest to a query, best first."""
    settings = start()
    from app.corpus import open_index

    hits = open_index(settings, read_only=True).search(query, k=k, as_of=as_of)
    rows = [[f"{hit.score:.3f}", hit.document_id, " ".join(hit.text.split())[:90]] for hit in hits]
    text = table(["score", "document", "passage"], rows) if rows else "nothing found"
    emit({"hits": [hit.to_dict() for hit in hits]}, text, as_json)


def delete(source: Annotated[str, typer.Argument(help="Source or document id.")], as_json: Json = False) -> None:
    """Remove a document from the index, so that nothing of it can be retrieved."""
    settings = start()
    from app.corpus import open_index
    from app.serve import hold_home

    with hold_home(settings, "frauddesk index delete"):
        count = open_index(settings).delete(source)
    emit({"source": source, "deleted": count}, f"{count} documents of {source} deleted", as_json)
    if not count:
        note(f"frauddesk: the index holds no document {source}; `frauddesk index search` shows the ids")
        raise typer.Exit(2)


def rebuild(as_json: Json = False) -> None:
    """Build the index anew beside the one in use, then switch."""
    settings = start()
    from app.corpus import rebuild_index
    from app.serve import hold_home

    with hold_home(settings, "frauddesk index rebuild"):
        report = rebuild_index(settings, progress=ProgressLine())
    emit(report.to_dict(), report.to_text(), as_json)


def ask(
    question: str,
    as_of: AsOf = None,
    llm: Annotated[str | None, typer.Option(help="extractive, or ollama:MODEL.")] = None,
    as_json: Json = False,
) -> None:
    """Answer a question from the documents, each sentence cited, and from tools where it asks for figures."""
    settings = start({"llm": llm})
    from app.corpus import open_index
    from app.desk import Desk

    open_index(settings, read_only=True).close()  # says what to run where there is none
    desk = Desk(settings)
    try:
        reply = desk.ask(question, as_of=as_of)
    finally:
        desk.close()
    answer = reply.answer
    for line in (*answer.notices, *reply.notices):
        note(f"notice: {line}")
    lines = [
        f"{text}\n    figures: {result.source or result.tool}" for result in reply.results for text in result.sentences
    ]
    for sentence in answer.sentences:
        sources = ", ".join(f"{c.source}:{c.start}-{c.end}" for c in sentence.citations)
        mark = "" if sentence.supported else "  [unsupported]"
        lines.append(f"{sentence.text}{mark}\n    {sources}" if sources else f"{sentence.text}{mark}")
    emit(reply.to_dict(), "\n".join(lines) or reply.text, as_json)
