"""Page Models: every registered version with its figures, which one is in use, and what was done with them."""

import gradio as gr

from app.desk import Desk
from app.errors import message_of
from app.ui import format as show
from app.ui.panel import panel
from fraud_model.registry import HistoryEntry, ModelVersionInfo

_SHOWN_METRICS = {
    "average_precision": "Average precision",
    "precision_at_budget": "Precision at budget",
    "recall_at_budget": "Recall at budget",
    "roc_auc": "ROC AUC",
}


class ModelsPage:
    """Builds the page and answers its events."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def build(self, tab: gr.Tab) -> None:
        """Lays the page out; it fills when its tab is opened."""
        with gr.Column(elem_classes="fd-pane fd-wide"):
            listed = panel(elem_id="models-list")
        tab.select(self.listed, None, [listed], show_progress="hidden", api_visibility="private", concurrency_limit=4)

    def listed(self) -> str:
        """Versions, newest first, and the history of promotions."""
        try:
            registry = self.desk.registry
            versions, history = registry.versions(), registry.history()
        except Exception as error:
            return show.empty_state("The registry does not answer", message_of(error), "frauddesk doctor")
        if not versions:
            return show.empty_state("No model yet", "Training registers the first version.", "frauddesk up")
        names = [name for name in _SHOWN_METRICS if any(name in version.metrics for version in versions)]
        head = "".join(f"<th scope='col' class='fd-num'>{_SHOWN_METRICS[name]}</th>" for name in names)
        rows = "".join(_version(version, names) for version in versions)
        entries = "".join(_entry(entry) for entry in reversed(history)) or "<li>Nothing yet.</li>"
        return (
            "<section class='fd-card'><h3>Versions</h3><div class='fd-table-box'><table class='fd-plain'><thead><tr>"
            f"<th scope='col'>Version</th><th scope='col'>State</th>{head}<th scope='col'>Trained</th></tr></thead>"
            f"<tbody>{rows}</tbody></table></div></section>"
            f"<section class='fd-card'><h3>History</h3><ol class='fd-list'>{entries}</ol><p "
            "class='fd-soft'>Promote with "
            "<code>frauddesk models promote VERSION --reason …</code>, go back with <code>frauddesk models "
            "rollback</code>. "
            "</p></section>"
        )


def _version(version: ModelVersionInfo, names: list[str]) -> str:
    if version.status == "champion":
        state = "<span class='fd-state fd-state-legitimate'><i aria-hidden='true'>★</i>Champion</span>"
    else:
        state = show.plain_name(version.status)
    figures = "".join(f"<td class='fd-num'>{_figure(version.metrics.get(name))}</td>" for name in names)
    trained = show.moment(version.created)
    return f"<tr><td>{show.text(version.version)}</td><td>{state}</td>{figures}<td>{trained}</td></tr>"


def _figure(value: float | None) -> str:
    return show.NONE if value is None else f"{value:.3f}"


def _entry(entry: HistoryEntry) -> str:
    return (
        f"<li><b>Version {show.text(entry.version)} {show.text(entry.action)}</b> by {show.text(entry.by)}, "
        f"{show.moment(entry.at)} UTC <q>{show.text(entry.reason)}</q></li>"
    )
