"""Between the rows of the desk's database and its records."""

import math
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import RowMapping

from app import tables
from app.records import OPEN, Alert, AlertSummary, Disposition, Precedent, ReasonRecord, Scored, Typology

SUMMARY = [tables.alerts.c[name] for name in AlertSummary.__dataclass_fields__]


def alert_row(item: Scored, now: int) -> dict[str, Any]:
    """One alert as a row to insert; `now` in seconds since 1970, UTC."""
    return {
        "transaction_id": item.transaction_id,
        "event_time": seconds(item.event_time),
        "created_at": now,
        "payer": item.payer,
        "payee": item.payee,
        "amount": item.amount,
        "currency": item.currency,
        "probability": item.probability,
        "threshold": item.threshold,
        "expected_loss": item.expected_loss,
        "model_version": item.model_version,
        "state": OPEN,
        "headline": item.headline,
        "record": {
            "transaction": {name: _finite(value) for name, value in item.transaction.items()},
            "features": {name: _finite(value) for name, value in item.features.items()},
            "reasons": [{**asdict(reason), "value": _finite(reason.value)} for reason in item.reasons],
        },
    }


def summary_of(row: RowMapping) -> AlertSummary:
    """A line of the queue from its row."""
    return AlertSummary(**_summary(row))


def _summary(row: RowMapping) -> dict[str, Any]:
    claimed = row["claimed_at"]
    return {column.name: row[column.name] for column in SUMMARY} | {
        "event_time": moment(row["event_time"]),
        "created_at": moment(row["created_at"]),
        "claimed_at": None if claimed is None else moment(claimed),
        "typology": row["typology"] or "",
    }


def alert_of(row: RowMapping, made: tuple[Disposition, ...]) -> Alert:
    """An alert from its row and the decisions on it."""
    record, precedents, likely = row["record"], row["precedents"], row["likely"]
    return Alert(
        **_summary(row),
        transaction=record["transaction"],
        features=record["features"],
        reasons=tuple(ReasonRecord(**reason) for reason in record["reasons"]),
        precedents=None if precedents is None else tuple(_precedent(item) for item in precedents),
        likely=None if likely is None else Typology(**likely),
        dispositions=made,
    )


def _precedent(values: dict[str, Any]) -> Precedent:
    return Precedent(**{**values, "shared_accounts": tuple(values["shared_accounts"])})


def disposition_of(row: RowMapping) -> Disposition:
    """A decision from its row."""
    values = {name: row[name] for name in Disposition.__dataclass_fields__}
    undone = values["undone_at"]
    values["decided_at"] = moment(values["decided_at"])
    values["undone_at"] = None if undone is None else moment(undone)
    return Disposition(**values)


def _finite(value: Any) -> Any:
    # JSON has no NaN, and PostgreSQL refuses it.
    return None if isinstance(value, float) and not math.isfinite(value) else value


def seconds(moment: datetime) -> int:
    """Seconds since 1970-01-01 UTC."""
    return int(moment.timestamp())


def moment(seconds: int) -> datetime:
    """The time of seconds since 1970-01-01 UTC."""
    return datetime.fromtimestamp(seconds, UTC)
