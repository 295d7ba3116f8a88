"""Figures from tools on the page: what they say, marked as figures, then all of them and where they come from."""

import re
from typing import Any

from app.records import Precedent, ReasonRecord
from app.ui import format as show
from app.ui.case_view import precedents_block, reasons_block, state_badge

_NAMES = {
    "payment_score": "Figures from the model",
    "similar_cases": "Figures from closed cases",
    "account_history": "Figures from the payments kept",
    "compare_models": "Figures from MLflow",
    "model_figures": "Figures from MLflow",
    "run_figures": "Figures from MLflow",
    "drift_state": "Figures from the last drift check",
    "queue_figures": "Figures from the queue",
}
_FIRST_FIGURES = 6
# A number, a date, or an amount with its currency.
_FIGURE = re.compile(r"(?:[A-Z]{3} )?[+−-]?\d|–$")


def figure_sentences(body: dict[str, Any]) -> str:
    """What the figures say, each sentence with the mark of a figure."""
    results = body.get("tool_results", ())
    if body.get("told"):
        return _told([(text, "a chat model, checked against the figures below") for text in body["told"]])
    return _told([(text, _NAMES.get(r["tool"], r["tool"])) for r in results for text in r["sentences"]])


def _told(sentences: list[tuple[str, str]]) -> str:
    if not sentences:
        return ""
    marked = "".join(
        f"<span>{show.text(text)}<span class='fd-figure-mark' title='{show.text(origin)}'>"
        f"<i aria-hidden='true'>#</i><span class='fd-hidden'>{show.text(origin)}</span></span></span> "
        for text, origin in sentences
    )
    return f"<p class='fd-sentences fd-figured'>{marked}</p>"


def figure_cards(body: dict[str, Any]) -> str:
    """A card for each tool that gave figures."""
    case = body.get("case")
    return "".join(_card(result, case) for result in body.get("tool_results", ()) if not result.get("problem"))


def _card(result: dict[str, Any], case: dict[str, Any] | None) -> str:
    name = _NAMES.get(result["tool"], result["tool"])
    mine = case if result["tool"] == "payment_score" and case is not None else None
    inner = _case(mine) if mine is not None else _figures(result["figures"][:_FIRST_FIGURES]) + _table(result)
    state = state_badge(mine["state"]) if mine is not None and mine["state"] else ""
    return (
        f"<section class='fd-tools' aria-label='{show.text(name)}'><header>"
        f"<span class='fd-tag fd-tag-figure'><i aria-hidden='true'>#</i>{show.text(name)}</span>"
        f"<span class='fd-tools-title'>{show.text(result['title'])}</span>{state}</header>{inner}"
        f"<p class='fd-soft fd-tools-source'>{show.text(result['source'])}{_links(result['links'])}</p></section>"
    )


def _figures(figures: list[dict[str, Any]]) -> str:
    shown = "".join(
        f"<div><dt>{show.sentence(figure['label'])}</dt><dd>{show.text(figure['text'])}</dd></div>"
        for figure in figures
    )
    return f"<dl class='fd-figures'>{shown}</dl>" if shown else ""


def _table(result: dict[str, Any]) -> str:
    more = _figures(result["figures"][_FIRST_FIGURES:])
    table = result.get("table")
    if not table:
        return f"<details class='fd-tools-table'><summary>All figures</summary>{more}</details>" if more else ""
    numeric = [
        all(_is_figure(row[place]) for row in table["rows"]) if table["rows"] else False
        for place in range(len(table["columns"]))
    ]
    head = "".join(
        f"<th scope='col'{_right(numeric[place])}>{show.sentence(column)}</th>"
        for place, column in enumerate(table["columns"])
    )
    rows = "".join(
        "<tr>"
        + "".join(
            f"<th scope='row'>{show.sentence(cell)}</th>"
            if place == 0
            else f"<td{_right(numeric[place])}>{show.text(cell)}</td>"
            for place, cell in enumerate(row)
        )
        + "</tr>"
        for row in table["rows"]
    )
    return (
        f"<details class='fd-tools-table'><summary>All figures</summary>{more}<div class='fd-table-box' tabindex='0'>"
        f"<table class='fd-plain'><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></details>"
    )


def _right(numeric: bool) -> str:
    return " class='fd-num'" if numeric else ""


def _is_figure(cell: str) -> bool:
    return bool(_FIGURE.match(cell))


def _links(links: list[dict[str, str]]) -> str:
    shown = [
        f"<a class='fd-link' href='{show.text(link['href'])}' target='_blank' rel='noopener'>{show.text(link['label'])}"
        "</a>"
        if link["href"].startswith(("http://", "https://"))
        else f"<span class='fd-id'>{show.text(link['label'])}</span>"
        for link in links
    ]
    return "".join(f" · {link}" for link in shown)


def _case(case: dict[str, Any]) -> str:
    over = case["probability"] >= case["threshold"]
    reasons = [ReasonRecord(**reason) for reason in case["reasons"]]
    near = [Precedent(**_precedent(item)) for item in case["precedents"]]
    return (
        "<dl class='fd-figures'>"
        f"<div><dt>Score</dt><dd class='fd-big'>{show.score(case['probability'])}</dd></div>"
        f"<div><dt>Threshold</dt><dd>{show.score(case['threshold'])} {'reached' if over else 'not reached'}</dd></div>"
        f"<div><dt>Amount</dt><dd>{show.money(case['amount'], case['currency'])}</dd></div>"
        f"<div><dt>Model</dt><dd>version {show.text(case['model_version'])}, "
        f"{show.text(case['origin'])}</dd></div></dl>"
        f"{reasons_block(reasons)}{precedents_block(near) if near else ''}"
    )


def _precedent(item: dict[str, Any]) -> dict[str, Any]:
    """The fields of a stored precedent that this version knows; lists as the tuples that they were."""
    known = {name: value for name, value in item.items() if name in Precedent.__dataclass_fields__}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in known.items()}
