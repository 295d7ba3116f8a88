"""Page Quality: is the desk still good? Schedules, trends over releases, worst answers, drift, data, labels."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import gradio as gr

from app.desk import Desk
from app.errors import message_of
from app.quality import (
    ANSWERS,
    DRIFT,
    Measured,
    artifact,
    label_maturity,
    measured_runs,
    releases,
    worst_questions,
)
from app.schedules import KINDS, Health, health
from app.ui import format as show
from app.ui.charts import Lane, Panel, Point, Series, timeline
from app.ui.grid import Num, grid
from app.ui.panel import panel

_ANSWER_FIGURES = ("citation_recall", "context_recall_by_id", "refusal_precision", "refusal_recall")
_SHOWN_FIGURES = (
    *_ANSWER_FIGURES,
    "citation_precision",
    "quote_exactness",
    "figure_correctness",
    "answer_similarity",
    "faithfulness",
    "response_relevancy",
    "factual_correctness",
    "latency_p50_seconds",
    "latency_p95_seconds",
)
_MODEL_FIGURES = ("average_precision", "precision_at_budget", "recall_at_budget")
_SCHEDULE_HEADS = ("Measurement", "When (cron, UTC)", Num("Last run"), "Result", Num("Next"))
_TABLE_RUNS = 5
_HEAT_RUNS = 8
_HEAT_COLUMNS = 12
# Population stability index: to .1 stable, to .25 watched, above acted on.
_WATCH, _ACT = 0.1, 0.25
_LEVELS = {0: "stable", 1: "watch", 2: "act"}


class QualityPage:
    """Builds the page and answers its events."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def build(self, tab: gr.Tab) -> None:
        """Lays the page out; it fills when its tab is opened."""
        with gr.Column(elem_classes="fd-pane fd-wide"):
            listed = panel(elem_id="quality-list")
        tab.select(self.listed, None, [listed], show_progress="hidden", api_visibility="private", concurrency_limit=4)

    def listed(self) -> str:
        """The whole page. A part that cannot be had says why; the others stand."""
        uri = self.desk.settings.mlflow_uri
        try:
            answers, drift = measured_runs(uri, ANSWERS), measured_runs(uri, DRIFT)
        except Exception as error:
            return show.empty_state("MLflow does not answer", message_of(error), "frauddesk doctor")
        parts: tuple[Callable[[], str], ...] = (
            self._schedules,
            lambda: self._timeline(answers, drift),
            lambda: self._answers(answers),
            lambda: self._worst(answers),
            lambda: _drift(drift),
            lambda: self._data(drift),
            self._labels,
        )
        return "".join(_guarded(part) for part in parts)

    def _schedules(self) -> str:
        found = health(self.desk.settings, self.desk.store.engine)
        problems: dict[str, list[str]] = {}
        for each in found:
            if each.problem:
                problems.setdefault(each.problem, []).append(KINDS[each.kind])
        alarms = "".join(
            f"<section class='fd-card fd-alarm' role='alert'><strong>{' and '.join(kinds)}: look at the schedule"
            f"</strong><p>{show.sentence(problem.rstrip('.'))}.</p></section>"
            for problem, kinds in problems.items()
        )
        rows = "".join(_schedule_row(each) for each in found)
        return alarms + _card(
            "Schedule",
            grid("Schedule", _SCHEDULE_HEADS, rows),
            "<code>frauddesk schedule</code> runs them at their times; <code>frauddesk schedule --once</code> now.",
        )

    def _timeline(self, answers: list[Measured], drift: list[Measured]) -> str:
        registered = [entry for entry in self.desk.registry.history() if entry.action != "rejected"]
        panels = [
            Panel("Answers: shares with their 95% intervals", _series(answers, _ANSWER_FIGURES), 1.0),
            Panel(
                "Drift: population stability index",
                (_worst_column(drift), *_series(drift, ("score.psi",), {"score.psi": "score"})),
                guides=((_WATCH, "watch"), (_ACT, "act")),
            ),
            Panel(
                "Model: figures of each champion on its validation days",
                tuple(
                    Series(
                        name.replace("_", " "),
                        tuple(
                            Point(entry.at, entry.metrics[name], label=f"version {entry.version}")
                            for entry in registered
                            if name in entry.metrics
                        ),
                    )
                    for name in _MODEL_FIGURES
                ),
                1.0,
            ),
        ]
        panels = [each for each in panels if any(series.points for series in each.series)]
        if not panels:
            return show.empty_state(
                "Nothing was measured yet", "The first measurements fill this page.", "frauddesk schedule --once"
            )
        made = releases(self.desk, answers)
        lanes = [
            Lane(name, tuple((release.at, release.label) for release in made if release.lane == lane))
            for lane, name in (("model", "Champion"), ("assistant", "Assistant"))
        ]
        lanes = [lane for lane in lanes if lane.events]
        return _card("Over time and releases", timeline("Measured quality over time", panels, lanes))

    def _answers(self, runs: list[Measured]) -> str:
        if not runs:
            return _card("Answers", show.empty_state("No answers were measured yet", "Run", "frauddesk eval rag"))
        latest = list(reversed(runs))[:_TABLE_RUNS]
        known = [name for name in _SHOWN_FIGURES if any(name in run.metrics for run in latest)]
        others = sorted(
            name
            for name in latest[0].metrics
            if name not in known and not name.endswith(("_low", "_high", "_failed", "_scored"))
        )
        more = f"<details class='fd-columns'><summary>All figures</summary>{_table(others, latest)}</details>"
        return _card("Answers", _table(known, latest) + more, _compare(self.desk.settings.mlflow_uri, "eval rag"))

    def _worst(self, runs: list[Measured]) -> str:
        if not runs:
            return ""
        worst = worst_questions(self.desk.settings.mlflow_uri, runs[-1])
        if not worst:
            return _card("Worst answers", "<p class='fd-none'>No answer of the latest run fell short.</p>")
        return _card(
            "Worst answers of the latest run",
            f"<div class='fd-worst'>{''.join(map(_question, worst))}</div>",
            f"Run <span class='fd-id'>{show.text(runs[-1].run_id)}</span>; its table has every question.",
        )

    def _data(self, runs: list[Measured]) -> str:
        if not runs:
            return ""
        found = artifact(self.desk.settings.mlflow_uri, runs[-1].run_id, "drift.json") or {}
        checks = found.get("checks", [])
        if not checks:
            words = "<p class='fd-none'>No missing columns, new categories or values out of range.</p>"
        else:
            words = "<ul class='fd-list'>" + "".join(
                f"<li>{_level_tag(check['level'])} <strong>{show.text(check['subject'])}</strong>: "
                f"{show.text(check['message'])}</li>"
                for check in checks
            )
            words += "</ul>"
        return _card("Data checks of the latest window", words)

    def _labels(self) -> str:
        found = label_maturity(self.desk)
        share = found.mature / max(found.payments, 1)
        figures = (
            ("Labels are complete until", f"{show.moment(found.mature_until)} UTC"),
            ("Newest payment", f"{show.moment(found.newest)} UTC"),
            ("Payments whose label delay is over", f"{found.mature:,} of {found.payments:,} ({share:.0%})"),
            ("Alerts decided by analysts", f"{found.decided:,}"),
        )
        rows = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in figures)
        return _card(
            "Label maturity",
            f"<dl class='fd-rows'>{rows}</dl>",
            "Detection is judged only on payments whose label delay is over; figures on later ones are provisional.",
        )


def _guarded(part: Callable[[], str]) -> str:
    try:
        return part()
    except Exception as error:
        return show.empty_state("This part cannot be shown", message_of(error), "frauddesk doctor")


def _card(title: str, body: str, foot: str = "") -> str:
    end = f"<p class='fd-soft'>{foot}</p>" if foot else ""
    return f"<section class='fd-card'><h3>{title}</h3>{body}{end}</section>"


def _schedule_row(each: Health) -> str:
    last = each.last
    result = show.NONE if last is None else f"{show.plain_name(last.state)}: {show.text(last.detail)}"
    if last is not None and last.state == "running":
        result = "Running"
    due = f"{show.moment(each.due)}" if each.due else "not scheduled"
    return (
        f"<tr><th scope='row'>{KINDS[each.kind]}</th><td><code>{show.text(each.cron)}</code></td>"
        f"<td class='fd-num'>{_when(last.started_at if last else None)}</td><td>{result}</td>"
        f"<td class='fd-num'>{due}</td></tr>"
    )


def _when(moment: datetime | None) -> str:
    return show.moment(moment) if moment else "never"


def _series(runs: list[Measured], names: tuple[str, ...], words: dict[str, str] | None = None) -> tuple[Series, ...]:
    return tuple(
        Series(
            (words or {}).get(name, name.replace("_by_id", "").replace("_", " ")),
            tuple(
                Point(run.at, run.metrics[name], run.metrics.get(f"{name}_low"), run.metrics.get(f"{name}_high"))
                for run in runs
                if name in run.metrics
            ),
        )
        for name in names
    )


def _worst_column(runs: list[Measured]) -> Series:
    """The highest index among the columns that a check marked; 0 where it marked none."""
    points = []
    for run in runs:
        marked = {
            name.removeprefix("level."): value
            for name, value in run.metrics.items()
            if name.startswith("level.") and value > 0 and f"psi.{name.removeprefix('level.')}" in run.metrics
        }
        worst = max(marked, key=lambda name: run.metrics[f"psi.{name}"], default="")
        value = run.metrics[f"psi.{worst}"] if worst else 0.0
        points.append(Point(run.at, value, label=worst or "no column marked"))
    return Series("worst marked column", tuple(points))


def _table(names: list[str], runs: list[Measured]) -> str:
    body = "".join(
        f"<tr><th scope='row'>{show.plain_name(name)}</th>"
        + "".join(f"<td class='fd-num'>{_with_interval(run.metrics, name)}</td>" for run in runs)
        + "</tr>"
        for name in names
    )
    return grid("Figures", ("Figure", *(Num(show.moment(run.at)) for run in runs)), body)


def _question(row: dict[str, Any]) -> str:
    trace = row.get("trace_id")
    fields = [
        ("Expected", row.get("reference_answer") or "that the documents do not tell"),
        ("Answered", f"{row.get('response') or 'nothing'} ({row.get('status') or 'failed'})"),
        ("Why it counts as bad", row.get("reasons") or row.get("error")),
        ("Trace in MLflow", trace),
    ]
    told = "".join(f"<dt>{name}</dt><dd>{show.text(value)}</dd>" for name, value in fields if value)
    return (
        f"<details><summary><span class='fd-num'>{row['quality']:.2f}</span><span>{show.text(row['question'])}</span>"
        f"<span class='fd-soft'>{show.plain_name(str(row.get('kind', '')))}</span></summary><dl>{told}</dl></details>"
    )


def _drift(runs: list[Measured]) -> str:
    if not runs:
        return _card("Drift", show.empty_state("No drift check was run yet", "Run", "frauddesk eval drift"))
    shown = list(reversed(runs))[:_HEAT_RUNS]
    latest = shown[0]
    columns = [name.removeprefix("psi.") for name in latest.metrics if name.startswith("psi.")]
    columns.sort(key=lambda name: (-latest.metrics.get(f"level.{name}", 0), -latest.metrics[f"psi.{name}"]))
    rows = "".join(
        f"<tr><th scope='row'>{show.text(name)}</th>"
        + "".join(f"<td class='fd-num'>{_level(run, name)}</td>" for run in shown)
        + "</tr>"
        for name in columns[:_HEAT_COLUMNS]
    )
    verdict = latest.tags.get("verdict", "")
    rest = max(0, len(columns) - _HEAT_COLUMNS)
    return _card(
        f"Drift by column: {_level_tag(verdict)}",
        f"<p class='fd-soft'>{_VERDICTS.get(verdict, '')} Window {show.text(latest.params.get('window', ''))}, model "
        f"version {show.text(latest.params.get('model_version', ''))}.</p>"
        + grid("Drift by column", ("Column", *(Num(show.moment(run.at)) for run in shown)), rows, "fd-heat"),
        "Population stability index; ▲ watch, ■ act: a column is acted on when two windows in a row agree, and judged "
        f"only beyond its own movement by nature. {rest} calmer columns are in the run's report "
        "(<code>drift.html</code> in MLflow).",
    )


_VERDICTS = {
    "stable": "Nothing needs to be done.",
    "watch": "Look at the columns marked; the next window decides whether they call for action.",
    "act": "Find out what changed in the columns marked; mend the data or train a new candidate.",
    "insufficient": "Too few payments to tell; check again with a longer window.",
}


def _level(run: Measured, column: str) -> str:
    value = run.metrics.get(f"psi.{column}")
    if value is None:
        return show.NONE
    level = _LEVELS.get(int(run.metrics.get(f"level.{column}", 0)), "none")
    mark = {"watch": "▲ ", "act": "■ "}.get(level, "")
    hidden = f"<span class='fd-hidden'>{level}</span>" if mark else ""
    return f"<span class='fd-level fd-level-{level}'>{mark}{value:.3f}{hidden}</span>"


def _level_tag(level: str) -> str:
    mark = {"watch": "▲ ", "act": "■ "}.get(level, "")
    return f"<span class='fd-level fd-level-{show.text(level)}'>{mark}{show.plain_name(level)}</span>"


def _compare(uri: str, command: str) -> str:
    place = (
        f"<a href='{show.text(uri)}'>MLflow</a>"
        if uri.startswith(("http://", "https://"))
        else "MLflow (<code>mlflow ui</code>)"
    )
    return f"Again with <code>frauddesk {command}</code>; select runs in {place} and press Compare."


def _with_interval(metrics: dict[str, float], name: str) -> str:
    low, high = metrics.get(f"{name}_low"), metrics.get(f"{name}_high")
    figure = _figure(metrics.get(name))
    if low is None or high is None:
        return figure
    return f"{figure} <span class='fd-soft'>{_figure(low)}–{_figure(high)}</span>"


def _figure(value: float | None) -> str:
    if value is None:
        return show.NONE
    return f"{value:,.0f}" if value == int(value) and abs(value) > 1 else f"{value:.3f}"
