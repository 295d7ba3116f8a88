"""The accounts linked to a payment as a small picture: payer and payee, whom else they deal with, who was flagged.

Drawn here as SVG in the page's own colours. Few enough accounts to read; a list in words follows for screen readers and
for whoever wants the figures.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from app.case_accounts import Neighbour, Network
from app.records import Alert
from app.ui import format as show

_WIDTH = 560
_ROW = 39
_COLUMNS = {"payees": 64, "payer": 196, "payee": 364, "payers": 496}
_NAME = 14


@dataclass(frozen=True)
class _Place:
    node: Neighbour
    x: float
    y: float
    role: str


def network_svg(web: Network, alert: Alert) -> str:
    """The linked accounts of an alert.

    Args:
        web: The accounts.
        alert: The alert, for the currency.
    """
    rows = max(len(web.payees), len(web.payers), 2 if web.shared else 1)
    height = rows * _ROW + (len(web.shared) and 56) + 30
    middle = rows * _ROW / 2 + 8
    payer = _Place(web.payer, _COLUMNS["payer"], middle, "Payer")
    payee = _Place(web.payee, _COLUMNS["payee"], middle, "Payee")
    payees = _column(web.payees, "payees", middle, "also paid by the payer")
    payers = _column(web.payers, "payers", middle, "also pays the payee")
    below = rows * _ROW + 44
    span = _COLUMNS["payee"] - _COLUMNS["payer"]
    shared = [
        _Place(node, _COLUMNS["payer"] + span * (place + 1) / (len(web.shared) + 1), below, "paid by both")
        for place, node in enumerate(web.shared)
    ]
    places = {place.node.account: place for place in (payer, payee, *payees, *payers, *shared)}
    edges = [_edge(payer, place) for place in (*payees, *shared)]
    edges += [_edge(place, payee) for place in payers]
    edges += [_edge(places[one], places[other]) for one, other in web.links if one in places and other in places]
    name = f"network-{alert.id}"
    return (
        "<figure class='fd-network'>"
        f"<svg viewBox='0 0 {_WIDTH} {height:.0f}' role='img' aria-labelledby='{name}-t {name}-d'>"
        f"<title id='{name}-t'>Accounts linked to this payment</title>"
        f"<desc id='{name}-d'>{show.text(_words(web))}</desc>"
        "<defs><marker id='fd-head' viewBox='0 0 8 8' refX='7' refY='4' markerWidth='7' markerHeight='7' "
        "orient='auto'><path d='M0 0 8 4 0 8z'/></marker></defs>"
        f"{''.join(edges)}{_edge(payer, payee, 'fd-this')}"
        f"{''.join(_node(place, alert) for place in places.values())}{_heads(web)}</svg>"
        f"<figcaption>{_legend(web)}</figcaption>{_table(web, alert)}</figure>"
    )


def _column(nodes: Sequence[Neighbour], column: str, middle: float, role: str) -> list[_Place]:
    first = middle - (len(nodes) - 1) * _ROW / 2
    return [_Place(node, _COLUMNS[column], first + place * _ROW, role) for place, node in enumerate(nodes)]


def _edge(one: _Place, other: _Place, more: str = "") -> str:
    reach = 13.0
    dx, dy = other.x - one.x, other.y - one.y
    length = max((dx * dx + dy * dy) ** 0.5, 1.0)
    ux, uy = dx / length * reach, dy / length * reach
    return (
        f"<line class='fd-edge {more}' x1='{one.x + ux:.1f}' y1='{one.y + uy:.1f}' x2='{other.x - ux:.1f}' "
        f"y2='{other.y - uy:.1f}' marker-end='url(#fd-head)'/>"
    )


def _node(place: _Place, alert: Alert) -> str:
    node = place.node
    kind = "fd-fraud" if node.frauds else "fd-flagged" if node.alerts else ""
    main = "fd-main" if place.role in ("Payer", "Payee") else ""
    shape = (
        f"<path d='M{place.x:.1f} {place.y - 9:.1f}l10 17h-20z'/>"
        if node.frauds
        else f"<rect x='{place.x - 8:.1f}' y='{place.y - 8:.1f}' width='16' height='16' rx='2'/>"
        if node.alerts
        else f"<circle cx='{place.x:.1f}' cy='{place.y:.1f}' r='{9 if main else 7}'/>"
    )
    label = node.account if len(node.account) <= _NAME else f"{node.account[: _NAME - 1]}…"
    told = f"{place.role} {node.account}: {_figures(node, alert.currency)}{_flag(node)}"
    return (
        f"<g class='fd-node {kind} {main}'><title>{show.text(told)}</title>{shape}"
        f"<text x='{place.x:.1f}' y='{place.y + 21:.1f}' text-anchor='middle'>{show.text(label)}</text></g>"
    )


def _heads(web: Network) -> str:
    heads = []
    if web.payees:
        heads.append((_COLUMNS["payees"], "Payer also pays"))
    if web.payers:
        heads.append((_COLUMNS["payers"], "Also pay the payee"))
    return "".join(f"<text class='fd-tick' x='{x}' y='8' text-anchor='middle'>{label}</text>" for x, label in heads)


def _legend(web: Network) -> str:
    more = []
    if web.more_payees:
        more.append(f"{web.more_payees:,} more accounts paid by the payer")
    if web.more_payers:
        more.append(f"{web.more_payers:,} more that pay the payee")
    told = f" Not shown: {' and '.join(more)}." if more else ""
    return (
        "<span class='fd-key'><i class='fd-key-circle' aria-hidden='true'></i>account</span>"
        "<span class='fd-key'><i class='fd-key-square' aria-hidden='true'></i>had an alert before</span>"
        "<span class='fd-key'><i class='fd-key-triangle' aria-hidden='true'></i>confirmed fraud before</span>"
        f"<span class='fd-soft'>{web.days} days before this payment.{show.text(told)}</span>"
    )


def _table(web: Network, alert: Alert) -> str:
    groups = (
        ("Paid by the payer", web.payees),
        ("Pays the payee", web.payers),
        ("Paid by both", web.shared),
    )
    rows = "".join(
        f"<tr><td>{label}</td><td class='fd-id'>{show.text(node.account)}</td>"
        f"<td class='fd-num'>{node.payments:,}</td><td class='fd-num'>{show.money(node.amount, alert.currency)}</td>"
        f"<td>{_flag(node).lstrip('; ') or show.NONE}</td></tr>"
        for label, nodes in groups
        for node in nodes
    )
    if not rows:
        return ""
    return (
        "<details class='fd-columns'><summary>Linked accounts as a table</summary>"
        "<div class='fd-table-box' tabindex='0' role='region' aria-label='Linked accounts'>"
        "<table class='fd-plain'><thead><tr><th scope='col'>Link</th><th scope='col'>Account</th><th scope='col' "
        "class='fd-num'>Payments</th><th scope='col' class='fd-num'>Amount</th><th scope='col'>Flagged</th></tr>"
        "</thead>"
        f"<tbody>{rows}</tbody></table></div></details>"
    )


def _figures(node: Neighbour, currency: str) -> str:
    if not node.payments:
        return "no payments between them before"
    return f"{node.payments:,} payment{'' if node.payments == 1 else 's'}, {currency} {node.amount:,.2f}"


def _flag(node: Neighbour) -> str:
    if node.frauds:
        return f"; {node.frauds} confirmed as fraud before"
    return f"; {node.alerts} alert{'' if node.alerts == 1 else 's'} before" if node.alerts else ""


def _words(web: Network) -> str:
    return (
        f"{web.payer.account} pays {web.payee.account}. In the {web.days} days before, the payer also paid "
        f"{len(web.payees) + len(web.shared) + web.more_payees} other accounts and the payee was also paid by "
        f"{len(web.payers) + web.more_payers}. {web.flagged} of the accounts shown had an alert before."
    )
