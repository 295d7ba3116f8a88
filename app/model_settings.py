"""What the settings say about a new model: its gates, how its threshold is chosen, where its files are kept."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from app.files import write_whole
from app.settings import Settings

if TYPE_CHECKING:
    from fraud_model.gates import Gates
    from fraud_model.thresholds import ThresholdRule


def gates_of(settings: Settings) -> "Gates":
    """What a model must reach to become the candidate, and to be promoted."""
    from fraud_model.gates import Gates

    return Gates(
        recall=settings.gate_recall,
        f1=settings.gate_f1,
        average_precision=settings.gate_average_precision,
        card_precision=settings.gate_card_precision,
        rare_below=settings.gate_rare_below,
    )


def rule_of(
    settings: Settings,
    *,
    by: str | None = None,
    alert_budget: float | None = None,
    wanted_recall: float | None = None,
    false_positive_cost: float | None = None,
    missed_fraud_cost: str | None = None,
) -> "ThresholdRule":
    """How the threshold is chosen: by the settings, where nothing else is given.

    Raises:
        InputError: a value is out of range.
    """
    from fraud_model.thresholds import Costs, ThresholdRule

    return ThresholdRule(
        by=by or settings.threshold,
        alerts_per_day=alert_budget if alert_budget is not None else settings.alert_budget,
        wanted_recall=wanted_recall if wanted_recall is not None else settings.wanted_recall,
        costs=Costs.of(
            false_positive_cost if false_positive_cost is not None else settings.false_positive_cost,
            missed_fraud_cost or settings.missed_fraud_cost,
        ),
    )


def search_storage(settings: Settings) -> Path:
    """The file that keeps searches for settings of a model, so that one cut short goes on."""
    return settings.home / "mlflow" / "search.db"


@contextmanager
def keeping_leakage_report(settings: Settings) -> Iterator[None]:
    """Keeps the report of a training that the leakage gate stops, and lets the error say where it is."""
    from fraud_model.errors import LeakageFound

    try:
        yield
    except LeakageFound as found:
        path = settings.home / "reports" / f"leakage-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.md"
        write_whole(path, found.report_markdown)
        raise LeakageFound(f"{found}; report: {path}", found.report_markdown) from found
