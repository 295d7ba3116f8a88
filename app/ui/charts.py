"""Small charts as SVG of our own: crisp in both themes, readable without colour, nothing to download.

Each series has its own mark and its name at its end; the figures stand in a table beside, for screen readers too.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from app.ui import format as show

_WIDTH, _LEFT, _RIGHT, _TOP = 1180.0, 46.0, 190.0, 10.0
_LANE = 22.0
_AXIS = 24.0
_LEAST_SPAN = timedelta(hours=1)
_LABEL_GAP = 15.0
_MARKS = ("circle", "square", "diamond", "triangle")


@dataclass(frozen=True)
class Point:
    """A value at a time (UTC), with its interval where one is known."""

    at: datetime
    value: float
    low: float | None = None
    high: float | None = None
    label: str = ""


@dataclass(frozen=True)
class Series:
    """A named line."""

    name: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Panel:
    """One chart of a timeline.

    Attributes:
        title: Above it.
        series: At most four lines.
        top: Upper end of the axis; the largest value where None.
        guides: Values that mean something, with their words.
    """

    title: str
    series: tuple[Series, ...]
    top: float | None = None
    guides: tuple[tuple[float, str], ...] = ()
    height: float = 132.0


@dataclass(frozen=True)
class Lane:
    """A row of events below the charts."""

    title: str
    events: tuple[tuple[datetime, str], ...] = field(default=())


def timeline(title: str, panels: Sequence[Panel], lanes: Sequence[Lane] = ()) -> str:
    """Charts above each other over one time axis, with rows of events; an SVG.

    Args:
        title: What it shows, for screen readers.
        panels: The charts, top to bottom; at least one with a point.
        lanes: Rows of events; each is also a thin line through the charts.
    """
    moments = [point.at for panel in panels for series in panel.series for point in series.points]
    moments += [at for lane in lanes for at, _ in lane.events]
    first, last = min(moments), max(moments)
    if last - first < _LEAST_SPAN:
        middle = first + (last - first) / 2
        first, last = middle - _LEAST_SPAN / 2, middle + _LEAST_SPAN / 2
    scale = _Scale(first, last)
    parts: list[str] = []
    y = 0.0
    for panel in panels:
        parts.append(_panel(panel, scale, y))
        y += panel.height + 34
    charts_end = y - 10
    parts.append(_axis(scale, charts_end))
    y = charts_end + _AXIS + 4
    for lane in lanes:
        parts.append(_lane(lane, scale, y, charts_end))
        y += _LANE
    height = y + 4
    return (
        f"<svg class='fd-chart' viewBox='0 0 {_WIDTH:.0f} {height:.0f}' role='img' aria-label='{show.text(title)}'>"
        f"<title>{show.text(title)}</title>{''.join(parts)}</svg>"
    )


@dataclass(frozen=True)
class _Scale:
    first: datetime
    last: datetime

    def x(self, at: datetime) -> float:
        share = (at - self.first) / (self.last - self.first)
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def _panel(panel: Panel, scale: _Scale, y: float) -> str:
    values = [point.high or point.value for series in panel.series for point in series.points]
    top = panel.top or max([*values, *(value * 1.4 for value, _ in panel.guides), 1e-9]) * 1.08
    floor, ceiling = y + 22 + panel.height, y + 22 + _TOP

    def height_of(value: float) -> float:
        return floor - (floor - ceiling) * min(max(value / top, 0.0), 1.0)

    parts = [f"<text class='fd-chart-title' x='0' y='{y + 13:.1f}'>{show.text(panel.title)}</text>"]
    end = _WIDTH - _RIGHT
    for value in (0.0, top / 2, top):
        at = height_of(value)
        parts.append(f"<line class='fd-chart-grid' x1='{_LEFT}' x2='{end}' y1='{at:.1f}' y2='{at:.1f}'/>")
        parts.append(f"<text class='fd-chart-tick' x='{_LEFT - 8}' y='{at + 4:.1f}'>{value:.2f}</text>")
    for value, words in panel.guides:
        at = height_of(value)
        parts.append(f"<line class='fd-chart-guide' x1='{_LEFT}' x2='{end}' y1='{at:.1f}' y2='{at:.1f}'/>")
        parts.append(f"<text class='fd-chart-guide-text' x='{_LEFT + 4}' y='{at - 4:.1f}'>{show.text(words)}</text>")
    ends: list[tuple[float, int, Series]] = []
    for number, series in enumerate(panel.series):
        if series.points:
            parts.append(_line(series, number, scale, height_of))
            ends.append((height_of(series.points[-1].value), number, series))
    parts += _names(ends, ceiling, floor)
    return "".join(parts)


def _line(series: Series, number: int, scale: _Scale, height_of: Callable[[float], float]) -> str:
    places = [(scale.x(point.at), height_of(point.value), point) for point in series.points]
    path = " ".join(f"{'M' if i == 0 else 'L'}{x:.1f} {y:.1f}" for i, (x, y, _) in enumerate(places))
    parts = [f"<g class='fd-series fd-series-{number % 4}'><path d='{path}'/>"]
    for x, y, point in places:
        if point.low is not None and point.high is not None:
            low, high = height_of(point.low), height_of(point.high)
            parts.append(f"<line class='fd-chart-interval' x1='{x:.1f}' x2='{x:.1f}' y1='{low:.1f}' y2='{high:.1f}'/>")
        words = f"{series.name} {point.value:.3f}, {show.moment(point.at)}" + (
            f", {point.label}" if point.label else ""
        )
        parts.append(_mark(number, x, y, words))
    return "".join(parts) + "</g>"


def _mark(number: int, x: float, y: float, words: str) -> str:
    title = f"<title>{show.text(words)}</title>"
    kind = _MARKS[number % 4]
    if kind == "circle":
        return f"<circle cx='{x:.1f}' cy='{y:.1f}' r='3.6'>{title}</circle>"
    if kind == "square":
        return f"<rect x='{x - 3.3:.1f}' y='{y - 3.3:.1f}' width='6.6' height='6.6'>{title}</rect>"
    if kind == "diamond":
        corners = f"{x:.1f},{y - 4.6:.1f} {x + 4.6:.1f},{y:.1f} {x:.1f},{y + 4.6:.1f} {x - 4.6:.1f},{y:.1f}"
    else:
        corners = f"{x:.1f},{y - 4.4:.1f} {x + 4.4:.1f},{y + 3.4:.1f} {x - 4.4:.1f},{y + 3.4:.1f}"
    return f"<polygon points='{corners}'>{title}</polygon>"


def _names(ends: list[tuple[float, int, Series]], ceiling: float, floor: float) -> list[str]:
    """The names of the lines at their ends, pushed apart where they would overlap."""
    parts = []
    below = ceiling - _LABEL_GAP
    room = [floor - _LABEL_GAP * (len(ends) - 1 - place) for place in range(len(ends))]
    for place, (y, number, series) in enumerate(sorted(ends, key=lambda end: end[0])):
        at = min(max(y, below + _LABEL_GAP), room[place])
        below = at
        x = _WIDTH - _RIGHT + 14
        last = series.points[-1].value
        parts.append(
            f"<g class='fd-series fd-series-{number % 4}'>{_mark(number, x, at, series.name)}</g>"
            f"<text class='fd-chart-name' x='{x + 10:.1f}' y='{at + 4:.1f}'>{show.text(series.name)}"
            f"<tspan class='fd-chart-last'> {last:.2f}</tspan></text>"
        )
    return parts


def _axis(scale: _Scale, y: float) -> str:
    parts = []
    for step in range(5):
        at = scale.first + (scale.last - scale.first) * (step / 4)
        words = show.moment(at.astimezone(UTC)) if scale.last - scale.first < timedelta(days=4) else show.day(at)
        anchor = ("start", "middle", "middle", "middle", "end")[step]
        parts.append(
            f"<text class='fd-chart-time' x='{scale.x(at):.1f}' y='{y + 12:.1f}' text-anchor='{anchor}'>{words}</text>"
        )
    return "".join(parts)


def _lane(lane: Lane, scale: _Scale, y: float, charts_end: float) -> str:
    parts = [
        f"<line class='fd-chart-grid' x1='{_LEFT}' x2='{_WIDTH - _RIGHT}' y1='{y + 11:.1f}' y2='{y + 11:.1f}'/>",
        f"<text class='fd-chart-name' x='{_WIDTH - _RIGHT + 14}' y='{y + 15:.1f}'>{show.text(lane.title)}</text>",
    ]
    free = -1.0
    for at, words in lane.events:
        x = scale.x(at)
        parts.append(f"<line class='fd-chart-event' x1='{x:.1f}' x2='{x:.1f}' y1='22' y2='{charts_end - 14:.1f}'/>")
        parts.append(
            _mark(2, x, y + 11, f"{words}, {show.moment(at)}").replace("<polygon", "<polygon class='fd-event'")
        )
        # Text about as wide as it will be drawn; what has no room keeps its mark and its tooltip.
        width = 6.4 * len(words)
        if x > free and x + 10 + width < _WIDTH - _RIGHT:
            parts.append(f"<text class='fd-chart-tag' x='{x + 8:.1f}' y='{y + 15:.1f}'>{show.text(words)}</text>")
            free = x + 14 + width
    return "".join(parts)
