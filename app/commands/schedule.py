"""`schedule`: the measurements at their times, or now."""

from typing import Annotated

import typer

from app.console import ProgressLine, emit, note, start


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command("schedule")(schedule)


def schedule(
    once: Annotated[bool, typer.Option("--once", help="Run now instead, and end.")] = False,
    only: Annotated[str | None, typer.Option(help="With --once: rag or drift alone.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="With --once: print one JSON object.")] = False,
) -> None:
    """Measure answers and drift at the times of the settings rag_cron and drift_cron, until interrupted."""
    settings = start()
    from app.scheduler import measure_kind, run_schedule
    from app.schedules import KINDS, AlreadyRunning
    from app.settings import SettingsError

    if not once:
        if only or as_json:
            raise SettingsError("--only and --json go with --once")
        run_schedule(settings, note)
        return
    if only is not None and only not in KINDS:
        raise SettingsError(f"--only {only!r} is not one of: {', '.join(KINDS)}")
    runs = []
    failed: Exception | None = None
    for kind in [only] if only else list(KINDS):
        try:
            runs.append(measure_kind(settings, kind, ProgressLine()))
        except AlreadyRunning as error:
            # What was asked for is under way already.
            note(f"frauddesk: {error}")
        except Exception as error:
            # One that fails must not keep the other from being measured; the failure still ends the command.
            if failed is not None or only is not None:
                raise
            failed = error
    listed = [{"kind": run.kind, "state": run.state, "detail": run.detail, "run_id": run.run_id} for run in runs]
    text = "\n".join(f"{KINDS[run.kind]}: {run.detail} (run {run.run_id})" for run in runs)
    emit({"runs": listed}, text, as_json)
    if failed is not None:
        raise failed
