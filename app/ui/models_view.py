"""The Models page as HTML: who is in use, the challenger beside it, what it would change, the history."""

from collections.abc import Sequence
from urllib.parse import quote

from app.access import User
from app.challengers import AlertChange, Moved, Segment, SideBySide
from app.jobs import Job
from app.ui import format as show
from app.ui.grid import Num, grid
from fraud_model.registry import HistoryEntry, ModelVersionInfo

_FIGURES = {
    "average_precision": "Average precision",
    "roc_auc": "ROC AUC",
    "card_precision_at_100": "Card precision@100",
    "precision_at_threshold": "Precision at its threshold",
    "recall_at_threshold": "Recall at its threshold",
    "precision_at_budget": "Precision at the alert budget",
    "recall_at_budget": "Recall at the alert budget",
    "value_caught_share": "Value caught",
    "calibration_error": "Calibration error",
    "base_rate": "Base rate of fraud",
    "alerts_per_day": "Alerts a day",
    "threshold": "Threshold",
}
_SMALLER_IS_BETTER = {"calibration_error"}
_NEUTRAL = {"base_rate", "alerts_per_day", "threshold"}
_LISTED_FIGURES = ("average_precision", "precision_at_budget", "recall_at_budget", "roc_auc")
_BUDGETS = (10, 50, 100)


def versions_view(versions: Sequence[ModelVersionInfo], chosen: str) -> str:
    """Every version; a click puts it beside the champion."""
    names = [name for name in _LISTED_FIGURES if any(name in version.metrics for version in versions)]
    rows = "".join(_version(version, names, version.version == chosen) for version in versions)
    return _card(
        "Versions",
        grid(
            "Versions",
            ("Version", "State", *(Num(_FIGURES[name]) for name in names), "Trained (UTC)", ""),
            rows,
            "fd-versions",
        ),
        "Figures of a version are those of its own validation days; two versions are held against each other below.",
    )


def _version(version: ModelVersionInfo, names: Sequence[str], chosen: bool) -> str:
    champion = version.status == "champion"
    state = (
        "<span class='fd-state fd-state-legitimate'><i aria-hidden='true'>★</i>Champion</span>"
        if champion
        else show.plain_name(version.status)
    )
    figures = "".join(f"<td class='fd-num'>{_figure(version.metrics.get(name))}</td>" for name in names)
    number = show.text(version.version)
    button = (
        ""
        if champion
        else f"<button type='button' class='fd-button' data-compare='{number}' aria-pressed='{str(chosen).lower()}'>"
        f"Compare<span class='fd-hidden'> version {number}</span></button>"
    )
    return (
        f"<tr><th scope='row'>{number}</th><td>{state}</td>{figures}<td>{show.moment(version.created)}</td>"
        f"<td class='fd-num'>{button}</td></tr>"
    )


def compared_view(found: SideBySide, user: User, uri: str) -> str:
    """The challenger beside the champion, and what can be done with it."""
    return (
        _figures(found, uri)
        + _actions(found, user)
        + _budgets(found)
        + (_segments(found.segments, found) if found.segments else "")
    )


def _figures(found: SideBySide, uri: str) -> str:
    champion, challenger = found.champion, found.challenger
    compared = found.standing.compared
    if compared is not None:
        rows = "".join(
            f"<tr><th scope='row'>{show.text(_FIGURES.get(name, name.replace('_', ' ')))}</th>"
            f"<td class='fd-num'>{_figure(pair.get('champion'))}</td>"
            f"<td class='fd-num'>{_figure(pair.get('challenger'))}</td>"
            f"<td class='fd-num'>{_difference(name, pair)}</td></tr>"
            for name, pair in compared.figures.items()
        )
        about = (
            f"{compared.payments:,} labelled payments with {compared.frauds:,} frauds from {show.day(compared.since)} "
            f"to {show.day(compared.until)}, scored by both; differences with 95% intervals."
        )
        if compared.champion_saw_rows:
            about += " The champion was trained on some of them, which favours it."
        first = _table(champion.version, challenger.version, "Difference", rows)
    else:
        first, about = "", "These two were not compared on the same payments yet."
    own = "".join(
        f"<tr><th scope='row'>{label}</th><td class='fd-num'>{_with_interval(champion, name)}</td>"
        f"<td class='fd-num'>{_with_interval(challenger, name)}</td></tr>"
        for name, label in _FIGURES.items()
        if name in champion.metrics or name in challenger.metrics
    )
    return _card(
        f"Version {show.text(challenger.version)} beside champion {show.text(champion.version)}",
        f"{first}<p class='fd-soft'>{about}</p><details class='fd-columns'{'' if first else ' open'}><summary>Each on "
        f"its own validation days</summary>{_table(champion.version, challenger.version, '', own)}</details>",
        _mlflow(found, uri),
    )


def _table(champion: str, challenger: str, last: str, rows: str) -> str:
    heads = ["Figure", Num(f"Champion {champion}"), Num(f"Version {challenger}")]
    return grid("Figures of both versions", [*heads, Num(last)] if last else heads, rows)


def _difference(name: str, pair: "dict[str, float] | object") -> str:
    assert isinstance(pair, dict)
    gain = pair["challenger"] - pair["champion"]
    low, high = pair.get("low"), pair.get("high")
    words = show.effect(gain) if abs(gain) >= 0.005 else f"{gain:+.4f}".replace("-", "−")
    if low is None or high is None or name in _NEUTRAL:
        return words
    better = high < 0 if name in _SMALLER_IS_BETTER else low > 0
    worse = low > 0 if name in _SMALLER_IS_BETTER else high < 0
    tag = (
        "<span class='fd-state fd-state-legitimate'>▲ better</span>"
        if better
        else "<span class='fd-state fd-state-confirmed_fraud'>▼ worse</span>"
        if worse
        else "<span class='fd-state'>within chance</span>"
    )
    return f"{words} <span class='fd-soft'>{low:+.3f} to {high:+.3f}</span> {tag}".replace("-0.000", "0.000")


def _mlflow(found: SideBySide, uri: str) -> str:
    runs = quote(f'["{found.champion.run_id}","{found.challenger.run_id}"]')
    if uri.startswith(("http://", "https://")):
        place = f"{uri.rstrip('/')}/#/compare-runs?runs={runs}"
        return f"<a href='{show.text(place)}' target='_blank' rel='noopener'>Compare both runs in MLflow</a>"
    return (
        f"In MLflow (<code>mlflow ui --backend-store-uri {show.text(uri)}</code>): "
        f"<code>/#/compare-runs?runs={show.text(runs)}</code>"
    )


def _actions(found: SideBySide, user: User) -> str:
    problems = found.standing.problems
    number = show.text(found.challenger.version)
    if found.challenger.status == "rejected":
        return _card("Decision", f"<p>Version {number} was rejected; it cannot be promoted any more.</p>")
    told = (
        "<p>What stands against its promotion:</p><ul class='fd-list'>"
        + "".join(f"<li>{show.sentence(problem)}</li>" for problem in problems)
        + "</ul>"
        if problems
        else "<p>✓ It reached its gates and beats the champion beyond chance.</p>"
    )
    if not user.may("promote"):
        return _card("Decision", f"{told}<p class='fd-soft'>Promoting takes the role lead or engineer.</p>")
    despite = (
        "<label for='model-despite'>Promote although this stands against it, because</label>"
        "<input id='model-despite' name='despite' maxlength='1000' autocomplete='off' "
        "placeholder='Stands in the history beside what was overruled'>"
        if problems
        else ""
    )
    return _card(
        "Decision",
        f"{told}<form class='fd-form fd-model-form' data-version='{number}'><label for='model-reason'>Reason</label>"
        "<input id='model-reason' name='reason' maxlength='1000' autocomplete='off' required "
        f"placeholder='Stands in the history with your name, {show.text(user.name)}'>{despite}<div "
        "class='fd-decide-end'>"
        f"<button type='submit' class='fd-button fd-primary' data-do='promote'>Promote version {number}</button>"
        f"<button type='submit' class='fd-button' data-do='reject'>Reject version {number}</button></div></form>",
    )


def _budgets(found: SideBySide) -> str:
    rows = ""
    for budget in _BUDGETS:
        name = f"precision_at_{budget}_per_day"
        recall = f"recall_at_{budget}_per_day"
        if name in found.champion.metrics or name in found.challenger.metrics:
            rows += (
                f"<tr><th scope='row'>{budget} alerts a day</th>"
                f"<td class='fd-num'>{_bar(found.champion, name)}</td><td class='fd-num'>"
                f"{_bar(found.challenger, name)}</td><td class='fd-num'>{_bar(found.champion, recall)}</td>"
                f"<td class='fd-num'>{_bar(found.challenger, recall)}</td></tr>"
            )
    if not rows:
        return ""
    first, second = found.champion.version, found.challenger.version
    heads = [Num(f"{figure} of {version}") for figure in ("Precision", "Recall") for version in (first, second)]
    return _card(
        "By alert budget",
        grid("By alert budget", ["Budget", *heads], rows, "fd-budgets"),
        "Mean over the days of each version's own validation.",
    )


def _bar(version: ModelVersionInfo, name: str) -> str:
    value = version.metrics.get(name)
    if value is None:
        return show.NONE
    return (
        f"<span class='fd-mini'><b style='width:{min(max(value, 0), 1):.0%}'></b></span>{_with_interval(version, name)}"
    )


def _segments(segments: Sequence[Segment], found: SideBySide) -> str:
    rows = "".join(
        f"<tr><th scope='row'>{_part(each.part)} <span class='fd-soft'>{show.text(each.name)}</span></th>"
        f"<td class='fd-num'>{_whole(each.challenger.get('payments', each.champion.get('payments')))}</td>"
        f"<td class='fd-num'>{_whole(each.challenger.get('frauds', each.champion.get('frauds')))}</td>"
        f"<td class='fd-num'>{_figure(each.champion.get('average_precision'))}</td>"
        f"<td class='fd-num'>{_figure(each.challenger.get('average_precision'))}</td>"
        f"<td class='fd-num'>{_figure(each.champion.get('recall'))}</td>"
        f"<td class='fd-num'>{_figure(each.challenger.get('recall'))}</td></tr>"
        for each in segments
    )
    first, second = found.champion.version, found.challenger.version
    heads = (
        "Payments",
        "Frauds",
        f"Average precision of {first}",
        f"of {second}",
        f"Recall of {first}",
        f"of {second}",
    )
    return _card(
        "By segment",
        grid("By segment", ["Segment", *map(Num, heads)], rows),
        "Each on its own validation days; segments with few frauds move by chance.",
    )


def change_view(found: AlertChange, champion: str, challenger: str, currency: str) -> str:
    """The alerts that would come or go."""
    figures = (
        ("Alerts of both", found.both),
        (f"Only version {challenger}: gained", found.gained_count),
        (f"Only champion {champion}: lost", found.lost_count),
    )
    told = "".join(f"<div><dt>{show.text(name)}</dt><dd class='fd-big'>{value:,}</dd></div>" for name, value in figures)
    return _card(
        "Alerts gained and lost",
        f"<dl class='fd-figures'>{told}</dl>{_moved('Gained', found.gained, currency)}"
        f"{_moved('Lost', found.lost, currency)}",
        f"{found.payments:,} payments from {show.moment(found.since)} to {show.moment(found.until)} UTC, each model at "
        "its own threshold; the largest by expected loss.",
    )


def _moved(title: str, payments: Sequence[Moved], currency: str) -> str:
    if not payments:
        return f"<p class='fd-none'>{title}: none.</p>"
    rows = "".join(
        f"<tr><th scope='row' class='fd-id'>{show.text(each.transaction_id)}</th>"
        f"<td class='fd-num'>{show.money(each.amount, currency)}</td>"
        f"<td class='fd-num'>{show.score(each.champion)}</td>"
        f"<td class='fd-num'>{show.score(each.challenger)}</td><td>{show.text(each.known)}</td></tr>"
        for each in payments
    )
    heads = ("Payment", Num("Amount"), Num("Champion's score"), Num("Challenger's score"), "Label")
    return f"<h4>{title}</h4>{grid(title, heads, rows)}"


def training_view(job: Job | None, user: User) -> str:
    """Training a new candidate: how far it is, or the form that starts it."""
    told = ""
    if job is not None and job.open:
        share = f" value='{job.done}' max='{job.total}'" if job.total else ""
        stop = (
            f"<button type='button' class='fd-button' data-cancel='{show.text(job.id)}'>Stop</button>"
            if user.may("retrain")
            else ""
        )
        return _card(
            "Training",
            f"<div class='fd-progress' role='status'><strong>{show.plain_name(job.stage or job.state)}</strong>"
            f"<progress{share} aria-label='Training'></progress>{stop}</div>",
            f"Asked for by {show.text(job.owner)}, {show.moment(job.created_at)} UTC: {show.text(job.title)}",
        )
    if job is not None and job.state == "failed":
        told = f"<p class='fd-note' role='alert'>The last training failed: {show.text(job.error)}</p>"
    elif job is not None and job.state == "done":
        used = job.result.get("decisions_used", 0)
        told = (
            f"<p>✓ Version {show.text(job.result.get('version'))} was trained {show.moment(job.ended_at)} UTC, with "
            f"{used} {'decision' if used == 1 else 'decisions'} of analysts as labels.</p>"
        )
    if not user.may("retrain"):
        return _card("Training", told or "<p class='fd-none'>Training takes the role engineer.</p>")
    return _card(
        "Training",
        f"{told}<form class='fd-form fd-train-form'><label for='model-train-reason'>Why train now</label><input "
        "id='model-train-reason' name='reason' maxlength='200' autocomplete='off' required placeholder='Such as: a "
        "week of new decisions'><div class='fd-decide-end'><button type='submit' class='fd-button fd-primary' "
        "data-do='retrain'>Train a candidate</button></div></form>",
        "On the working payments with the decisions made since as labels; it serves only once it is promoted.",
    )


def history_view(entries: Sequence[HistoryEntry], user: User) -> str:
    """Every decision, the newest first, and the way back."""
    rows = "".join(
        f"<tr><td class='fd-num'>{show.moment(entry.at)}</td><th scope='row'>"
        f"{_action(entry)}</th><td>{show.text(entry.by)}</td><td>{show.text(entry.reason)}"
        + (
            f" <span class='fd-soft'>Despite: {show.text(entry.overruled)}. {show.text(entry.despite)}</span>"
            if entry.despite
            else ""
        )
        + f"</td><td class='fd-num'>{_figure(entry.metrics.get('average_precision'))}</td></tr>"
        for entry in reversed(entries)
    )
    back = (
        "<form class='fd-form fd-back-form'><label for='model-back-reason'>Go back to the champion before this one, "
        "because</label><input id='model-back-reason' name='reason' maxlength='1000' autocomplete='off' required>"
        "<div class='fd-decide-end'><button type='submit' class='fd-button' data-do='rollback'>Roll back</button></div>"
        "</form>"
        if user.may("promote") and any(entry.replaced for entry in entries)
        else ""
    )
    return _card(
        "History",
        grid("History", (Num("When (UTC)"), "What", "Who", "Why", Num("Average precision")), rows) + back,
    )


def _action(entry: HistoryEntry) -> str:
    if entry.action == "rolled back to":
        return f"Rolled back to version {show.text(entry.version)}"
    return f"Version {show.text(entry.version)} {show.text(entry.action)}"


def _part(part: str) -> str:
    """A segment's name: 100_to_300 is 100 to 300."""
    return show.text(part.replace("_to_", " to "))


def _card(title: str, body: str, foot: str = "") -> str:
    end = f"<p class='fd-soft'>{foot}</p>" if foot else ""
    return f"<section class='fd-card'><h3>{title}</h3>{body}{end}</section>"


def _with_interval(version: ModelVersionInfo, name: str) -> str:
    low, high = version.metrics.get(f"{name}_low"), version.metrics.get(f"{name}_high")
    figure = _figure(version.metrics.get(name))
    return figure if low is None or high is None else f"{figure} <span class='fd-soft'>{low:.3f}–{high:.3f}</span>"


def _figure(value: float | None) -> str:
    if value is None:
        return show.NONE
    return f"{value:,.1f}" if abs(value) > 1.5 else f"{value:.3f}"


def _whole(value: float | None) -> str:
    return show.NONE if value is None else f"{value:,.0f}"
