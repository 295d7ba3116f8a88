"""`eval compare`: configurations of the assistant, or versions of the model, side by side in MLflow."""

from typing import Annotated

import typer

from app.console import ProgressLine, emit, start

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def register(group: typer.Typer) -> None:
    """Add the commands below `eval`."""
    compare = typer.Typer(help="Configurations side by side, as runs in MLflow under one parent.")
    compare.callback(invoke_without_command=True)(answers)
    compare.command("models")(models)
    group.add_typer(compare, name="compare")


def answers(
    context: typer.Context,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Values of a setting, such as passages=4,8; all combinations are measured."),
    ] = None,
    split: Annotated[str | None, typer.Option(help="Only questions of this split: development or gate.")] = None,
    most: Annotated[int | None, typer.Option(min=1, help="Ask at most so many, the kinds in proportion.")] = None,
    judge: Annotated[str | None, typer.Option(help="A model that gives verdicts beside: ollama:MODEL.")] = None,
    judge_url: Annotated[str | None, typer.Option(help="Its Ollama server, if not that of the answers.")] = None,
    as_json: Json = False,
) -> None:
    """Measure every combination of settings on the same questions; the first is what the others are held against.

    Settings: llm, passages, per_document, dense_weight, max_words, gate_answered, gate_partial, gate_most_missing,
    gate_refused_missing, gate_refused_named.
    """
    if context.invoked_subcommand is not None:
        return
    settings = start({"judge": judge})
    from app.answer_compare import compare, parse_grid
    from eval.judge import Judge

    found = compare(
        settings,
        parse_grid(set_ or ["passages=4,8,12"]),
        split=split,
        most=most,
        judge=Judge.parse(settings.judge, judge_url or settings.ollama_url) if settings.judge else None,
        progress=ProgressLine(),
    )
    emit(found.to_dict(), found.report_markdown, as_json)


def models(
    versions: Annotated[
        list[str] | None, typer.Argument(help="Versions or aliases; champion and newest if none.")
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Of payments whose labels are known, at the end.")] = None,
    as_json: Json = False,
) -> None:
    """Score the same later payments with several versions; the first is what the others are held against."""
    settings = start()
    from app.model_compare import compare_models

    found = compare_models(settings, versions or [], days=days, progress=ProgressLine())
    emit(found.to_dict(), found.report_markdown, as_json)
