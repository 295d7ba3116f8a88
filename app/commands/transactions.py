"""`simulate`, `validate`, `features`, `train`, `backtest`, `score`: the path of a transaction."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from app.console import ProgressLine, emit, note, start, table
from app.settings import Settings

_SOURCES = "CSV, Parquet, a folder of them, or a table as URL#table (sqlite:///bank.db#payments)"

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Schema = Annotated[str, typer.Option(help="paysim, cards, or a schema's .toml file.")]
Source = Annotated[str, typer.Argument(metavar="FILE", help=f"{_SOURCES}.")]
Data = Annotated[str, typer.Option(help=f"Labelled transactions: {_SOURCES}.")]
OutFile = Annotated[Path, typer.Option(help="File to write: .parquet or .csv.")]
OutTable = Annotated[str, typer.Option(help="What to write: a .parquet or .csv file, or URL#table.")]
Track = Annotated[str, typer.Option(help="Of paysim: strict, authorisation (payer's balance) or leaky (all).")]


def register(cli: typer.Typer) -> None:
    """Add the commands."""
    for command in (simulate, validate, features, train, backtest, score):
        cli.command(command.__name__)(command)


def simulate(
    out: OutFile,
    rows: Annotated[int, typer.Option(help="Transactions.")] = 200_000,
    days: Annotated[int, typer.Option(help="Days that they span.")] = 90,
    seed: Annotated[int, typer.Option(help="The same seed gives the same transactions.")] = 7,
    shift_from: Annotated[int | None, typer.Option(help="Day, from 1, on which behaviour starts to shift.")] = None,
    shift: Annotated[float, typer.Option(help="Strength of the shift.")] = 1.0,
    as_json: Json = False,
) -> None:
    """Simulate transactions with six fraud typologies, in PaySim's columns."""
    start()
    from fraud_model.data import write_table
    from fraud_model.simulate import simulate as make

    frame = make(rows=rows, days=days, seed=seed, shift_from=shift_from, shift=shift)
    write_table(frame, out)
    frauds = int(frame["isFraud"].sum())
    result = {"out": str(out), "rows": len(frame), "days": days, "seed": seed, "frauds": frauds}
    emit(result, f"{len(frame):,} transactions over {days} days, {frauds:,} fraudulent: {out}", as_json)


def validate(file: Source, schema: Schema, as_json: Json = False) -> None:
    """Everything that is wrong with a file of transactions, in one pass."""
    start()
    from fraud_model.data import validate as check
    from fraud_model.schema import load_schema

    report = check(file, load_schema(schema))
    emit(report.to_dict(), report.to_text(), as_json)
    if not report.ok:
        raise typer.Exit(2)


def features(file: Source, schema: Schema, out: OutFile, as_json: Json = False) -> None:
    """Compute the model's features, one row per transaction, in input order."""
    start()
    from fraud_model.data import read_transactions, write_table
    from fraud_model.features import compute_features
    from fraud_model.schema import load_schema

    columns = load_schema(schema)
    frame = read_transactions(file, columns)
    computed = compute_features(frame, columns)
    computed.insert(0, "transaction_id", columns.transaction_ids(frame))
    write_table(computed, out)
    result = {"out": str(out), "rows": len(computed), "features": list(computed.columns[1:])}
    emit(result, f"{len(computed):,} rows, {computed.shape[1] - 1} features: {out}", as_json)


def train(
    data: Data,
    schema: Schema,
    train_days: Annotated[int | None, typer.Option(help="Days to train on; all that there are when left out.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Use nothing from this UTC time on.")] = None,
    track: Track = "strict",
    threshold: Annotated[str | None, typer.Option(help="Chosen by budget, cost or recall.")] = None,
    alert_budget: Annotated[float | None, typer.Option(help="Alerts a day that the team can work.")] = None,
    wanted_recall: Annotated[float | None, typer.Option(help="Share of the fraud to find.")] = None,
    false_positive_cost: Annotated[float | None, typer.Option(help="Cost of one false alert.")] = None,
    missed_fraud_cost: Annotated[str | None, typer.Option(help="Of one fraud: `amount`, or a sum.")] = None,
    candidate: Annotated[str, typer.Option(help="lightgbm, or another kind that --compare knows.")] = "lightgbm",
    imbalance: Annotated[str, typer.Option(help="none, weights or undersample.")] = "none",
    compare: Annotated[bool, typer.Option("--compare", help="Compare every kind of model first; takes long.")] = False,
    search: Annotated[float | None, typer.Option(help="Seconds to search settings for; goes on if killed.")] = None,
    as_json: Json = False,
) -> None:
    """Train a model and register it in MLflow as the candidate."""
    settings = start()
    from app.model_settings import gates_of, keeping_leakage_report, rule_of, search_storage
    from app.up import write_run_report
    from fraud_model.comparison import EVERY_CANDIDATE
    from fraud_model.data import read_transactions
    from fraud_model.learners import Recipe
    from fraud_model.schema import load_schema
    from fraud_model.selection import SelectionPlan
    from fraud_model.tables import source_name
    from fraud_model.train import train as fit

    columns = load_schema(schema).with_track(track)
    rule = rule_of(
        settings,
        by=threshold,
        alert_budget=alert_budget,
        wanted_recall=wanted_recall,
        false_positive_cost=false_positive_cost,
        missed_fraud_cost=missed_fraud_cost,
    )
    recipe = Recipe(candidate, imbalance)
    plan = None
    if compare or search is not None:
        plan = SelectionPlan(
            candidates=EVERY_CANDIDATE if compare else (),
            search_seconds=search,
            search_storage=search_storage(settings) if search is not None else None,
        )
    prepare_tracking(settings)
    with keeping_leakage_report(settings):
        result = fit(
            read_transactions(data, columns),
            columns,
            tracking_uri=settings.mlflow_uri,
            train_days=train_days,
            until=until,
            seed=settings.seed,
            progress=ProgressLine(),
            dataset_name=source_name(data),
            gates=gates_of(settings),
            one_column_limit=settings.leakage_limit,
            rule=rule,
            recipe=recipe,
            selection=plan,
        )
    report = write_run_report(settings, result.version, result.report_markdown)
    for warning in result.warnings:
        note(f"warning: {warning}")
    figures = {name: round(value, 6) for name, value in sorted(result.metrics.items())}
    shown = table(["metric", "value"], [[name, f"{value:,.4f}"] for name, value in figures.items()])
    state = "is the candidate" if result.is_candidate else "missed its gates and is not the candidate"
    text = f"version {result.version} (run {result.run_id}) {state}; report: {report}\n\n{shown}"
    plain = {
        "run_id": result.run_id,
        "version": result.version,
        "candidate": result.is_candidate,
        "kind": result.recipe.kind,
        "imbalance": result.recipe.imbalance,
        "threshold": result.threshold,
        "threshold_by": rule.by,
        "gates_missed": list(result.missed),
        "metrics": figures,
        "warnings": list(result.warnings),
        "report": str(report),
    }
    emit(plain, text, as_json)


def backtest(
    data: Data,
    schema: Schema,
    first_test_day: Annotated[datetime, typer.Option(help="First day of the first test, UTC.")],
    train_days: Annotated[int, typer.Option(help="Days to train on.")] = 7,
    delay_days: Annotated[int, typer.Option(help="Days between training and test, whose labels are unknown.")] = 7,
    test_days: Annotated[int, typer.Option(help="Days of one test.")] = 7,
    folds: Annotated[int, typer.Option(help="Tests, each `test_days` after the one before.")] = 4,
    predictions: Annotated[Path | None, typer.Option(help="Write every prediction here: .parquet or .csv.")] = None,
    as_json: Json = False,
) -> None:
    """Prequential validation: train, wait for the labels, test; then move on."""
    settings = start()
    from fraud_model.backtest import backtest as run
    from fraud_model.data import read_transactions, write_table
    from fraud_model.schema import load_schema

    columns = load_schema(schema)
    result = run(
        read_transactions(data, columns),
        columns,
        first_test_day=first_test_day,
        train_days=train_days,
        delay_days=delay_days,
        test_days=test_days,
        folds=folds,
        seed=settings.seed,
        progress=ProgressLine(),
    )
    if predictions is not None:
        write_table(result.predictions, predictions)
    emit(result.to_dict(), result.to_text(), as_json)


def score(
    file: Source,
    out: OutTable,
    history: Annotated[str | None, typer.Option(help="Earlier transactions of the same schema, as FILE.")] = None,
    model: Annotated[str, typer.Option(help="`champion`, or a version number.")] = "champion",
    reasons: Annotated[int, typer.Option(min=0, help="Reasons to write for each alert.")] = 0,
    as_json: Json = False,
) -> None:
    """Score a file or a table: one row per transaction, in input order."""
    settings = start()
    from fraud_model.scorer import Scorer

    scorer = Scorer.load(model, tracking_uri=settings.mlflow_uri)
    summary = scorer.score_file(file, out, history=history, reasons=reasons, progress=ProgressLine())
    emit(summary.to_dict(), summary.to_text(), as_json)


def prepare_tracking(settings: Settings) -> None:
    """Make the tracking store where it is new."""
    from fraud_model.registry import initialise

    settings.home.mkdir(parents=True, exist_ok=True)
    initialise(settings.mlflow_uri, settings.mlflow_artifacts)
