"""Tools about the desk as it runs: whether the model drifts, and how full the queue is."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from app.records import STATES, AlertFilter
from app.tools.records import Figure, FigureTable, ToolError, ToolResult, counted, money, number
from app.tools.runs import latest_runs, run_link

if TYPE_CHECKING:
    from app.access import User
    from app.desk import Desk

DRIFT_EXPERIMENT = "fraud-desk-drift"
_COLUMNS_SHOWN = 6
_VERDICTS = {
    "stable": "No: the last check found the model stable.",
    "watch": "Perhaps: the last check says watch; one more window like it would call for action.",
    "act": "Yes: the last check calls for action.",
    "insufficient": "It cannot be said: the last check had too few payments.",
}
_SIDES = ("the window", "the reference")
_LEVELS = {-1: "insufficient", 0: "stable", 1: "watch", 2: "act"}


def drift_state(desk: "Desk", user: "User") -> ToolResult:
    """The verdict of the last drift check with the columns behind it.

    Raises:
        ToolError: no drift check was run yet.
    """
    del user
    runs = latest_runs(desk, DRIFT_EXPERIMENT, 2)
    if not runs:
        raise ToolError("No drift check was run yet; `frauddesk eval drift` runs one.")
    run = runs[0]
    verdict = run.tags.get("verdict", "")
    index = {name.removeprefix("psi."): value for name, value in run.metrics.items() if name.startswith("psi.")}
    level = {name: int(run.metrics.get(f"level.{name}", 0)) for name in index}
    worst = sorted(index, key=lambda name: (-level[name], -index[name]))
    flagged = [name for name in worst if level[name] > 0]
    window = run.params.get("window", "")
    version = run.params.get("model_version", "") or run.tags.get("model_version", "")
    told = [
        _VERDICTS.get(verdict, f"The last check gave the verdict {verdict or 'unknown'}."),
        f"It compared {number(run.metrics.get('rows.current', 0))} payments{f' of {window}' if window else ''} with "
        f"{number(run.metrics.get('rows.reference', 0))} of the reference of model version {version}, on "
        f"{run.started:%Y-%m-%d}.",
    ]
    told.append(
        "Columns that moved: "
        + "; ".join(f"{name} ({index[name]:.3f}, {_LEVELS[level[name]]})" for name in flagged[:_COLUMNS_SHOWN])
        + "."
        if flagged
        else f"None of {number(len(index))} columns moved beyond its bounds."
    )
    figures = [Figure("Verdict", verdict, verdict), Figure("Columns beyond bounds", len(flagged), number(len(flagged)))]
    if "score.psi" in run.metrics:
        score = run.metrics["score.psi"]
        figures.append(Figure("Index of the score", score, f"{score:.3f}"))
        told.append(f"The population stability index of the score itself is {score:.3f}.")
    if "alerts.per_day" in run.metrics:
        rates = [run.metrics.get(f"alerts.rate_{side}", 0.0) for side in ("current", "reference")]
        figures.append(Figure("Alerts a day", run.metrics["alerts.per_day"], number(run.metrics["alerts.per_day"], 1)))
        told.append(
            f"Alerts: {figures[-1].text} a day, {rates[0]:.2%} of payments against {rates[1]:.2%} of the reference."
        )
        figures += [Figure(f"Alerts, share of {s}", r, f"{r:.2%}") for s, r in zip(_SIDES, rates, strict=True)]
    figures += [
        Figure("Payments compared", run.metrics.get("rows.current"), _rows(run.metrics, "rows.current")),
        Figure("Payments of the reference", run.metrics.get("rows.reference"), _rows(run.metrics, "rows.reference")),
        Figure("Columns", len(index), number(len(index))),
        Figure("Window", window, window or "–"),
        Figure("Checked", run.started.isoformat(), f"{run.started:%Y-%m-%d}"),
        Figure("Model version", version, version or "–"),
    ]
    if len(runs) > 1:
        earlier = runs[1].started
        figures.append(Figure("Check before it", earlier.isoformat(), f"{earlier:%Y-%m-%d}"))
        told.append(
            f"The check before it, on {runs[1].started:%Y-%m-%d}, gave {runs[1].tags.get('verdict', 'no verdict')}."
        )
    rows = tuple((name, f"{index[name]:.3f}", _LEVELS[level[name]]) for name in worst[:_COLUMNS_SHOWN])
    return ToolResult(
        "drift_state",
        {},
        "Drift, last check",
        tuple(told),
        tuple(figures),
        FigureTable(("Column", "Stability index", "Verdict"), rows) if rows else None,
        f"MLflow, experiment {DRIFT_EXPERIMENT}",
        (run_link(desk, run),),
        (run.run_id,),
    )


def _rows(metrics: Mapping[str, float], name: str) -> str:
    return number(metrics.get(name, 0))


def queue_figures(desk: "Desk", user: "User") -> ToolResult:
    """How many alerts are in each state, and the one with the largest expected loss."""
    del user
    counts = desk.store.counts()
    total = sum(counts.values())
    told = [
        f"The desk holds {counted(total, 'alert')}: "
        + ", ".join(f"{number(counts[state])} {name.lower()}" for state, name in STATES.items())
        + "."
    ]
    figures = [Figure(name, counts[state], number(counts[state])) for state, name in STATES.items()]
    figures.append(Figure("Alerts in all", total, number(total)))
    page = desk.store.alerts(AlertFilter(states=("open",)), limit=1).items
    if page:
        first = page[0]
        figures += [
            Figure("First in the queue", first.id, f"alert {first.id} on {first.transaction_id}"),
            Figure("Its amount", first.amount, money(first.amount, first.currency)),
            Figure("Its score", first.probability, f"{first.probability:.3f}"),
            Figure("Its expected loss", first.expected_loss, money(first.expected_loss, first.currency)),
        ]
        told.append(
            f"First in the queue is alert {first.id} on {first.transaction_id}, {money(first.amount, first.currency)} "
            f"at a score of {first.probability:.3f}, expected loss {money(first.expected_loss, first.currency)}."
        )
    return ToolResult(
        "queue_figures",
        {},
        "Alerts now",
        tuple(told),
        tuple(figures),
        source="the alerts of this desk",
    )
