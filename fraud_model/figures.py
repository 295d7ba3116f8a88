"""The four plots of a training run, drawn without a display."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from fraud_model.metrics import Array, calibration_table, precision_recall_curve
from fraud_model.thresholds import ThresholdRow

_BLUE, _GREY, _ORANGE = "#1f4e79", "#9aa5b1", "#c55a11"


def write_figures(
    folder: Path,
    labels: Array,
    probabilities: Array,
    budgets: Sequence[ThresholdRow],
    importance: Mapping[str, float],
) -> list[Path]:
    """Draw precision-recall, calibration, budget curve and importance as PNG files.

    Args:
        folder: Made where absent.
        labels: 1 fraud, 0 legitimate, shape (rows,).
        probabilities: Shape (rows,).
        budgets: What each alert budget finds.
        importance: Share of each feature in the whole.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    precision, recall = precision_recall_curve(labels, probabilities)
    figure, axes = _axes("Precision and recall", "Recall", "Precision")
    axes.plot(recall, precision, color=_BLUE)
    axes.axhline(float(labels.mean()), color=_GREY, linestyle="--", label="base rate")
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    axes.legend(frameon=False)
    files = [_save(figure, folder / "precision_recall.png")]

    means, shares, _ = calibration_table(labels, probabilities)
    figure, axes = _axes("Calibration", "Predicted probability", "Share of fraud")
    low = max(1e-5, float(means.min()) / 2)
    axes.plot([low, 1], [low, 1], color=_GREY, linestyle="--")
    axes.plot(np.maximum(means, low), np.maximum(shares, low), marker="o", color=_BLUE)
    axes.set(xscale="log", yscale="log")
    files.append(_save(figure, folder / "calibration.png"))

    figure, axes = _axes("Alert budget", "Alerts a day", "Share")
    alerts = [row.alerts_per_day for row in budgets]
    axes.plot(alerts, [row.precision for row in budgets], marker="o", color=_BLUE, label="precision")
    axes.plot(alerts, [row.recall for row in budgets], marker="o", color=_ORANGE, label="recall")
    axes.plot(alerts, [row.value_caught_share for row in budgets], marker="o", color=_GREY, label="value caught")
    axes.set(ylim=(0, 1.02))
    axes.legend(frameon=False)
    files.append(_save(figure, folder / "budget_curve.png"))

    top = sorted(importance.items(), key=lambda item: item[1])[-20:]
    figure, axes = _axes("Importance", "Share", "", height=6.0)
    axes.barh([name for name, _ in top], [share for _, share in top], color=_BLUE)
    files.append(_save(figure, folder / "importance.png"))
    return files


def _axes(title: str, x: str, y: str, height: float = 4.2) -> tuple[Figure, Any]:
    figure = Figure(figsize=(6.4, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _save(figure: Figure, path: Path) -> Path:
    figure.savefig(path, dpi=110)
    return path
