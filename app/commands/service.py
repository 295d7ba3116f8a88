"""`up`, `serve`, `doctor`: the desk as a whole."""

from pathlib import Path
from typing import Annotated

import typer

from app.console import ProgressLine, emit, note, start


def register(cli: typer.Typer) -> None:
    """Add the commands."""
    cli.command("up")(up)
    cli.command("serve")(serve)
    cli.command("doctor")(doctor)


def up(
    data: Annotated[Path | None, typer.Option(help="Transactions: CSV, Parquet, or a folder; else simulated.")] = None,
    schema: Annotated[str | None, typer.Option(help="paysim, cards, or a schema's .toml file.")] = None,
    serve_page: Annotated[bool, typer.Option("--serve/--no-serve", help="Serve the desk at the end.")] = True,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """From data to a working desk: champion, alerts, documents, first measurements, page."""
    settings = start({"host": host, "port": port})
    from app.serve import hold_home, require_free_port, require_users
    from app.up import bring_up

    if serve_page:
        require_users(settings)
        require_free_port(settings)
    with hold_home(settings, "frauddesk up"):
        summary = bring_up(settings, data, schema, say=note, progress=ProgressLine())
        emit(summary.to_dict(), summary.to_text(settings, serving=serve_page), as_json)
        if serve_page:
            from app.serve import run_server

            run_server(settings, say=note)


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
) -> None:
    """Serve the desk on what `up` has made."""
    settings = start({"host": host, "port": port})
    from app.serve import hold_home, require_free_port, require_users, run_server

    require_users(settings)
    require_free_port(settings)
    with hold_home(settings, "frauddesk serve"):
        run_server(settings, say=note)


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    """Every part: what it is, whether it can be reached, and the fix."""
    settings = start()
    from app.doctor import examine

    report = examine(settings)
    emit(report.to_dict(), report.to_text(), as_json)
    if not report.ok:
        raise typer.Exit(1)
