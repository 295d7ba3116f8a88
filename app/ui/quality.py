"""Page Quality: the latest measured answers and the latest drift check, from MLflow."""

from datetime import UTC, datetime
from typing import Any

import gradio as gr

from app.desk import Desk
from app.errors import message_of
from app.ui import format as show
from app.ui.panel import panel

_EXPERIMENTS = {
    "fraud-desk-rag": ("Answers", "No answers were measured yet.", "frauddesk eval rag"),
    "fraud-desk-drift": ("Drift", "No drift check was run yet.", "frauddesk eval drift"),
}
_RUNS = 5
# Bounds of an interval stand beside their figure; counts of what was scored are in the run.
_BESIDE_A_FIGURE = ("_low", "_high", "_failed", "_scored")


class QualityPage:
    """Builds the page and answers its events."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def build(self, tab: gr.Tab) -> None:
        """Lays the page out; it fills when its tab is opened."""
        with gr.Column(elem_classes="fd-pane fd-wide"):
            listed = panel(elem_id="quality-list")
        tab.select(self.listed, None, [listed], show_progress="hidden", api_visibility="private", concurrency_limit=4)

    def listed(self) -> str:
        """The latest runs of each measurement."""
        try:
            return "".join(self._measurement(name, *about) for name, about in _EXPERIMENTS.items())
        except Exception as error:
            return show.empty_state("MLflow does not answer", message_of(error), "frauddesk doctor")

    def _measurement(self, experiment: str, title: str, nothing: str, command: str) -> str:
        from mlflow import MlflowClient

        client = MlflowClient(self.desk.settings.mlflow_uri)
        known = client.get_experiment_by_name(experiment)
        runs = (
            []
            if known is None
            else client.search_runs([known.experiment_id], max_results=_RUNS, order_by=["attributes.start_time DESC"])
        )
        if not runs:
            empty = show.empty_state(nothing, "Run it with", command)
            return f"<section class='fd-card'><h3>{title}</h3>{empty}</section>"
        latest = runs[0]
        verdict = latest.data.tags.get("verdict") or latest.data.params.get("verdict", "")
        badge = f"<span class='fd-tag fd-tag-strong'>{show.plain_name(verdict)}</span>" if verdict else ""
        figures = "".join(
            f"<tr><th scope='row'>{show.plain_name(name)}</th>"
            + "".join(f"<td class='fd-num'>{_with_interval(run.data.metrics, name)}</td>" for run in runs)
            + "</tr>"
            for name in sorted(latest.data.metrics)
            if not name.endswith(_BESIDE_A_FIGURE)
        )
        head = "".join(f"<th scope='col' class='fd-num'>{_started(run)}</th>" for run in runs)
        return (
            f"<section class='fd-card'><h3>{title} {badge}</h3><div class='fd-table-box'><table "
            "class='fd-plain'><thead>"
            f"<tr><th scope='col'>Figure</th>{head}</tr></thead><tbody>{figures}</tbody></table></div>"
            f"<p class='fd-soft'>Again with <code>{command}</code>; reports and tables are artifacts of the runs in "
            "MLflow.</p></section>"
        )


def _with_interval(metrics: dict[str, float], name: str) -> str:
    low, high = metrics.get(f"{name}_low"), metrics.get(f"{name}_high")
    figure = _figure(metrics.get(name))
    if low is None or high is None:
        return figure
    return f"{figure} <span class='fd-soft'>{_figure(low)}–{_figure(high)}</span>"


def _figure(value: float | None) -> str:
    if value is None:
        return show.NONE
    return f"{value:,.0f}" if value == int(value) and abs(value) > 1 else f"{value:.3f}"


def _started(run: Any) -> str:
    return show.moment(datetime.fromtimestamp(run.info.start_time / 1000, UTC))
