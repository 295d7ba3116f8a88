"""`eval`: how good the answers are, and whether the data have drifted; both logged to MLflow."""

from pathlib import Path
from typing import Annotated

import typer

from app.console import ProgressLine, emit, note, start

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def register(cli: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Measure: answers with Ragas, drift with Evidently.", no_args_is_help=True)
    group.command("rag")(rag)
    group.command("drift")(drift)
    cli.add_typer(group, name="eval")


def rag(
    questions: Annotated[Path | None, typer.Option(help="A .jsonl of questions; those that ship if none.")] = None,
    fail_under: Annotated[
        list[str] | None, typer.Option(help="A gate, metric=value; may be given several times.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Run the assistant over the questions and score its answers."""
    settings = start()
    from app.measure import measure_answers, parse_gates

    result = measure_answers(settings, questions, gates=parse_gates(fail_under or []), progress=ProgressLine())
    emit(result.to_dict(), result.report_markdown, as_json)
    if not result.passed:
        for gate in result.gates:
            if not gate.passed:
                note(f"frauddesk: gate failed: {gate.metric} is {gate.value:.4f}, under {gate.least:g}")
        raise typer.Exit(1)


def drift(as_json: Json = False) -> None:
    """Compare the last days scored with the champion's own reference."""
    settings = start()
    from app.measure import measure_drift

    result = measure_drift(settings, progress=ProgressLine())
    emit(result.to_dict(), result.report_markdown, as_json)
