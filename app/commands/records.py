"""`records`: whether the chain of decision records holds."""

from dataclasses import asdict
from typing import Annotated

import typer

from app.console import ProgressLine, emit, start


def register(cli: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Decision records: check their chain.", no_args_is_help=True)
    group.command("verify")(verify)
    cli.add_typer(group, name="records")


def verify(
    head: Annotated[str, typer.Option(help="A head noted earlier; it must still be in the chain.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check every decision record against its hash, and name the first broken link; exit code 1 where there is one."""
    settings = start()
    from app.ledger_check import check_ledger
    from app.store import Store
    from fraud_model.progress import Progress

    store = Store(settings.desk_database)
    progress = ProgressLine()
    try:
        report = check_ledger(
            store.engine, head.strip(), lambda done, total: progress(Progress("Checking records", done, total))
        )
    finally:
        store.close()
    broken = report.broken
    if broken is None:
        text = f"intact: {report.entries:,} entries, {report.alerts:,} alerts, head {report.head}"
    else:
        place = f"entry {broken.entry}" if broken.entry else "no entry"
        text = f"BROKEN at {place} (payment {broken.transaction_id or 'unknown'}): {broken.problem}"
    emit({**asdict(report), "intact": report.intact}, text, as_json)
    if broken is not None:
        raise typer.Exit(1)
