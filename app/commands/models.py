"""`models`: versions, promotion and rollback, each by a named person with a reason."""

import getpass
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.console import emit, start, table

if TYPE_CHECKING:
    from fraud_model.registry import Registry

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Reason = Annotated[str, typer.Option(help="Why; stands in the history.")]
Person = Annotated[str | None, typer.Option("--by", help="Who decides; the user of this machine when left out.")]


def register(cli: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Model versions: list, show, promote, reject, roll back.", no_args_is_help=True)
    group.command("list")(list_versions)
    group.command("show")(show)
    group.command("promote")(promote)
    group.command("reject")(reject)
    group.command("rollback")(rollback)
    group.command("history")(history)
    cli.add_typer(group, name="models")


def list_versions(as_json: Json = False) -> None:
    """All versions, the newest first."""
    versions = _registry().versions()
    rows = [
        [v.version, ", ".join(v.aliases), f"{v.created:%Y-%m-%d %H:%M}", _figure(v.metrics, "average_precision")]
        for v in versions
    ]
    text = table(["version", "alias", "created (UTC)", "average precision"], rows) if rows else "no model yet"
    emit({"versions": [asdict(v) for v in versions]}, text, as_json)


def show(version: str, as_json: Json = False) -> None:
    """One version with its figures."""
    info = _registry().version(version)
    rows = [[name, f"{value:,.4f}"] for name, value in sorted(info.metrics.items())]
    head = f"version {info.version} ({', '.join(info.aliases) or 'no alias'}), run {info.run_id}"
    emit(asdict(info), f"{head}\n\n{table(['metric', 'value'], rows)}", as_json)


def promote(version: str, reason: Reason, by: Person = None, as_json: Json = False) -> None:
    """Make a version the champion."""
    _change(lambda registry, who: registry.promote(version, by=who, reason=reason), by, as_json)


def reject(version: str, reason: Reason, by: Person = None, as_json: Json = False) -> None:
    """Say that a version must not become the champion."""
    _change(lambda registry, who: registry.reject(version, by=who, reason=reason), by, as_json)


def rollback(reason: Reason, by: Person = None, as_json: Json = False) -> None:
    """Make the champion before this one the champion again."""
    _change(lambda registry, who: registry.rollback(by=who, reason=reason), by, as_json)


def history(as_json: Json = False) -> None:
    """Every promotion, rejection and rollback, oldest first."""
    entries = _registry().history()
    rows = [[f"{e.at:%Y-%m-%d %H:%M}", e.action, e.version, e.by, e.reason] for e in entries]
    text = table(["when (UTC)", "what", "version", "who", "why"], rows) if rows else "nothing yet"
    emit({"history": [asdict(e) for e in entries]}, text, as_json)


def _registry() -> "Registry":
    settings = start()
    from fraud_model.registry import Registry

    return Registry(settings.mlflow_uri)


def _change(change: "Callable[[Registry, str], Any]", by: str | None, as_json: bool) -> None:
    registry = _registry()
    change(registry, by or getpass.getuser())
    last = registry.history()[-1]
    emit(asdict(last), f"{last.action} version {last.version} by {last.by}: {last.reason}", as_json)


def _figure(metrics: Mapping[str, float], name: str) -> str:
    return f"{metrics[name]:.3f}" if name in metrics else ""
