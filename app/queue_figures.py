"""Figures of the queue: what is open and for how long, what was decided today, how many alerts were fraud."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import sqrt

from sqlalchemy import Engine, case, func, select

from app import tables
from app.records import CONFIRMED_FRAUD, DECIDED, LEGITIMATE, UNDECIDED
from app.rows import seconds

AGES: dict[str, float] = {"under 4 hours": 4.0, "4 to 24 hours": 24.0, "1 to 3 days": 72.0}
"""Ages by their upper end in hours; what is older is in the last one."""
OLDEST = "over 3 days"
_Z = 1.96


@dataclass(frozen=True)
class QueueFigures:
    """The queue at one moment.

    Attributes:
        open: Alerts not decided yet, those that wait for information among them.
        claimed: Of these, how many somebody has claimed.
        by_age: Of these, how many by the time since they were raised.
        decided_today: Decisions since midnight UTC that are in force and close a case.
        decided: Alerts decided as fraud or legitimate, in all.
        fraud: Of these, how many were fraud.
        precision: `fraud` as a share of `decided`; None where nothing is decided.
        precision_low: Lower end of its 95% interval (Wilson, 1927).
        precision_high: Upper end.
        value_confirmed: Amount of the alerts confirmed as fraud, by currency.
    """

    open: int
    claimed: int
    by_age: dict[str, int]
    decided_today: int
    decided: int
    fraud: int
    precision: float | None
    precision_low: float | None
    precision_high: float | None
    value_confirmed: dict[str, float]


def queue_figures(engine: Engine, now: datetime | None = None) -> QueueFigures:
    """The figures now.

    Args:
        engine: The desk's database.
        now: As of when; the present where None.
    """
    now = now or datetime.now(UTC)
    alerts, made = tables.alerts, tables.dispositions
    waiting = alerts.c.state.in_(UNDECIDED)
    midnight = seconds(now.replace(hour=0, minute=0, second=0, microsecond=0))
    ages = [
        func.sum(case((alerts.c.created_at > seconds(now - timedelta(hours=hours)), 1), else_=0))
        for hours in AGES.values()
    ]
    with engine.connect() as connection:
        total, claimed, *younger = connection.execute(
            select(func.count(), func.count(alerts.c.owner), *ages).where(waiting)
        ).one()
        today = connection.scalar(
            select(func.count()).where(
                made.c.decided_at >= midnight, made.c.undone_at.is_(None), made.c.decision.in_(DECIDED)
            )
        )
        ended = select(alerts.c.state, func.count()).where(alerts.c.state.in_((CONFIRMED_FRAUD, LEGITIMATE)))
        ends = {state: int(count) for state, count in connection.execute(ended.group_by(alerts.c.state))}
        worth = select(alerts.c.currency, func.sum(alerts.c.amount)).where(alerts.c.state == CONFIRMED_FRAUD)
        value = {code: float(amount) for code, amount in connection.execute(worth.group_by(alerts.c.currency))}
    counted = [int(count or 0) for count in younger]
    by_age = {name: count - before for name, count, before in zip(AGES, counted, [0, *counted], strict=False)}
    by_age[OLDEST] = int(total) - (counted[-1] if counted else 0)
    fraud, decided = ends.get(CONFIRMED_FRAUD, 0), sum(ends.values())
    low, high = wilson(fraud, decided)
    return QueueFigures(
        open=int(total),
        claimed=int(claimed),
        by_age=by_age,
        decided_today=int(today or 0),
        decided=decided,
        fraud=fraud,
        precision=fraud / decided if decided else None,
        precision_low=low,
        precision_high=high,
        value_confirmed=value,
    )


def wilson(hits: int, count: int) -> tuple[float | None, float | None]:
    """95% interval of a share (Wilson, 1927); None where nothing was counted."""
    if not count:
        return None, None
    share, z2 = hits / count, _Z * _Z / count
    middle, reach = share + z2 / 2, _Z * sqrt(share * (1 - share) / count + z2 / (4 * count))
    return max((middle - reach) / (1 + z2), 0.0), min((middle + reach) / (1 + z2), 1.0)
