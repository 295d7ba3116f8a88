"""`models`: versions, comparison, promotion and rollback, each decided by a named person with a reason."""

import getpass
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.console import emit, start, table

if TYPE_CHECKING:
    from app.settings import Settings
    from fraud_model.registry import HistoryEntry, ModelVersionInfo, Registry

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Reason = Annotated[str, typer.Option(help="Why; stands in the history.")]
Person = Annotated[str | None, typer.Option("--by", help="Who decides; the user of this machine when left out.")]
_LISTED = ("average_precision", "precision_at_budget", "recall_at_budget")


def register(cli: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Model versions: list, show, compare, promote, reject, roll back.", no_args_is_help=True)
    group.command("list")(list_versions)
    group.command("show")(show)
    group.command("compare")(compare)
    group.command("promote")(promote)
    group.command("reject")(reject)
    group.command("rollback")(rollback)
    group.command("history")(history)
    cli.add_typer(group, name="models")


def list_versions(as_json: Json = False) -> None:
    """All versions, the newest first."""
    _, registry = _open()
    versions = registry.versions()
    rows = [
        [
            v.version,
            v.status,
            v.tags.get("kind", "lightgbm").replace("_", " "),
            f"{v.created:%Y-%m-%d %H:%M}",
            *(_figure(v.metrics, name) for name in _LISTED),
            "passed" if v.tags.get("gates", "passed") == "passed" else "missed",
        ]
        for v in versions
    ]
    head = ["version", "state", "kind", "created (UTC)", *(name.replace("_", " ") for name in _LISTED), "gates"]
    emit({"versions": [_version(v) for v in versions]}, table(head, rows) if rows else "no model yet", as_json)


def show(version: str, as_json: Json = False) -> None:
    """One version with its figures, and what stands against its promotion."""
    from app.model_settings import gates_of

    settings, registry = _open()
    info = registry.version(version)
    standing = registry.standing(info.version, gates_of(settings))
    rows = [
        [name, f"{value:,.4f}", _ends(info.metrics, name)]
        for name, value in sorted({**info.metrics, **info.slice_metrics}.items())
        if not name.endswith(("_low", "_high"))
    ]
    lines = [
        f"version {info.version} ({info.status}), run {info.run_id}",
        *(f"{name.replace('_', ' ')}: {value}" for name, value in sorted(info.tags.items()) if name != "compared"),
    ]
    if info.status != "champion":
        lines += [f"against its promotion: {problem}" for problem in standing.problems] or ["may be promoted"]
    text = "\n".join(lines) + "\n\n" + table(["metric", "value", "95% interval"], rows)
    emit({**_version(info), "standing": standing.to_dict()}, text, as_json)


def compare(
    version: str,
    other: Annotated[str, typer.Argument(help="Version or alias to compare with.")] = "champion",
    data: Annotated[Path | None, typer.Option(help="Labelled payments later than both trainings.")] = None,
    as_json: Json = False,
) -> None:
    """Two versions side by side; with --data both score the same later payments, and promotion goes by the outcome."""
    settings, registry = _open()
    one, two = registry.version(version), registry.version(other)
    names = sorted(
        name
        for name in {*one.metrics} & {*two.metrics}
        if not name.endswith(("_low", "_high")) and not name.startswith(("champion_", "gain_"))
    )
    rows = [
        [
            name,
            f"{two.metrics[name]:,.4f}",
            f"{one.metrics[name]:,.4f}",
            f"{one.metrics[name] - two.metrics[name]:+,.4f}",
        ]
        for name in names
    ]
    head = ["on its own validation", f"version {two.version}", f"version {one.version}", "difference"]
    result: dict[str, Any] = {
        "version": one.version,
        "other": two.version,
        "metrics": {name: {"version": one.metrics[name], "other": two.metrics[name]} for name in names},
        "compared": None,
    }
    text = table(head, rows)
    if data is not None:
        from fraud_model.against import compare_versions
        from fraud_model.data import read_transactions

        schema = registry.open(one.version)[1].description.schema
        found, pairs = compare_versions(
            registry, one.version, two.version, read_transactions(data, schema), settings.alert_budget
        )
        result["compared"] = {**asdict(found), "beaten": found.beaten}
        rows = [
            [
                name,
                f"{pair.champion:.4f}",
                f"{pair.challenger:.4f}",
                f"{pair.low:+.4f} to {pair.high:+.4f}",
                pair.verdict,
            ]
            for name, pair in pairs.items()
        ]
        text += (
            f"\n\nBoth on the same {found.payments:,} payments with {found.frauds:,} frauds, {found.since[:10]} until "
            f"{found.until[:10]}:\n"
            + table([*head[:3], "95% interval of the difference", "verdict"], rows).replace(head[0], "figure", 1)
        )
    emit(result, text, as_json)


def promote(
    version: str,
    reason: Reason,
    by: Person = None,
    despite: Annotated[
        str, typer.Option(help="Why, although gates were missed or the champion not beaten; stands in the history.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Make a version the champion; refused where it missed its gates or did not beat the champion."""
    from app.model_settings import gates_of

    settings, registry = _open()
    who = by or getpass.getuser()
    _decide(
        registry,
        lambda: registry.promote(version, by=who, reason=reason, despite=despite, gates=gates_of(settings)),
        as_json,
    )


def reject(version: str, reason: Reason, by: Person = None, as_json: Json = False) -> None:
    """Say that a version must not become the champion."""
    _, registry = _open()
    _decide(registry, lambda: registry.reject(version, by=by or getpass.getuser(), reason=reason), as_json)


def rollback(reason: Reason, by: Person = None, as_json: Json = False) -> None:
    """Make the champion before this one the champion again."""
    _, registry = _open()
    _decide(registry, lambda: registry.rollback(by=by or getpass.getuser(), reason=reason), as_json)


def history(as_json: Json = False) -> None:
    """Every promotion, rejection and rollback, oldest first."""
    _, registry = _open()
    entries = registry.history()
    rows = [
        [
            f"{e.at:%Y-%m-%d %H:%M}",
            e.action,
            e.version,
            e.by,
            e.reason,
            e.compared.to_text() if e.compared is not None else "",
            f"{e.despite} (overruled: {e.overruled})" if e.despite else "",
        ]
        for e in entries
    ]
    head = ["when (UTC)", "what", "version", "who", "why", "figures compared", "despite"]
    emit({"history": [_entry(e) for e in entries]}, table(head, rows) if rows else "nothing yet", as_json)


def _open() -> "tuple[Settings, Registry]":
    settings = start()
    from fraud_model.registry import Registry

    return settings, Registry(settings.mlflow_uri)


def _decide(registry: "Registry", change: Callable[[], Any], as_json: bool) -> None:
    change()
    last = registry.history()[-1]
    text = f"version {last.version} {last.action} by {last.by}: {last.reason}"
    if last.action.startswith("rolled back"):
        text = f"rolled back to version {last.version} by {last.by}: {last.reason}"
    emit(_entry(last), text, as_json)


def _version(info: "ModelVersionInfo") -> dict[str, Any]:
    return {**asdict(info), "created": info.created.isoformat(timespec="seconds").replace("+00:00", "Z")}


def _entry(entry: "HistoryEntry") -> dict[str, Any]:
    return {**asdict(entry), "at": entry.at.isoformat(timespec="seconds").replace("+00:00", "Z")}


def _figure(metrics: Mapping[str, float], name: str) -> str:
    return f"{metrics[name]:.3f}" if name in metrics else ""


def _ends(metrics: Mapping[str, float], name: str) -> str:
    low, high = metrics.get(f"{name}_low"), metrics.get(f"{name}_high")
    return f"{low:,.4f} to {high:,.4f}" if low is not None and high is not None else ""
