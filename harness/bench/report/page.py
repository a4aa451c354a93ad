"""The report page: one self-contained HTML file that opens without a network.

Benchmarks' names and values are text. The template escapes them, and no tag can end in the JSON data. The page's
security policy permits only its own scripts, by their hashes, and loads nothing.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import math
import shlex
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from harness import __version__
from harness.bench.analysis import statistics
from harness.bench.analysis.changepoints import LEAST_CHANGE, LEAST_STRETCH, SIGNIFICANCE
from harness.bench.report import charts
from harness.bench.report.charts import Chart, History, Table
from harness.bench.results.extra_info import COMPARED, INSTANCE_TYPES
from harness.bench.results.reader import Reading, Result, read_all
from harness.bench.results.series import Series, apart, arrange, in_order, processor
from harness.console import JOINED, cannot_be_written, duration, percent, plural, print_text, printable_text
from harness.errors import ResultsError, SettingsError

_PAGE = files("harness.bench.report") / "assets"
_CLASSES = 10
_MOST_VALUES = 6
_HEATS = 4


class Content(NamedTuple):
    """Benchmark content of a report."""

    latency: list[Chart]
    throughput: list[Chart]
    cost: list[Chart]
    histories: list[History]
    why_no_cost: str
    loads: list[Chart]

    @property
    def charts(self) -> list[Chart]:
        """Every chart, in the order of the page."""
        return [
            *self.latency,
            *self.throughput,
            *self.loads,
            *self.cost,
            *(history.chart for history in self.histories),
        ]


def run_report(
    paths: Sequence[Path], mnist: Path | None, output: Path, figures: Path | None, loads: Sequence[Path] = ()
) -> int:
    """Write the report, print its path, and return the exit code 0.

    Unreadable files and benchmarks are listed on stderr and in the report; the rest is shown.

    :param paths: files of results, or directories of them.
    :param mnist: a directory that ``harness mnist`` wrote.
    :param output: the HTML file.
    :param figures: directory for the charts as PNG and SVG.
    :param loads: directories that ``harness bench endpoint`` wrote.
    :raises ResultsError: no result is readable, or ``mnist`` or one of ``loads`` is not such a directory.
    :raises SettingsError: no results were given, or the report cannot be written.
    """
    if not paths and not loads and mnist is None:
        raise SettingsError(
            "harness report needs results or a report of harness mnist.", fix="name results, or --mnist-report DIR"
        )
    _require_directory(output)
    reading = read_all(paths)
    digits = None if mnist is None else read_mnist(mnist)
    series = in_order(arrange(apart(reading.results, paths)))
    content = contents(series, [read_load(directory) for directory in loads])
    page = render(reading, series, content, digits, datetime.now(timezone.utc))
    _write(output, page)
    lines = [f"{output}: {_counted(series)} in {plural(len(reading.results), 'file')} of results"]
    if figures is not None:
        from harness.bench.report.matplotlib_charts import draw  # noqa: PLC0415 - imports matplotlib, which is slow and rarely needed

        lines += map(str, draw(figures, content.charts))
    print_text("\n".join(lines))
    for problem in reading.problems:
        print_text(f"harness: skipped: {problem}", sys.stderr)
    return 0


def contents(series: Sequence[Series], loads: Sequence[Chart] = ()) -> Content:
    """Return all charts of some series, and those of loads."""
    return Content(
        charts.latency(series),
        charts.throughput(series),
        charts.cost(series),
        charts.histories(series),
        charts.why_no_cost(series),
        list(loads),
    )


def _require_directory(output: Path) -> None:
    """Raise :class:`SettingsError` if the page's directory does not exist: creating it would hide typos."""
    if not output.parent.is_dir():
        raise SettingsError(
            f"--output is {output}, but the directory {output.parent} does not exist.",
            fix=f"create it with 'mkdir -p {shlex.quote(str(output.parent))}', or name a file in an existing directory",
        )


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise cannot_be_written("--output", path, error, "file") from error


# --- the page ---------------------------------------------------------------------------------------------------------


def render(reading: Reading, series: Sequence[Series], content: Content, mnist: MnistRun | None, made: datetime) -> str:
    """Return the page.

    :param made: time of creation in UTC.
    """
    scripts = [_asset(name) for name in ("d3.min.js", "plot.umd.min.js", "page.js")]
    template = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, finalize=_shown).from_string(
        _asset("report.html.j2")
    )
    return template.render(
        made=f"{made.day} {made:%B %Y, %H:%M} UTC",
        maker=f"sagemaker-spark-harness {__version__}",
        origin=_origin(reading.results, series) or "a run of the harness",
        sections=_sections(series, content.loads, mnist),
        problems=[str(problem) for problem in reading.problems],
        **content._asdict(),
        charts=content.charts,
        charts_data=[_drawn(chart) for chart in content.charts],
        packed_runs=[_packed(history.runs) for history in content.histories],
        changes=_changes(content.histories),
        least_runs=LEAST_STRETCH,
        cost_runs=statistics.LEAST_RUNS,
        least_change=f"{LEAST_CHANGE:.0%}".replace("%", f"{JOINED}%"),
        significance=f"{SIGNIFICANCE:.1%}".replace("%", f"{JOINED}%"),
        environment=_environment(reading.results),
        mnist=mnist,
        css=Markup(_asset("page.css")),
        scripts=[Markup(script) for script in scripts],
        script_hashes=Markup(" ".join(_policy_hash(script) for script in scripts)),
        licences="\n".join(_asset(f"LICENSE.{name}") for name in ("plot", "d3")),
        versions=vendored(),
    )


def _shown(value: Any) -> Any:
    """Return a value as the page shows it: text without characters that change its direction."""
    return printable_text(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _asset(name: str) -> str:
    return (_PAGE / name).read_text(encoding="utf-8")


def vendored() -> dict[str, str]:
    """Return the versions of the charting libraries in the page, by package."""
    return {name: entry["version"] for name, entry in json.loads(_asset("vendored.json")).items()}


def _policy_hash(script: str) -> str:
    """Return the hash of a script in the form of a content security policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _drawn(chart: Chart) -> dict[str, Any]:
    """Return the parts of a chart that the page's script needs."""
    return {"kind": chart.kind, "title": chart.title, "summary": chart.summary, "data": chart.data}


def _packed(rows: list[list[Any]]) -> str:
    """Return rows as compressed JSON in base64, so that long tables are parsed only when opened."""
    return base64.b64encode(gzip.compress(json.dumps(rows).encode(), mtime=0)).decode()


def _sections(series: Sequence[Series], loads: Sequence[Chart], mnist: MnistRun | None) -> list[tuple[str, str]]:
    measured = [*(["Latency", "Throughput"] if series else []), *(["Load"] if loads else [])]
    measured += ["Cost", "History"] if series else []
    return [(name.lower(), name) for name in (*measured, *(["Digits"] if mnist else []), "Environment")]


def _origin(results: Sequence[Result], series: Sequence[Series]) -> str:
    """Return a phrase that describes the results."""
    if not series:
        return ""
    known = [run for one in series for run in one.runs if run.result.commit_id]
    dates = [result.date for result in results]
    days = sorted({f"{date.day} {date:%B %Y}": date for date in (min(dates), max(dates))}.items(), key=lambda d: d[1])
    when = " to ".join(day for day, _ in days)
    of = "no known commit"
    if known:
        newest = max(known, key=lambda run: (run.commit_date, run.result.date))
        of = f"{plural(len({run.commit for run in known}), 'commit')} ({newest.commit} is the newest)"
        if unknown := sum(not result.commit_id for result in results):
            of += f", {unknown:,} of the files without one"
    return f"{plural(len(results), 'file')} of results with {_counted(series)} and {of}, measured {when}"


def _counted(series: Sequence[Series]) -> str:
    """Return the number of benchmarks; the settings of one benchmark count once."""
    return plural(len({one.name for one in series}), "benchmark")


def _changes(histories: Iterable[History]) -> Table:
    found = sorted(
        (change for history in histories for change in history.changes),
        key=lambda change: change.date,
        reverse=True,
    )
    rows = [
        [
            change.benchmark,
            f"{change.word}: {percent(change.ratio)}",
            duration(change.before),
            duration(change.after),
            change.commit,
            change.date,
        ]
        for change in found
    ]
    header = ["Benchmark", "Became", "Before", "After", "With commit", "Date"]
    return Table("Changes found, the newest first", header, rows)


# --- environment ------------------------------------------------------------------------------------------------------


def _environment(results: Sequence[Result]) -> Table | None:
    """Return the environment of the benchmarks; a value that varied has its number of files."""
    if not results:
        return None
    seen: dict[str, Counter[str]] = {}
    for result in results:
        for name, value in _facts(result):
            seen.setdefault(name, Counter())[value] += 1
    rows = [[name, _values(values)] for name, values in seen.items()]
    return Table("Environment of the benchmarks", ["Item", "Value"], rows)


def _facts(result: Result) -> Iterable[tuple[str, str]]:
    machine = result.machine
    yield "machine", str(machine.get("node") or "unknown")
    yield "processor", processor(machine)
    yield "system", " ".join(str(machine.get(key) or "") for key in ("system", "release", "machine")).strip()
    yield "pytest-benchmark", result.version
    noted = {
        (name, text)
        for run in result.benchmarks.values()
        for name in COMPARED
        if name not in ("rows", "bytes") and (text := run.recorded(name))
        if name not in INSTANCE_TYPES or run.info.in_aws
    }
    found = {name for name, _ in noted}
    if "python" not in found:
        yield "python", str(machine.get("python_version") or "unknown")
    for name, value in sorted(noted):
        yield name.replace("_", " "), value


def _values(values: Counter[str]) -> str:
    if len(values) == 1:
        return next(iter(values))
    shown = [f"{value} ({plural(count, 'file')})" for value, count in values.most_common(_MOST_VALUES)]
    more = len(values) - _MOST_VALUES
    return "; ".join([*shown, *([f"and {plural(more, 'other')}"] if more > 0 else [])])


# --- load on an endpoint ----------------------------------------------------------------------------------------------


def read_load(directory: Path) -> Chart:
    """Return the chart of a directory that ``harness bench endpoint`` wrote.

    :raises ResultsError: the directory has no readable result.
    """
    try:
        content = json.loads((directory / "load.json").read_text(encoding="utf-8"))
        if content["kind"] != "endpoint load" or content["format"] != 1:
            raise ValueError(f"it is {content['kind']!r} of format {content['format']!r}")
        return charts.load(content)
    except OSError as error:
        why = f"{error.filename}: {error.strerror}"
    except KeyError as error:
        why = f"its load.json has no {error}"
    except (ValueError, TypeError, AttributeError) as error:
        why = f"its load.json is truncated or of another kind: {error}"
    raise ResultsError(
        f"{directory} is not a result of harness bench endpoint: {why}.",
        checked="load.json in it, of format 1",
        fix=f"create one with 'harness bench endpoint --output {directory}'",
    )


# --- the digits -------------------------------------------------------------------------------------------------------


class ConfusionCell(NamedTuple):
    """A cell of the confusion matrix."""

    text: str
    heat: int
    """Color: 0 for a count of 0, else 1 to 4 by order of magnitude."""
    right: bool


class ConfusionRow(NamedTuple):
    """Counts of a digit and the share of correct predictions."""

    cells: list[ConfusionCell]
    right: str


class MnistRun(NamedTuple):
    """Result of ``harness mnist``."""

    figures: Table
    environment: Table
    confusion: list[ConfusionRow]
    summary: str
    digits: str
    """PNG of the digits as a data URL."""
    picture: str
    """PNG of the confusion matrix as a data URL."""


def read_mnist(directory: Path) -> MnistRun:
    """Return the result in a directory that ``harness mnist`` wrote.

    :raises ResultsError: the directory has no complete result.
    """
    try:
        report = json.loads((directory / "report.json").read_text(encoding="utf-8"))
        digits, picture = ((directory / name).read_bytes() for name in ("digits.png", "confusion.png"))
        counts = _counts(report["confusion"])
        shown = [Table("The run", ["What", "Value"], rows) for rows in (_outcome(report), _conditions(report))]
    except OSError as error:
        raise _no_mnist(directory, f"{error.filename}: {error.strerror}") from error
    except KeyError as error:
        raise _no_mnist(directory, f"its report.json has no {error}") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise _no_mnist(directory, f"its report.json is truncated or of another kind: {error}") from error
    ran_on = shown[1]._replace(caption="Environment of harness mnist")
    return MnistRun(shown[0], ran_on, _rows(counts), _worst(counts), _data_url(digits), _data_url(picture))


def _no_mnist(directory: Path, why: str) -> ResultsError:
    return ResultsError(
        f"{directory} is not a report of harness mnist: {why}.",
        checked="report.json, digits.png and confusion.png in it",
        fix=f"create one with 'harness mnist --output {directory}'",
    )


def _counts(confusion: Any) -> list[list[int]]:
    counts = [[int(count) for count in row] for row in confusion]
    if [len(row) for row in counts] != [_CLASSES] * _CLASSES or min(map(min, counts)) < 0:
        raise ValueError(f"its confusion is not {_CLASSES} rows of {_CLASSES} counts")
    return counts


def _outcome(report: dict[str, Any]) -> list[list[str]]:
    trained = report["rows_trained"]
    stages = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in report["stages"].items())
    rows = [
        ["accuracy", f"{report['accuracy']:.4f}"],
        ["rows trained", "unknown" if trained is None else f"{trained:,}"],
        ["rows predicted", f"{report['rows_predicted']:,}, {report['rows_per_second']:,.0f} a second"],
        ["seconds", f"{sum(report['stages'].values()):.1f}: {stages}"],
    ]
    if report["validation_accuracy"] is not None:
        rows.insert(1, ["validation accuracy", f"{report['validation_accuracy']:.4f}"])
    return rows


def _conditions(report: dict[str, Any]) -> list[list[str]]:
    names = ["mode", "region", "spark_master", "endpoint_instance_count"]
    if report["mode"] == "real":
        names += INSTANCE_TYPES
    return [[name.replace("_", " "), str(report[name])] for name in names] + [
        [str(name), str(value)] for name, value in report["versions"].items()
    ]


def _rows(counts: list[list[int]]) -> list[ConfusionRow]:
    highest = max(2, *map(max, counts))
    rows = []
    for true, row in enumerate(counts):
        cells = [
            ConfusionCell(f"{count:,}", _heat(count, highest), true == predicted) for predicted, count in enumerate(row)
        ]
        rows.append(
            ConfusionRow(cells, f"{row[true] / sum(row):.0%}".replace("%", f"{JOINED}%") if sum(row) else "none")
        )
    return rows


def _heat(count: int, highest: int) -> int:
    """Return 1 to 4 by order of magnitude, or 0. A linear scale would hide the mistakes."""
    return 0 if count == 0 else min(_HEATS, 1 + int(_HEATS * math.log(count) / math.log(highest)))


def _worst(counts: list[list[int]]) -> str:
    """Return a sentence on the most frequent mistake."""
    total = sum(map(sum, counts))
    wrong = {(t, p): count for t, row in enumerate(counts) for p, count in enumerate(row) if t != p and count}
    if not wrong:
        return f"All {total:,} digits were predicted correctly."
    (true, predicted), count = max(wrong.items(), key=lambda item: item[1])
    return (
        f"{sum(wrong.values()):,} of {total:,} digits are wrong; the most frequent mistake is {true} predicted as "
        f"{predicted}: {plural(count, 'time')}."
    )


def _data_url(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
