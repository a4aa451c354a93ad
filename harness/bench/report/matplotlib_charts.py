"""The report's charts as PNG and SVG files, for use in other documents."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from harness.bench.report.charts import Chart
from harness.console import cannot_be_written, printable_text

_ACCENT, _BAND, _MUTED = "#0b62a8", "#a9cdec", "#50585f"
_COLOURS = {"slower": "#b03a00", "faster": "#00693f"}
_NUMBERS = StrMethodFormatter("{x:,g}")
_MOST_TICKS = 7
_DPI = 150
_WIDTH = 9.6  # inches, of a picture
_MARGIN = 0.1  # inches, left and right of its text
_WIDEST_LABEL = 3.0  # inches
_LINE = 1.35 / 72  # inches, of a line of text of one point
_LONGEST_NAME = 60


def draw(directory: Path, charts: Iterable[Chart]) -> list[Path]:
    """Write each chart as PNG and SVG into a directory, which is created if missing; return the paths.

    :raises SettingsError: the files cannot be written.
    """
    paths: list[Path] = []
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for chart in charts:
            figure = _figure(chart)
            for path in _paths(directory, chart, taken=paths):
                # A $ in a title does not begin a formula, and text stays text, for search and screen readers.
                with mpl.rc_context({"svg.fonttype": "none"}):
                    figure.savefig(path)
                paths.append(path)
    except OSError as error:
        raise cannot_be_written("--figures", directory, error) from error
    return paths


def _paths(directory: Path, chart: Chart, taken: Sequence[Path]) -> list[Path]:
    """Return the paths of a chart's files, with a number if the name is already used."""
    kind = {"ranges": "latency", "bars": "throughput", "front": "cost"}.get(chart.kind, chart.kind)
    plain = re.sub(r"[^a-zA-Z0-9]+", "-", chart.title).strip("-")[:_LONGEST_NAME]
    name, number = f"{kind}-{plain}", 1
    while directory / f"{name}.png" in taken:
        number += 1
        name = f"{kind}-{plain}-{number}"
    return [directory / f"{name}.{form}" for form in ("png", "svg")]


def _figure(chart: Chart) -> Figure:
    """Return a chart below its wrapped title and summary."""
    title, summary = (
        _wrapped(chart.title, 12, _WIDTH - 2 * _MARGIN, "bold"),
        _wrapped(chart.summary, 9, _WIDTH - 2 * _MARGIN),
    )
    title_height, summary_height = _LINE * 12 * len(title), _LINE * 9 * len(summary)
    plot_height = _plot_height(chart)
    height = _MARGIN + title_height + summary_height + plot_height
    figure = Figure(figsize=(_WIDTH, height), dpi=_DPI)
    figure.set_layout_engine("constrained", rect=(0, 0, 1, plot_height / height))
    FigureCanvasAgg(figure)
    text: dict[str, Any] = {"x": _MARGIN / _WIDTH, "va": "top", "parse_math": False, "linespacing": 1.2}
    figure.text(y=1 - _MARGIN / height, s="\n".join(title), fontsize=12, fontweight="bold", **text)
    y = 1 - (_MARGIN + title_height) / height
    figure.text(y=y, s="\n".join(summary), fontsize=9, color=_MUTED, **text)
    axes = figure.add_subplot()
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_axisbelow(True)
    axes.grid(color="#d5dade", axis="both" if chart.kind == "front" else "y" if chart.kind == "history" else "x")
    _DRAWERS[chart.kind](axes, chart.data)
    return figure


def _plot_height(chart: Chart) -> float:
    """Return the height of a chart in inches without its title."""
    labels = [_label(row) for row in chart.data.get("rows", ())]
    return 1.0 + len(labels) * (0.2 + _LINE * 9 * max(map(len, labels))) if labels else 4.4


def _label(row: Mapping[str, Any]) -> list[str]:
    """Return the lines next to a row: its full name, wrapped, and its value."""
    return [*_wrapped(row["name"], 9, _WIDEST_LABEL), row["text"]]


def _wrapped(text: str, size: float, width: float, weight: str = "normal") -> list[str]:
    """Return text as lines of at most ``inches``.

    Lines end at blanks. A longer word is split after a joining character, or else anywhere.
    """
    font = FontProperties(size=size, weight=weight)
    ruler: Any = RendererAgg(1, 1, _DPI)  # type: ignore[no-untyped-call]

    def fits(part: str) -> bool:
        inches: float = ruler.get_text_width_height_descent(part.rstrip(), font, ismath=False)[0] / _DPI
        return inches <= width

    def pieces(word: str) -> Iterator[str]:
        for piece in re.split(r"(?<=[-_/,:.])|(?=\[)", word):
            yield from [piece] if fits(piece) else piece

    lines = [""]
    for word in re.split("(?<= )", printable_text(text)):
        for piece in [word] if fits(word) else pieces(word):
            if lines[-1] and not fits(lines[-1] + piece):
                lines.append("")
            lines[-1] += piece
    return [line.rstrip() for line in lines]


def _rows(axes: Axes, data: dict[str, Any], log: bool) -> None:
    """Name the rows, from the top down, and the axis along which they are drawn."""
    names = ["\n".join(_label(row)) for row in data["rows"]]
    axes.set_yticks(range(len(names)), names, parse_math=False, fontsize=9)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(data["axis"], parse_math=False)
    if log:
        axes.set_xscale("log")
    else:
        axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter(_NUMBERS)


def _ranges(axes: Axes, data: dict[str, Any]) -> None:
    for place, row in enumerate(data["rows"]):
        axes.plot([row["low"], row["high"]], [place] * 2, color=_ACCENT, linewidth=1.2)
        axes.plot([row["q1"], row["q3"]], [place] * 2, color=_BAND, linewidth=8, solid_capstyle="round")
        axes.plot(row["mid"], place, "o", color=_ACCENT)
    _rows(axes, data, log=data["log"])


def _bars(axes: Axes, data: dict[str, Any]) -> None:
    for place, row in enumerate(data["rows"]):
        axes.barh(place, row["value"], color=_BAND, height=0.5)
        axes.plot([row["low"], row["high"]], [place] * 2, color=_ACCENT)
    _rows(axes, data, log=False)


def _history(axes: Axes, data: dict[str, Any]) -> None:
    points, places = data["points"], range(len(data["points"]))
    low, middle, high = ([point[number] for point in points] for number in range(3))
    axes.vlines(places, low, high, color=_BAND, linewidth=3)
    axes.plot(places, middle, "o", color=_ACCENT, markersize=4)
    for level in data["levels"]:
        axes.plot([level["x1"], level["x2"]], [level["y"]] * 2, color="black")
    axes.set_ylim(0, max(high) * 1.2)
    for number, change in enumerate(data["changes"]):
        colour = _COLOURS[change["word"]]
        axes.axvline(change["x"], color=colour, linestyle="--")
        height = max(high) * (1.14 - 0.07 * (number % 2))
        axes.text(change["x"], height, f" {change['word']} {change['text']}", color=colour, fontweight="bold")
    ticks = [int(tick) for tick in MaxNLocator(_MOST_TICKS, integer=True).tick_values(0, len(points) - 1)]
    ticks = [tick for tick in ticks if 0 <= tick < len(points)]
    axes.set_xticks(ticks, [f"{points[tick][3]}\n{points[tick][4]}" for tick in ticks], fontsize=8)
    shared = f"; {data['shared']} share a point" if data["shared"] > 1 else ""
    axes.set_xlabel(f"commits, oldest to newest{shared}")
    axes.set_ylabel(data["axis"], parse_math=False)
    axes.yaxis.set_major_formatter(_NUMBERS)


def _front(axes: Axes, data: dict[str, Any]) -> None:
    points = data["points"]
    best = [point for point in points if point["front"]]
    axes.step([point["x"] for point in best], [point["y"] for point in best], where="post", color=_ACCENT)
    right, top = (max(max([point[axis], *(point[f"{axis}_ends"] or ())]) for point in points) for axis in "xy")
    for point in points:
        _point(axes, point, right, filled=point["front"] or not best)
    axes.set_xlim(0, right * 1.1)
    axes.set_ylim(0, top * 1.15)
    axes.set_xlabel(data["axis"], parse_math=False)
    axes.set_ylabel(data["axis_y"])
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(_NUMBERS)


def _point(axes: Axes, point: dict[str, Any], right: float, *, filled: bool) -> None:
    """Draw an instance option with its intervals and name.

    :param right: the greatest latency.
    :param filled: False for an option that is off the front.
    """
    x, y, is_best = point["x"], point["y"], point["front"]
    if point["x_ends"]:
        axes.plot(point["x_ends"], [y, y], color=_ACCENT, linewidth=1.2)
    if point["y_ends"]:
        axes.plot([x, x], point["y_ends"], color=_ACCENT, linewidth=1.2)
    axes.plot(x, y, "o", color=_ACCENT, markerfacecolor=_ACCENT if filled else "white")
    # Points off the front lie above and to the right of it, so the names go to opposite sides.
    above, leftmost = (-16, 0.2) if is_best else (8, 0.8)
    side, offset = ("right", (-6, above)) if x > right * leftmost else ("left", (6, above))
    axes.annotate(printable_text(point["name"]), (x, y), offset, textcoords="offset points", ha=side, parse_math=False)


_DRAWERS: dict[str, Callable[[Axes, dict[str, Any]], None]] = {
    "ranges": _ranges,
    "bars": _bars,
    "history": _history,
    "front": _front,
}
