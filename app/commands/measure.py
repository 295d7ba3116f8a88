"""`eval`: how good the answers are, and whether the data have drifted; both logged to MLflow."""

from pathlib import Path
from typing import Annotated

import typer

from app.commands import compare, questions
from app.console import ProgressLine, emit, note, start

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def register(cli: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Measure: answers with Ragas, drift with Evidently.", no_args_is_help=True)
    group.command("rag")(rag)
    group.command("drift")(drift)
    group.command("arms")(arms)
    compare.register(group)
    questions.register(group)
    cli.add_typer(group, name="eval")


def rag(
    questions: Annotated[Path | None, typer.Option(help="A .jsonl of questions; all that are known if none.")] = None,
    split: Annotated[str | None, typer.Option(help="Only questions of this split: development or gate.")] = None,
    most: Annotated[int | None, typer.Option(min=1, help="Ask at most so many, the kinds in proportion.")] = None,
    fail_under: Annotated[
        list[str] | None, typer.Option(help="A gate, metric=value; may be given several times.")
    ] = None,
    against: Annotated[str | None, typer.Option(help="A run to compare with, by its id, or: last.")] = None,
    judge: Annotated[str | None, typer.Option(help="A model that gives verdicts beside: ollama:MODEL.")] = None,
    judge_url: Annotated[str | None, typer.Option(help="Its Ollama server, if not that of the answers.")] = None,
    judge_seconds: Annotated[float, typer.Option(min=0.1, help="Time limit of one verdict.")] = 120.0,
    judge_minutes: Annotated[float, typer.Option(min=0.01, help="Time limit of all judging.")] = 480.0,
    judge_calls: Annotated[int, typer.Option(min=1, max=64, help="Verdicts asked for at once.")] = 2,
    judge_retries: Annotated[int, typer.Option(min=0, max=10, help="Further tries of a call that failed.")] = 2,
    as_json: Json = False,
) -> None:
    """Put the assistant to the questions and score its answers; goes on where a killed one ended."""
    settings = start({"judge": judge})
    from app.measure import measure_answers, parse_gates
    from eval.judge import Judge

    limits = {
        "call_seconds": judge_seconds,
        "total_seconds": judge_minutes * 60,
        "concurrency": judge_calls,
        "retries": judge_retries,
    }
    result = measure_answers(
        settings,
        questions,
        gates=parse_gates(fail_under or []),
        most=most,
        split=split,
        against=against,
        judge=Judge.parse(settings.judge, judge_url or settings.ollama_url, **limits) if settings.judge else None,
        progress=ProgressLine(),
    )
    if result.continued:
        note(f"frauddesk: went on with {result.continued} answers of a measurement that had been broken off")
    emit(result.to_dict(), result.report_markdown, as_json)
    if not result.passed:
        for gate in result.gates:
            if not gate.passed:
                note(f"frauddesk: gate failed: {gate.metric} is {gate.value:.4f}, under {gate.least:g}")
        raise typer.Exit(1)


def arms(
    days: Annotated[int, typer.Option(min=1, help="How many days to look back.")] = 30,
    judge: Annotated[str | None, typer.Option(help="A model that gives verdicts beside: ollama:MODEL.")] = None,
    judge_url: Annotated[str | None, typer.Option(help="Its Ollama server, if not that of the answers.")] = None,
    as_json: Json = False,
) -> None:
    """Hold two configurations in service against each other: feedback, and Ragas' figures of the answers given."""
    settings = start({"judge": judge})
    from app.second_arm import measure_service
    from eval.judge import Judge

    asked = Judge.parse(settings.judge, judge_url or settings.ollama_url) if settings.judge else None
    result = measure_service(settings, days, asked)
    emit(result.to_dict(), result.report_markdown, as_json)


def drift(as_json: Json = False) -> None:
    """Compare the last days scored with the champion's own reference."""
    settings = start()
    from app.measure import measure_drift

    result = measure_drift(settings, progress=ProgressLine())
    emit(result.to_dict(), result.report_markdown, as_json)
