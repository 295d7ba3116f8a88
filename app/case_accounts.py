"""What was known of an alert's payer and payee before the payment: their payments over time, and who they deal with.

Everything here is strictly before the payment; the payment itself is marked by whoever draws it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pandas as pd
from sqlalchemy import Engine, or_, select

from app import tables
from app.history import History
from app.records import CONFIRMED_FRAUD, Alert
from app.rows import seconds

TIMELINE_DAYS = 30
_MOST_PAYMENTS = 400
_NETWORK_DAYS = 90
_MOST_NEIGHBOURS = 5
_MOST_SHARED = 3


@dataclass(frozen=True)
class PastPayment:
    """One payment of the past: when (UTC), how much, and the account at the other end."""

    at: datetime
    amount: float
    other: str


@dataclass(frozen=True)
class Timeline:
    """What one account did in the days before a payment.

    Attributes:
        account: The account.
        role: payer, with what it paid, or payee, with what it received.
        since: Beginning of the days shown, UTC.
        until: Time of the payment, UTC.
        payments: In the order of their time; the latest where there are too many to show.
        total: How many there were in these days.
    """

    account: str
    role: str
    since: datetime
    until: datetime
    payments: tuple[PastPayment, ...]
    total: int


@dataclass(frozen=True)
class Neighbour:
    """An account near the payment.

    Attributes:
        account: Its id.
        payments: Payments between it and the account it is drawn beside.
        amount: Their sum.
        alerts: Alerts on its earlier payments.
        frauds: Of these, confirmed as fraud before this alert was raised.
    """

    account: str
    payments: int
    amount: float
    alerts: int = 0
    frauds: int = 0


@dataclass(frozen=True)
class Network:
    """Accounts linked by payments in the days before one.

    Attributes:
        payer: Who pays.
        payee: Who is paid.
        payees: Others that the payer has paid.
        payers: Others that have paid the payee.
        shared: Accounts that the payer and one of `payers` have paid.
        links: Payments between `payers` and `shared`, by their ids.
        more_payees: Further ones that are not shown.
        more_payers: The same for the payee.
        days: How far back it looks.
    """

    payer: Neighbour
    payee: Neighbour
    payees: tuple[Neighbour, ...]
    payers: tuple[Neighbour, ...]
    shared: tuple[Neighbour, ...]
    links: tuple[tuple[str, str], ...]
    more_payees: int
    more_payers: int
    days: int = _NETWORK_DAYS

    @property
    def flagged(self) -> int:
        """How many of the accounts had an alert before."""
        return sum(bool(item.alerts) for item in (self.payer, self.payee, *self.payees, *self.payers, *self.shared))


def timelines(history: History, alert: Alert) -> tuple[Timeline, Timeline]:
    """The payer's payments and those to the payee, before an alert's payment."""
    past = _before(history, alert, TIMELINE_DAYS)
    schema = history.schema
    made = past[past[schema.payer].astype(str) == alert.payer]
    received = past[past[schema.payee].astype(str) == alert.payee]
    return (
        _timeline(history, alert, alert.payer, "payer", made, schema.payee),
        _timeline(history, alert, alert.payee, "payee", received, schema.payer),
    )


def network(history: History, engine: Engine, alert: Alert) -> Network:
    """Who the payer and the payee have dealt with; bounded, the largest first.

    Args:
        history: Past payments.
        engine: The desk's database, for what was flagged before.
        alert: The alert.
    """
    schema = history.schema
    past = _before(history, alert, _NETWORK_DAYS)
    payer, payee = past[schema.payer].astype(str), past[schema.payee].astype(str)
    made, received = past[(payer == alert.payer)], past[(payee == alert.payee)]
    paid = _sums(history, made, schema.payee)
    payers = _sums(history, received, schema.payer)
    between = paid.pop(alert.payee, (0, 0.0))
    payers.pop(alert.payer, None)
    nearest = list(payers)[:_MOST_NEIGHBOURS]
    theirs = _payments_of(history, received[received[schema.payer].astype(str).isin(nearest)], alert)
    also = theirs[theirs[schema.payee].astype(str).isin(list(paid))]
    shared_sums = _sums(history, also, schema.payee)
    shared = list(shared_sums)[:_MOST_SHARED]
    links = sorted(
        {
            (str(one), str(other))
            for one, other in zip(also[schema.payer], also[schema.payee], strict=True)
            if str(other) in shared and str(one) in nearest
        }
    )
    others = [name for name in paid if name not in shared]
    names = [alert.payer, alert.payee, *others[:_MOST_NEIGHBOURS], *nearest, *shared]
    flags = _flags(engine, names, alert)

    def near(name: str, sums: dict[str, tuple[int, float]]) -> Neighbour:
        count, amount = sums.get(name, (0, 0.0))
        return Neighbour(name, count, amount, *flags.get(name, (0, 0)))

    return Network(
        payer=Neighbour(alert.payer, *between, *flags.get(alert.payer, (0, 0))),
        payee=Neighbour(alert.payee, *between, *flags.get(alert.payee, (0, 0))),
        payees=tuple(near(name, paid) for name in others[:_MOST_NEIGHBOURS]),
        payers=tuple(near(name, payers) for name in nearest),
        shared=tuple(near(name, paid) for name in shared),
        links=tuple(links),
        more_payees=max(len(others) - _MOST_NEIGHBOURS, 0),
        more_payers=max(len(payers) - _MOST_NEIGHBOURS, 0),
    )


def _before(history: History, alert: Alert, days: int) -> pd.DataFrame:
    """Payments of the payer or to the payee in the days before the payment, strictly."""
    payment = history.find(alert.transaction_id)
    if payment is None:
        payment = history.aligned(pd.DataFrame([alert.transaction]))
    return _window(history, history.around(payment), alert, days)


def _payments_of(history: History, received: pd.DataFrame, alert: Alert) -> pd.DataFrame:
    """What some payers paid to anybody before the payment; `received` holds rows of theirs."""
    schema = history.schema
    rows = received.drop_duplicates(schema.payer)
    if rows.empty:
        return received
    found = _window(history, history.around(rows), alert, _NETWORK_DAYS)
    return found[found[schema.payer].isin(rows[schema.payer])]


def _window(history: History, past: pd.DataFrame, alert: Alert, days: int) -> pd.DataFrame:
    if past.empty:
        return past
    times = history.schema.times(past)
    end = seconds(alert.event_time)
    return past[(times < end) & (times >= end - days * 86_400)]


def _timeline(history: History, alert: Alert, account: str, role: str, rows: pd.DataFrame, other: str) -> Timeline:
    times = [int(at) for at in history.schema.times(rows)] if len(rows) else []
    end = alert.event_time
    made = sorted(
        (
            PastPayment(datetime.fromtimestamp(at, UTC), float(amount), str(name))
            for at, amount, name in zip(times, rows[history.schema.amount], rows[other], strict=True)
        ),
        key=lambda payment: payment.at,
    )
    since = datetime.fromtimestamp(seconds(end) - TIMELINE_DAYS * 86_400, UTC)
    return Timeline(account, role, since, end, tuple(made[-_MOST_PAYMENTS:]), len(made))


def _sums(history: History, rows: pd.DataFrame, column: str) -> dict[str, tuple[int, float]]:
    """Count and sum of payments by account, the largest sum first."""
    if rows.empty:
        return {}
    grouped = rows.groupby(rows[column].astype(str), observed=True)[history.schema.amount].agg(["count", "sum"])
    ordered = grouped.sort_values(["sum", "count"], ascending=False, kind="stable")
    return {
        str(name): (int(count), float(total))
        for name, count, total in zip(ordered.index, ordered["count"], ordered["sum"], strict=True)
    }


def _flags(engine: Engine, accounts: Sequence[str], alert: Alert) -> dict[str, tuple[int, int]]:
    """Earlier alerts of some accounts, and how many of them were confirmed as fraud before this alert was raised."""
    alerts, made = tables.alerts, tables.dispositions
    raised = seconds(alert.created_at)
    confirmed = (
        select(made.c.alert_id)
        .where(made.c.decision == CONFIRMED_FRAUD, made.c.decided_at <= raised)
        .where(or_(made.c.undone_at.is_(None), made.c.undone_at > raised))
    )
    query = select(alerts.c.payer, alerts.c.payee, alerts.c.id.in_(confirmed)).where(
        or_(alerts.c.payer.in_(accounts), alerts.c.payee.in_(accounts)),
        alerts.c.event_time < seconds(alert.event_time),
        alerts.c.id != alert.id,
    )
    flags: dict[str, tuple[int, int]] = {}
    with engine.connect() as connection:
        for payer, payee, fraud in connection.execute(query):
            for name in {payer, payee} & set(accounts):
                count, frauds = flags.get(name, (0, 0))
                flags[name] = (count + 1, frauds + bool(fraud))
    return flags
