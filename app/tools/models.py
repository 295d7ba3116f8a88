"""Tools about models and runs: figures of one, and what differs between two."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.tools.records import Figure, FigureTable, Link, ToolError, ToolResult, number
from app.tools.runs import RunFacts, run_by_id, run_link
from fraud_model.errors import FraudModelError
from fraud_model.registry import ModelVersionInfo

if TYPE_CHECKING:
    from app.access import User
    from app.desk import Desk

ALIASES = ("champion", "candidate", "previous")
_TOLD = {
    "precision_at_budget": "precision at the alert budget",
    "recall_at_budget": "recall at the alert budget",
    "average_precision": "average precision",
    "roc_auc": "ROC AUC",
    "card_precision_at_100": "card precision at 100",
    "value_caught_share": "share of value caught",
    "calibration_error": "calibration error",
    "alerts_per_day": "alerts a day",
    "threshold": "threshold",
    "base_rate": "share of fraud on validation",
    "train_rows": "payments trained on",
    "train_frauds": "frauds trained on",
    "validation_rows": "payments validated on",
    "validation_frauds": "frauds validated on",
}
"""Metrics of a training run that a comparison tells, in words, the most asked for first."""

_SUBJECT_WORDS = {
    "recall": "recall_at_budget",
    "average precision": "average_precision",
    "auc": "roc_auc",
    "roc": "roc_auc",
    "threshold": "threshold",
    "calibration": "calibration_error",
    "precision": "precision_at_budget",
}
_DIFFERENCES = ("train_days", "track", "features", "feature_version", "trees", "seed", "alert_budget_per_day")
_MOST_FIGURES = 24
_BOUNDS = ("_low", "_high")


@dataclass(frozen=True)
class _Side:
    """One of two that are compared."""

    name: str
    metrics: Mapping[str, float]
    params: Mapping[str, str]
    tags: Mapping[str, str]
    links: tuple[Link, ...]
    subject: tuple[str, ...]


def metric_asked(question: str) -> str:
    """The metric that a question is about; precision at the budget where it names none."""
    words = question.lower()
    return next((name for word, name in _SUBJECT_WORDS.items() if word in words), "precision_at_budget")


def compare_models(
    desk: "Desk", user: "User", first: str, second: str, metric: str = "precision_at_budget"
) -> ToolResult:
    """Figures of two model versions (or runs) side by side, and what else differs between them.

    Args:
        desk: Where the registry and the runs are.
        user: Who asks.
        first: Version number, champion, candidate or previous; or a run id.
        second: The same.
        metric: Which figure the question is about.

    Raises:
        ToolError: one of the two does not exist.
    """
    del user
    left, right = (_side(desk, name) for name in (first, second))
    shared = [name for name in _TOLD if name in left.metrics and name in right.metrics]
    if not shared:
        shared = sorted(set(left.metrics) & set(right.metrics) - {n for n in left.metrics if n.endswith(_BOUNDS)})
    if not shared:
        raise ToolError(f"{left.name} and {right.name} have no figure in common.")
    shared = shared[:_MOST_FIGURES]
    if metric in shared:
        shared = [metric, *(name for name in shared if name != metric)]
    rows = tuple(
        (_words(name), _with_bounds(left.metrics, name), _with_bounds(right.metrics, name), _step(left, right, name))
        for name in shared
    )
    figures = tuple(
        Figure(f"{_words(shared[0]).capitalize()}, {side.name}", side.metrics[shared[0]], _shown(side, shared[0]))
        for side in (left, right)
    )
    return ToolResult(
        "compare_models",
        {"first": first, "second": second, "metric": shared[0]},
        f"{left.name} against {right.name}",
        tuple(_told(left, right, shared[0])),
        (*figures, Figure("Change", right.metrics[shared[0]] - left.metrics[shared[0]], _step(left, right, shared[0]))),
        FigureTable(("Figure", left.name, right.name, "Change"), rows),
        "MLflow: metrics and parameters of both runs",
        (*left.links, *right.links),
        (*left.subject, *right.subject),
    )


def model_figures(desk: "Desk", user: "User", version: str = "champion") -> ToolResult:
    """Figures of one model version."""
    del user
    info = _version(desk, version)
    side = _of_version(desk, info)
    names = [name for name in _TOLD if name in info.metrics]
    status = f" ({info.status})" if info.status in ALIASES or info.status == "rejected" else ""
    told = [f"{side.name}{status} was registered on {info.created:%Y-%m-%d}."]
    if names:
        listed = "; ".join(f"{_TOLD[name]} {_with_bounds(info.metrics, name)}" for name in names[:5])
        told.append(f"On its validation days: {listed}.")
    return ToolResult(
        "model_figures",
        {"version": version},
        f"Figures of {side.name}",
        tuple(told),
        tuple(Figure(_TOLD[name], info.metrics[name], _shown(side, name)) for name in names[:4]),
        FigureTable(("Figure", "Value"), tuple((_TOLD[name], _with_bounds(info.metrics, name)) for name in names)),
        "MLflow: the version's training run",
        side.links,
        side.subject,
    )


def run_figures(desk: "Desk", user: "User", run_id: str) -> ToolResult:
    """Figures of one run by its id."""
    del user
    run = run_by_id(desk, run_id)
    names = [name for name in _TOLD if name in run.metrics]
    names += [name for name in sorted(run.metrics) if name not in names and not name.endswith(_BOUNDS)]
    names = names[:_MOST_FIGURES]
    verdict = run.tags.get("verdict", "")
    told = [
        f"Run {run.run_id} ({run.name or 'without a name'}) of experiment {run.experiment} started on "
        f"{run.started:%Y-%m-%d %H:%M} UTC and is {run.status.lower()}."
    ]
    if verdict:
        told.append(f"Its verdict is {verdict}.")
    if names:
        told.append(
            "Its figures: " + "; ".join(f"{_words(name)} {_with_bounds(run.metrics, name)}" for name in names[:5]) + "."
        )
    rows = tuple((_words(name), _with_bounds(run.metrics, name)) for name in names)
    return ToolResult(
        "run_figures",
        {"run_id": run.run_id},
        f"Run {run.run_id[:8]}",
        tuple(told),
        tuple(Figure(_words(name), run.metrics[name], _value(name, run.metrics[name])) for name in names[:4]),
        FigureTable(("Figure", "Value"), rows) if rows else None,
        f"MLflow, experiment {run.experiment}",
        (run_link(desk, run),),
        (run.run_id,),
    )


def version_before(desk: "Desk", version: str) -> str:
    """The version registered before one.

    Raises:
        ToolError: there is none.
    """
    number_ = _version(desk, version).version
    earlier = [int(info.version) for info in desk.registry.versions() if int(info.version) < int(number_)]
    if not earlier:
        raise ToolError(f"There is no version before {number_} to compare with.")
    return str(max(earlier))


def _side(desk: "Desk", name: str) -> _Side:
    if re.fullmatch(r"[0-9a-f]{32}", name):
        run = run_by_id(desk, name)
        return _Side(f"Run {run.run_id[:8]}", run.metrics, run.params, run.tags, (run_link(desk, run),), (run.run_id,))
    return _of_version(desk, _version(desk, name))


def _version(desk: "Desk", name: str) -> ModelVersionInfo:
    try:
        return desk.registry.version(name.lower().removeprefix("v") if name.lower() not in ALIASES else name.lower())
    except FraudModelError as error:
        text = str(error)
        raise ToolError(f"{text[:1].upper()}{text[1:]}.") from error


def _of_version(desk: "Desk", info: ModelVersionInfo) -> _Side:
    run: RunFacts | None
    try:
        run = run_by_id(desk, info.run_id)
    except ToolError:
        run = None
    return _Side(
        f"Version {info.version}",
        info.metrics,
        run.params if run else {},
        {**info.tags, **(run.tags if run else {})},
        (run_link(desk, run),) if run else (),
        (f"v{info.version}", info.run_id),
    )


def _told(left: _Side, right: _Side, metric: str) -> list[str]:
    before, after = left.metrics[metric], right.metrics[metric]
    words = _words(metric)
    verb = "rose" if after > before else "fell" if after < before else "stayed"
    told = [
        f"{words.capitalize()} {verb} from {_with_bounds(left.metrics, metric)} in {left.name.lower()} to "
        f"{_with_bounds(right.metrics, metric)} in {right.name.lower()}."
        if verb != "stayed"
        else f"{words.capitalize()} stayed at {_value(metric, after)} from {left.name.lower()} to {right.name.lower()}."
    ]
    overlap = _overlap(left, right, metric)
    frauds = [side.metrics.get("validation_frauds") for side in (left, right)]
    if overlap and all(frauds):
        told.append(
            f"Their intervals overlap: with {number(frauds[0] or 0)} and {number(frauds[1] or 0)} frauds to validate "
            "on, a change of this size can be chance."
        )
    elif overlap is False:
        told.append("Their intervals do not overlap: the change is larger than chance explains.")
    rates = [side.metrics.get("base_rate") for side in (left, right)]
    if rates[0] and rates[1] and abs(rates[1] / rates[0] - 1) > 0.1 and "precision" in metric:
        move = "more" if rates[1] > rates[0] else "less"
        told.append(
            f"The validation days hold {move} fraud: {rates[0]:.2%} of payments for {left.name.lower()}, "
            f"{rates[1]:.2%} for {right.name.lower()}. At the same number of alerts a day, {move} fraud to find alone "
            f"makes precision {'higher' if move == 'more' else 'lower'}."
        )
    changed = [
        f"{name.replace('_', ' ')} {_short(left.params[name])} against {_short(right.params[name])}"
        for name in _DIFFERENCES
        if left.params.get(name, "") != right.params.get(name, "") and name in left.params and name in right.params
    ]
    for name in ("train_rows", "threshold"):
        if name in left.metrics and name in right.metrics and left.metrics[name] != right.metrics[name]:
            changed.append(f"{_words(name)} {_shown(left, name)} against {_shown(right, name)}")
    if changed:
        told.append("What else differs: " + "; ".join(changed) + ".")
    return told


def _short(value: str) -> str:
    try:
        return number(float(value), 1)
    except ValueError:
        return value[:40]


def _overlap(left: _Side, right: _Side, metric: str) -> bool | None:
    bounds = [side.metrics.get(f"{metric}{end}") for side in (left, right) for end in _BOUNDS]
    if any(bound is None for bound in bounds):
        return None
    low_left, high_left, low_right, high_right = (float(bound or 0) for bound in bounds)
    return low_left <= high_right and low_right <= high_left


def _words(metric: str) -> str:
    return _TOLD.get(metric, metric.replace("_", " "))


def _value(metric: str, value: float) -> str:
    return number(value, 4 if metric in ("threshold", "base_rate") else 3)


def _shown(side: _Side, metric: str) -> str:
    return _value(metric, side.metrics[metric])


def _with_bounds(metrics: Mapping[str, float], metric: str) -> str:
    bounds: Sequence[float | None] = [metrics.get(f"{metric}{end}") for end in _BOUNDS]
    shown = _value(metric, metrics[metric])
    if bounds[0] is None or bounds[1] is None:
        return shown
    return f"{shown} ({_value(metric, bounds[0])} to {_value(metric, bounds[1])})"


def _step(left: _Side, right: _Side, metric: str) -> str:
    change = right.metrics[metric] - left.metrics[metric]
    return f"{'+' if change > 0 else '−' if change < 0 else ''}{_value(metric, abs(change))}"
