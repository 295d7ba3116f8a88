"""`frauddesk up`: from data to a working desk, step by step; a step whose work is there is not done again.

    transactions -> champion -> alerts -> run report -> index -> first answers measured -> first drift check

What was done is recorded in `<home>/up.json` after each step, so a killed start goes on where it ended.
"""

import getpass
import json
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.files import write_whole
from app.model_settings import gates_of, keeping_leakage_report, rule_of
from app.settings import Settings, mask_secrets

if TYPE_CHECKING:
    import pandas as pd

    from app.console import ProgressLine
    from fraud_model.registry import ModelVersionInfo
    from fraud_model.schema import TransactionSchema

STATE_NAME = "up.json"
STEPS = 7
# Fewer days than this before the alerts' days leave nothing to train and validate on without them.
_LEAST_DAYS_BEFORE_ALERTS = 14
# A sample, so that a first start stays short; `frauddesk eval rag` asks them all.
_FIRST_QUESTIONS = 60

Say = Callable[[str], None]


@dataclass
class UpSummary:
    """What a start found or made. Times in seconds, money in the schema's currency."""

    home: str
    data: str = ""
    schema: str = ""
    transactions: int = 0
    frauds: int = 0
    model_version: str = ""
    run_id: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    alerts: int = 0
    documents: int = 0
    answers: dict[str, float | None] = field(default_factory=dict)
    drift: str = ""
    warnings: list[str] = field(default_factory=list)
    reused: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)

    def to_text(self, settings: Settings, serving: bool) -> str:
        """The summary for people, ending with where to click."""
        model = ", ".join(
            f"{name.replace('_', ' ')} {self.metrics[name]:.3f}"
            for name in ("average_precision", "precision_at_budget", "recall_at_budget")
            if name in self.metrics
        )
        lines = [
            "",
            f"Ready in {self.seconds:.0f} s.",
            f"  Transactions  {self.transactions:,} ({self.frauds:,} known fraud), {self.data}",
            f"  Champion      version {self.model_version}: {model}",
            f"  Alerts        {self.alerts:,} open",
            f"  Documents     {self.documents:,} indexed",
            f"  Answers       {self._answers()}",
            f"  Drift         {self.drift}",
            f"  Folder        {self.home}",
            "",
            f"Models and runs: mlflow ui --backend-store-uri {mask_secrets('tracking_uri', settings.mlflow_uri)}",
            "Opening the page ..." if serving else "Next: frauddesk serve",
        ]
        return "\n".join(lines)

    def _answers(self) -> str:
        shown = ("context_recall_by_id", "citation_recall", "refusal_precision", "refusal_recall")
        found = [(name, self.answers[name]) for name in shown if self.answers.get(name) is not None]
        figures = ", ".join(f"{name.replace('_', ' ')} {value:.2f}" for name, value in found)
        return f"{self.answers.get('questions', 0)} questions: {figures}"


def bring_up(
    settings: Settings, data: Path | None, schema: str | None, *, say: Say, progress: "ProgressLine"
) -> UpSummary:
    """Do or reuse every step up to serving.

    Args:
        settings: Settings in force.
        data: The user's transactions; None for those of an earlier start, or simulated ones.
        schema: Name or file of the schema of `data`.
        say: Called with one line per step.
        progress: Progress within a step.

    Raises:
        InputError: the data or the schema are wrong; says where.
        ModelError: training made no usable model.
    """
    started = time.monotonic()
    state = State.read(settings.home / STATE_NAME)
    summary = UpSummary(home=str(settings.home.resolve()))
    with ThreadPoolExecutor(1, thread_name_prefix="tracking") as background:
        tracking = background.submit(_initialise_tracking, settings)
        frame, columns = _transactions(settings, data, schema, state, summary, say, progress)
        _champion(settings, frame, columns, state, summary, tracking, say, progress)
    _alerts(settings, frame, columns, state, summary, say, progress)
    _documents(settings, state, summary, say, progress)
    _measure(settings, state, summary, say, progress)
    summary.seconds = round(time.monotonic() - started, 1)
    return summary


@dataclass
class State:
    """What earlier starts did, in a file that is replaced as a whole."""

    path: Path
    values: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> "State":
        """The recorded state; an empty one where there is none or the file is damaged."""
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            # Everything it would tell is found again by doing the step; nothing is lost but time.
            values = {}
        return cls(path, values if isinstance(values, dict) else {})

    def record(self, **values: Any) -> None:
        """Add values and write the file."""
        self.values |= values
        write_whole(self.path, json.dumps(self.values, indent=1))


def _initialise_tracking(settings: Settings) -> None:
    from fraud_model.registry import initialise

    settings.home.mkdir(parents=True, exist_ok=True)
    initialise(settings.mlflow_uri, settings.mlflow_artifacts)


def _transactions(
    settings: Settings,
    data: Path | None,
    schema: str | None,
    state: State,
    summary: UpSummary,
    say: Say,
    progress: "ProgressLine",
) -> "tuple[pd.DataFrame, TransactionSchema]":
    """Step 1: the working transactions, one Parquet file under the home."""
    from fraud_model.data import read_transactions, write_table
    from fraud_model.errors import InputError
    from fraud_model.schema import TransactionSchema, load_schema

    if data is not None and schema is None:
        raise InputError(f"--data {data} needs --schema: paysim, cards, or a schema's .toml file")
    if data is None and schema is not None:
        raise InputError("--schema goes with --data; without data, transactions are simulated in the paysim schema")
    working = settings.transactions_path
    known = state.values.get("source")
    wanted = _source(settings, data, schema) if data is not None or known is None else known
    if known == wanted and working.exists():
        columns = TransactionSchema.from_dict(state.values["schema"])
        frame = read_transactions(working, columns)
        say(f"[1/{STEPS}] Transactions: {len(frame):,} from an earlier start ({wanted['name']})")
        summary.reused.append("transactions")
    else:
        columns = load_schema(schema or "paysim")
        if data is None:
            say(f"[1/{STEPS}] Transactions: simulating {settings.simulated_rows:,}")
            frame = _simulated(settings)
        else:
            say(f"[1/{STEPS}] Transactions: reading {data}")
            frame = _checked(data, columns, summary, say)
        if known is not None:
            _make_room(settings, known["name"], wanted["name"], summary)
        write_table(frame, working)
        # A new source makes the later steps' work stale: their keys name the source's digest.
        state.record(source=wanted, schema=columns.to_dict(), data_id=_identity(wanted))
    labels = columns.labels(frame)
    summary.data, summary.schema = wanted["name"], columns.name
    summary.transactions, summary.frauds = len(frame), int((labels == 1).sum())
    return frame, columns


def _make_room(settings: Settings, before: str, after: str, summary: UpSummary) -> None:
    """Withdraw the alerts on other payments; refuse where analysts have already decided on some."""
    from app.store import Store
    from fraud_model.errors import InputError

    store = Store(settings.desk_database)
    try:
        if store.holds_decisions():
            raise InputError(
                f"{settings.home} holds decisions on other payments ({before}); "
                "give the new data a home of their own: FRAUDDESK_HOME=another/folder"
            )
        withdrawn = store.withdraw_alerts(getpass.getuser(), f"the desk now works on {after}")
    finally:
        store.close()
    if withdrawn:
        summary.warnings.append(f"{withdrawn} undecided alerts on {before} were withdrawn")


def _simulated(settings: Settings) -> "pd.DataFrame":
    from fraud_model.simulate import simulate

    return simulate(rows=settings.simulated_rows, days=settings.simulated_days, seed=settings.seed)


def _checked(data: Path, columns: "TransactionSchema", summary: UpSummary, say: Say) -> "pd.DataFrame":
    """The user's transactions, or one error that says all that is wrong with them."""
    from fraud_model.data import read_transactions, validate
    from fraud_model.errors import DataError

    report = validate(data, columns)
    if not report.ok:
        say(report.to_text())
        count = sum(problem.level == "error" for problem in report.problems)
        first = next(problem.message for problem in report.problems if problem.level == "error")
        raise DataError(f"{data}: {first}" + (f" (and {count - 1} more, listed above)" if count > 1 else ""))
    for problem in report.problems:
        say(f"      warning: {problem.message}")
        summary.warnings.append(problem.message)
    return read_transactions(data, columns)


def _source(settings: Settings, data: Path | None, schema: str | None) -> dict[str, Any]:
    """What identifies the source of the transactions."""
    if data is None:
        rows, days, seed = settings.simulated_rows, settings.simulated_days, settings.seed
        return {"name": f"simulated, {days} days, seed {seed}", "rows": rows, "days": days, "seed": seed}
    from fraud_model.errors import DataError
    from fraud_model.schema import load_schema

    try:
        facts = data.stat()
    except OSError as error:
        raise DataError(f"{data}: {(error.strerror or str(error)).lower()}") from error
    return {
        "name": str(data.resolve()),
        "bytes": facts.st_size,
        "modified": facts.st_mtime_ns,
        "schema": load_schema(schema or "").to_dict(),
    }


def works_on_simulated(settings: Settings) -> bool:
    """Whether the desk works on simulated payments; a new home will."""
    return is_simulated(State.read(settings.home / STATE_NAME).values.get("source") or {"rows": 0})


def is_simulated(source: dict[str, Any]) -> bool:
    """Whether the working payments are simulated ones."""
    return "rows" in source


def _identity(source: dict[str, Any]) -> str:
    import hashlib

    return hashlib.sha256(json.dumps(source, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _champion(
    settings: Settings,
    frame: "pd.DataFrame",
    columns: "TransactionSchema",
    state: State,
    summary: UpSummary,
    tracking: "Future[None]",
    say: Say,
    progress: "ProgressLine",
) -> None:
    """Step 2: a champion trained on these transactions."""
    from fraud_model.registry import Registry

    tracking.result()
    registry = Registry(settings.mlflow_uri)
    champion = registry.champion()
    reason = _why_train(champion, columns, state)
    if champion is not None and reason is None:
        say(f"[2/{STEPS}] Champion: version {champion.version} from an earlier start")
        summary.reused.append("champion")
    else:
        from fraud_model.train import train

        say(f"[2/{STEPS}] Champion: training on {len(frame):,} transactions")
        until, warning = _training_end(settings, frame, columns)
        with keeping_leakage_report(settings):
            result = train(
                frame,
                columns,
                tracking_uri=settings.mlflow_uri,
                until=until,
                seed=settings.seed,
                progress=progress,
                dataset_name=state.values["source"]["name"],
                gates=gates_of(settings),
                one_column_limit=settings.leakage_limit,
                rule=rule_of(settings),
            )
        warnings = [*([warning] if warning else []), *result.warnings]
        for line in warnings:
            say(f"      warning: {line}")
        summary.warnings.extend(warnings)
        # A champion of other payments or features is not beaten but left behind; the history says why.
        why = reason or "first champion"
        registry.promote(result.version, by=getpass.getuser(), reason=why, despite=why if champion else "")
        write_run_report(settings, result.version, result.report_markdown)
        state.record(champion_for=state.values["data_id"])
        champion = registry.champion()
    assert champion is not None, "promote either raises or leaves a champion"
    summary.model_version, summary.run_id = champion.version, champion.run_id
    summary.metrics = {name: round(value, 6) for name, value in champion.metrics.items()}


def _why_train(champion: "ModelVersionInfo | None", columns: "TransactionSchema", state: State) -> str | None:
    """Why a new champion is needed; None where the one from an earlier start can serve."""
    from fraud_model.features import feature_fingerprint

    if champion is None:
        return "first champion"
    if state.values.get("champion_for") != state.values["data_id"]:
        return f"the desk now works on {state.values['source']['name']}"
    if champion.tags.get("feature_fingerprint") != feature_fingerprint(columns):
        return f"version {champion.version} was trained on other feature definitions than this program's"
    return None


def _training_end(
    settings: Settings, frame: "pd.DataFrame", columns: "TransactionSchema"
) -> tuple[datetime | None, str | None]:
    """Until when training may look: the days that become alerts stay unseen, where there are days enough."""
    times = columns.times(frame)
    first, last = (datetime.fromtimestamp(int(edge), UTC) for edge in (times.min(), times.max()))
    until = last - timedelta(days=settings.alert_days)
    if until - first >= timedelta(days=_LEAST_DAYS_BEFORE_ALERTS):
        return until, None
    return None, (
        f"the transactions span {(last - first) / timedelta(days=1):.1f} days: too short to keep the last "
        f"{settings.alert_days} unseen, so the model has seen the payments that it raises alerts on"
    )


def write_run_report(settings: Settings, version: str, markdown: str) -> Path:
    """Save a run report where the index finds it."""
    path = settings.corpus_written / "run_reports" / f"fraud-classifier-v{version}.md"
    write_whole(path, markdown)
    return path


def _alerts(
    settings: Settings,
    frame: "pd.DataFrame",
    columns: "TransactionSchema",
    state: State,
    summary: UpSummary,
    say: Say,
    progress: "ProgressLine",
) -> None:
    """Step 3: the last days scored; what reaches the threshold becomes an alert with its reasons."""
    from app.alerts import count_open_alerts, raise_alerts

    key = f"{state.values['data_id']}:{summary.model_version}"
    if state.values.get("alerts_for") == key:
        summary.alerts = count_open_alerts(settings)
        say(f"[3/{STEPS}] Alerts: {summary.alerts:,} open from an earlier start")
        summary.reused.append("alerts")
        return
    say(f"[3/{STEPS}] Alerts: scoring the last {settings.alert_days} days")
    raise_alerts(settings, frame, columns, progress=progress)
    state.record(alerts_for=key)
    summary.alerts = count_open_alerts(settings)


def _documents(settings: Settings, state: State, summary: UpSummary, say: Say, progress: "ProgressLine") -> None:
    """Steps 4 and 5: the run report is written by training; the index takes all documents."""
    from app.alerts import complete_records
    from app.corpus import sync_corpus

    say(f"[4/{STEPS}] Run report: {settings.corpus_written / 'run_reports'}")
    say(f"[5/{STEPS}] Documents: indexing case notes, guides, policies, reports")
    report = sync_corpus(settings, None, simulated=is_simulated(state.values["source"]), progress=progress)
    for failure in report.failed:
        line = f"{failure.source}: {failure.reason}"
        say(f"      not indexed: {line}")
        summary.warnings.append(line)
    summary.documents = report.total
    state.record(index_version=report.index_version)
    # The precedents of the largest alerts are frozen now; a serving desk does the others in the background.
    complete_records(settings, settings.alert_budget, progress)


def _measure(settings: Settings, state: State, summary: UpSummary, say: Say, progress: "ProgressLine") -> None:
    """Steps 6 and 7: the first answers and the first drift check, measured and logged."""
    from app.corpus import sync_corpus
    from app.measure import measure_answers, measure_drift

    made_of = f"{state.values['data_id']}:{summary.model_version}"
    measured = state.values.get("measured", {})
    if measured.get("key") == f"{made_of}:{state.values['index_version']}":
        say(f"[6/{STEPS}] Answers: measured at an earlier start")
        say(f"[7/{STEPS}] Drift: checked at an earlier start, {measured['drift']}")
        summary.reused.append("measurements")
    else:
        say(f"[6/{STEPS}] Answers: asking {_FIRST_QUESTIONS} of the evaluation questions")
        answers = measure_answers(settings, most=_FIRST_QUESTIONS, progress=progress).to_dict()
        say(f"[7/{STEPS}] Drift: comparing the last days with the champion's reference")
        drift = measure_drift(settings, progress=progress)
        # The monitor's report is a document too: "is the model drifting?" is answered from it.
        report = sync_corpus(settings, None, simulated=is_simulated(state.values["source"]), progress=progress)
        summary.documents = report.total
        figures = {"questions": answers["questions"], **answers["metrics"]}
        measured = {"key": f"{made_of}:{report.index_version}", "answers": figures, "drift": drift.verdict}
        state.record(measured=measured, index_version=report.index_version)
    summary.answers, summary.drift = measured["answers"], measured["drift"]
