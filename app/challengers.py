"""Champion and challenger side by side: figures, segments, and the alerts that would come or go on the last days."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from app.model_settings import gates_of
from fraud_model import Scorer
from fraud_model.registry import ModelVersionInfo
from fraud_model.schema import DAY_SECONDS
from fraud_model.standing import Standing

if TYPE_CHECKING:
    from app.desk import Desk

_LISTED = 8


@dataclass(frozen=True)
class Moved:
    """One payment that only one of the two models alerts on. Probabilities in [0, 1]; amount in the currency."""

    transaction_id: str
    amount: float
    champion: float
    challenger: float
    known: str


@dataclass(frozen=True)
class AlertChange:
    """What the challenger would change on the last days, each model at its own threshold. Times UTC.

    Attributes:
        payments: Payments that both scored.
        since: First moment.
        until: Last moment.
        both: Alerts of both.
        gained: How many alerts only the challenger raises, and the largest by expected loss.
        lost: The same for those that only the champion raises.
        gained_count: How many are gained.
        lost_count: How many are lost.
    """

    payments: int
    since: datetime
    until: datetime
    both: int
    gained_count: int
    lost_count: int
    gained: tuple[Moved, ...]
    lost: tuple[Moved, ...]


@dataclass(frozen=True)
class SideBySide:
    """Two versions.

    Attributes:
        champion: The one in use.
        challenger: The other.
        standing: What stands against the other's promotion.
        segments: Average precision of each by segment, on each one's own validation payments.
    """

    champion: ModelVersionInfo
    challenger: ModelVersionInfo
    standing: Standing
    segments: tuple["Segment", ...]


@dataclass(frozen=True)
class Segment:
    """A part of the validation payments; figures None where a model had too few frauds there."""

    name: str
    part: str
    champion: Mapping[str, float]
    challenger: Mapping[str, float]


def side_by_side(desk: "Desk", version: str) -> SideBySide:
    """A version beside the champion.

    Raises:
        ModelError: there is no champion.
        InputError: there is no such version.
    """
    champion, challenger = desk.registry.version("champion"), desk.registry.version(version)
    return SideBySide(
        champion,
        challenger,
        desk.registry.standing(challenger.version, gates_of(desk.settings)),
        _segments(champion, challenger),
    )


def alert_change(desk: "Desk", version: str) -> AlertChange:
    """The alerts that a version would raise or leave out on the last days of the working payments.

    Raises:
        ModelError: the version's files do not load.
    """
    champion = desk.scorer
    challenger = _loaded(desk.settings.mlflow_uri, version)
    frame, schema = desk.history.frame, champion.schema
    times = schema.times(frame)
    recent = times > int(times.max()) - desk.settings.alert_days * DAY_SECONDS
    payments, earlier = frame[recent], frame[~recent]
    ours = champion.score(payments, history=earlier)
    theirs = challenger.score(payments, history=earlier)
    first, second = ours["alert"].to_numpy(bool), theirs["alert"].to_numpy(bool)
    named = np.asarray(schema.transaction_ids(frame))[recent]
    labels = _known_labels(desk, payments, times[recent])
    table = pd.DataFrame(
        {
            "transaction_id": named,
            "amount": payments[schema.amount].to_numpy(float),
            "champion": ours["fraud_probability"].to_numpy(),
            "challenger": theirs["fraud_probability"].to_numpy(),
            "known": labels,
        }
    )
    return AlertChange(
        len(payments),
        datetime.fromtimestamp(int(times[recent].min()), UTC),
        datetime.fromtimestamp(int(times[recent].max()), UTC),
        int((first & second).sum()),
        int((second & ~first).sum()),
        int((first & ~second).sum()),
        _largest(table[second & ~first], "challenger"),
        _largest(table[first & ~second], "champion"),
    )


def _largest(table: pd.DataFrame, by: str) -> tuple[Moved, ...]:
    order = (table[by] * table["amount"]).sort_values(ascending=False).index[:_LISTED]
    return tuple(
        Moved(str(row.transaction_id), row.amount, row.champion, row.challenger, row.known)
        for row in table.loc[order].itertuples()
    )


def _known_labels(
    desk: "Desk", payments: pd.DataFrame, times: "np.ndarray[tuple[int], np.dtype[np.int64]]"
) -> list[str]:
    """What is known of each payment by the time of the newest: fraud, legitimate, or not known yet."""
    schema = desk.scorer.schema
    if schema.label is None or schema.label not in payments.columns:
        return ["not known"] * len(payments)
    labels = schema.labels(payments)
    mature = times < int(times.max()) - schema.label_delay_seconds
    return [
        "not known yet" if not old or not np.isfinite(label) else ("fraud" if label == 1 else "legitimate")
        for label, old in zip(labels, mature, strict=True)
    ]


def _segments(champion: ModelVersionInfo, challenger: ModelVersionInfo) -> tuple[Segment, ...]:
    parts: dict[tuple[str, str], tuple[dict[str, float], dict[str, float]]] = {}
    for place, info in enumerate((champion, challenger)):
        for key, value in info.slice_metrics.items():
            pieces = key.split("/")
            if len(pieces) == 3:
                parts.setdefault((pieces[0], pieces[1]), ({}, {}))[place][pieces[2]] = value
    return tuple(
        Segment(group.removeprefix("by_").replace("_", " "), part, first, second)
        for (group, part), (first, second) in parts.items()
    )


@lru_cache(maxsize=4)
def _loaded(tracking_uri: str, version: str) -> Scorer:
    return Scorer.load(version, tracking_uri=tracking_uri)
