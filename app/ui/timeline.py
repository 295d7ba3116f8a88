"""An account's payments over time as a small picture: one dot a payment, the one at hand marked.

Drawn here as SVG in the page's own colours; a title and a description say the same in words.
"""

from collections.abc import Sequence
from math import floor, log10

from app.case_accounts import PastPayment, Timeline
from app.records import Alert
from app.ui import format as show

_WIDTH, _HEIGHT = 560, 132
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 14, 12, 24


def timeline_svg(line: Timeline, alert: Alert) -> str:
    """The payments of one account in the days before an alert's payment, and that payment.

    Args:
        line: The account's payments.
        alert: The alert; its payment is drawn as a diamond at the right.
    """
    name = f"timeline-{alert.id}-{line.role}"
    amounts = [payment.amount for payment in line.payments] + [alert.amount]
    low, high = _decades(amounts)
    x = _Scale(line.since.timestamp(), line.until.timestamp(), _LEFT, _WIDTH - _RIGHT)
    y = _Scale(low, high, _HEIGHT - _BOTTOM, _TOP)
    what = "paid by the payer" if line.role == "payer" else "received by the payee"
    title = f"Payments {what} {line.account} in the 30 days before"
    dots = "".join(_dot(payment, line, alert, x, y) for payment in line.payments)
    at_x, at_y = x(line.until.timestamp()), y(_log(alert.amount))
    return (
        f"<figure class='fd-timeline'><figcaption>{_caption(line)}</figcaption>"
        f"<svg viewBox='0 0 {_WIDTH} {_HEIGHT}' role='img' aria-labelledby='{name}-t {name}-d'>"
        f"<title id='{name}-t'>{show.text(title)}</title><desc id='{name}-d'>{show.text(_words(line, alert))}</desc>"
        f"{_grid(low, high, y)}{_days(line, x)}{dots}"
        f"<path class='fd-now' d='M{at_x:.1f} {at_y - 7:.1f}l6 7-6 7-6-7z'><title>This payment: "
        f"{show.money(alert.amount, alert.currency)}</title></path></svg></figure>"
    )


def _caption(line: Timeline) -> str:
    what = "Payer’s payments" if line.role == "payer" else "Payments to the payee"
    shown = f", the last {len(line.payments):,} shown" if len(line.payments) < line.total else ""
    return (
        f"<b>{what}</b> <span class='fd-id'>{show.text(line.account)}</span> "
        f"<span class='fd-soft'>{line.total:,} in the 30 days before{shown}</span>"
    )


def _words(line: Timeline, alert: Alert) -> str:
    if not line.payments:
        return f"No payments in these days. This payment: {alert.currency} {alert.amount:,.2f}."
    amounts = sorted(payment.amount for payment in line.payments)
    last = line.payments[-1]
    return (
        f"{line.total} payments, from {alert.currency} {amounts[0]:,.2f} to {amounts[-1]:,.2f}, the middle one "
        f"{amounts[len(amounts) // 2]:,.2f}; the last on {show.moment(last.at)} UTC. This payment: {alert.currency} "
        f"{alert.amount:,.2f}."
    )


def _dot(payment: PastPayment, line: Timeline, alert: Alert, x: "_Scale", y: "_Scale") -> str:
    other = alert.payee if line.role == "payer" else alert.payer
    same = " fd-same" if payment.other == other else ""
    return (
        f"<circle class='fd-dot{same}' cx='{x(payment.at.timestamp()):.1f}' cy='{y(_log(payment.amount)):.1f}' r='3.4'>"
        f"<title>{show.moment(payment.at)} UTC, {show.money(payment.amount, alert.currency)}, "
        f"{'to' if line.role == 'payer' else 'from'} {show.text(payment.other)}</title></circle>"
    )


def _grid(low: float, high: float, y: "_Scale") -> str:
    lines = []
    step = 1 if high - low <= 4 else 2
    for power in range(int(low), int(high) + 1, step):
        at = y(power)
        lines.append(
            f"<line class='fd-grid' x1='{_LEFT}' x2='{_WIDTH - _RIGHT}' y1='{at:.1f}' y2='{at:.1f}'/>"
            f"<text class='fd-tick' x='{_LEFT - 6}' y='{at + 4:.1f}' text-anchor='end'>{_short(10.0**power)}</text>"
        )
    return "".join(lines)


def _days(line: Timeline, x: "_Scale") -> str:
    marks = []
    end = line.until.timestamp()
    for back, label in ((30, "30 days before"), (20, "20"), (10, "10"), (0, "payment")):
        at = x(end - back * 86_400)
        anchor = "start" if back == 30 else "end" if back == 0 else "middle"
        place = at + 8 if back == 0 else at
        marks.append(f"<text class='fd-tick' x='{place:.1f}' y='{_HEIGHT - 6}' text-anchor='{anchor}'>{label}</text>")
    return "".join(marks)


def _decades(amounts: Sequence[float]) -> tuple[float, float]:
    """Powers of ten that hold all amounts."""
    logs = [_log(amount) for amount in amounts]
    low, high = floor(min(logs)), floor(max(logs)) + 1
    return float(low), float(max(high, low + 2))


def _log(amount: float) -> float:
    return log10(max(amount, 0.01))


def _short(amount: float) -> str:
    if amount >= 1_000_000:
        return f"{amount / 1_000_000:g}m"
    return f"{amount / 1_000:g}k" if amount >= 1_000 else f"{amount:g}"


class _Scale:
    """From values to places on the picture."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        self._low, self._span = low, max(high - low, 1e-9)
        self._start, self._length = start, end - start

    def __call__(self, value: float) -> float:
        """The place of a value."""
        return self._start + (value - self._low) / self._span * self._length
