"""Versions of this desk's model side by side on the payments whose labels are known."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from app.settings import Settings

if TYPE_CHECKING:
    from app.console import ProgressLine
    from eval.compare_models import ModelComparison
    from fraud_model.registry import Registry

DAY_SECONDS = 86_400
_NEWEST = 4


def compare_models(
    settings: Settings,
    versions: Sequence[str] = (),
    *,
    days: int | None = None,
    progress: "ProgressLine | None" = None,
) -> "ModelComparison":
    """Score the same later payments with several versions; the first is what the others are held against.

    The payments are those after every version's training, as far as their labels are known; where there are none, the
    last days with labels, and the versions that were trained on some of them are marked.

    Args:
        settings: Settings in force.
        versions: Numbers or aliases; the champion and the newest ones where empty.
        days: Only so many days at the end.
        progress: Told after each version.

    Raises:
        ModelError: there is no such version.
        EvalInputError: there is nothing to compare, or no fraud among the payments.
    """
    from eval.compare_models import Contender, Payments, compare_versions
    from eval.errors import EvalInputError
    from fraud_model.data import read_transactions
    from fraud_model.progress import Progress
    from fraud_model.registry import Registry
    from fraud_model.scorer import Scorer

    registry = Registry(settings.mlflow_uri)
    found = {}
    for name in versions or _default(registry):
        info, stored = registry.open(name)
        found[str(info.version)] = stored
    if not found:
        raise EvalInputError("there is no registered version; `frauddesk train` makes one")
    schema = next(iter(found.values())).description.schema
    frame = read_transactions(settings.transactions_path, schema)
    times, labels = schema.times(frame), schema.labels(frame)
    known = int(times.max()) - schema.label_delay_seconds
    ended = {version: _seconds(stored.description.trained_until) for version, stored in found.items()}
    start = max(ended.values())
    if not labels[(times >= start) & (times < known)].sum() > 0:
        start = known - (days or settings.alert_days) * DAY_SECONDS
    if days is not None:
        start = max(start, known - days * DAY_SECONDS)
    chosen = (times >= start) & (times < known) & ~np.isnan(labels)
    if not chosen.any():
        raise EvalInputError("there are no payments whose labels are known")
    contenders = []
    for number, (version, stored) in enumerate(found.items()):
        if progress is not None:
            progress(Progress("scoring", number, len(found), f"version {version}"))
        scores = Scorer(stored, version).score(frame[chosen], history=frame[times < start])
        told = {"trained_until": stored.description.trained_until, "features": len(stored.description.feature_names)}
        contenders.append(
            Contender(version, scores["fraud_probability"].to_numpy(np.float64), told, bool(ended[version] > start))
        )
    first, last = (datetime.fromtimestamp(int(edge), UTC) for edge in (times[chosen].min(), times[chosen].max()))
    return compare_versions(
        contenders,
        Payments(
            labels[chosen].astype(np.int64),
            times[chosen],
            frame.loc[chosen, schema.payer].to_numpy(),
            float(settings.alert_budget),
            f"{first:%Y-%m-%d} to {last:%Y-%m-%d}",
        ),
        tracking_uri=settings.mlflow_uri,
        artifact_root=settings.mlflow_artifacts,
        progress=progress,
    )


def _default(registry: "Registry") -> list[str]:
    infos = registry.versions()
    champion = [str(info.version) for info in infos if info.status == "champion"]
    return list(dict.fromkeys([*champion, *(str(info.version) for info in infos)]))[:_NEWEST]


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
