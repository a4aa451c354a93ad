"""The report says what the results say, in charts' data, in tables and in words, and takes no text for code."""

import base64
import gzip
import hashlib
import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files
from xml.etree import ElementTree

import matplotlib.image
import pytest

from harness.bench.analysis.instances import comparisons
from harness.bench.analysis.recommendation import Goal, recommend
from harness.bench.report import charts, matplotlib_charts
from harness.bench.report.page import run_report
from harness.bench.results.series import apart, arrange, in_order
from harness.cli.main import main
from harness.console import JOINED, duration
from harness.errors import ResultsError, SettingsError
from tests.support.samples import MACHINE, MOCK, history, load_report, mnist_report, noisy, on_instances, result, save

PAGE = files("harness.bench.report") / "assets"
EVIL = 'test_x.py::test_</script><script>document.title="run"</script><img src=x onerror=alert(1)>&"\'{{ 7*7 }}'


class Page(HTMLParser):
    """Counts a page's elements, and keeps its data, its text and its tables' cells."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.text, self.data, self.cells, self._inside = [], [], {}, [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._inside.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        while self._inside and self._inside.pop()[0] != tag:
            pass

    def handle_data(self, data):
        tag, attributes = self._inside[-1] if self._inside else ("", {})
        if tag == "script":
            self.data[attributes.get("id")] = data
        elif tag != "style":
            self.text.append(data)
        if tag in ("td", "th"):
            self.cells.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def report(tmp_path):
    """Report on results; return the page."""

    def make(results, mnist=None):
        output = tmp_path / "report.html"
        run_report([save(tmp_path / "results", results)], mnist, output, None)
        return Page(output.read_text(encoding="utf-8"))

    return make


@pytest.fixture(scope="module")
def drawn_once(tmp_path_factory):
    return mnist_report(tmp_path_factory.mktemp("mnist"))


@pytest.fixture
def mnist(tmp_path, drawn_once):
    """A directory that ``harness mnist`` wrote."""
    return shutil.copytree(drawn_once, tmp_path / "mnist")


def one(results):
    [series] = arrange(results)
    return series


# --- arranging --------------------------------------------------------------------------------------------------------


def test_runs_are_sorted_by_commit_date_not_by_date_of_the_run():
    series = one([result(0, {"a": [1.0]}, commit=5), result(1, {"a": [2.0]}, commit=3)])
    assert [run.benchmark.median for run in series.runs] == [2.0, 1.0]
    assert [run.benchmark.median for run in series.newest] == [1.0]


def test_a_run_counts_by_its_median_as_in_comparisons():
    spread = one([result(0, {"a": [1.0, 2.0, 9.0]}, commit=1), result(1, {"a": [4.0]}, commit=1)]).spread
    assert (spread.low, spread.median, spread.high, spread.runs, spread.rounds) == (2.0, 3.0, 4.0, 2, 0)


def test_the_spread_of_a_single_run_is_that_of_its_rounds():
    spread = one([result(0, {"a": [1.0, 2.0, 9.0]})]).spread
    assert (spread.low, spread.median, spread.high, spread.runs, spread.rounds) == (1.0, 2.0, 9.0, 1, 3)


def test_runs_without_a_commit_are_grouped():
    runs = [replace(result(number, {"a": [seconds]}), commit={}) for number, seconds in enumerate([1.0, 3.0])]
    assert one(runs).spread.median == 2.0
    assert charts.latency(arrange(runs))[0].table.rows[0][5] == "unknown"


def test_runs_without_a_commit_have_no_history_and_are_not_counted_as_commits(report):
    runs = [replace(result(number, {"a": [1.0]}), commit={}) for number in range(16)]
    assert charts.histories(arrange(runs)) == []
    text = " ".join(" ".join(report(runs).text).split())
    assert "and no known commit, measured" in text
    assert "16 commits" not in text


def test_files_without_a_commit_are_counted_beside_those_with_one(report):
    runs = [result(0, {"a": [1.0]}), result(1, {"a": [1.0]}), replace(result(2, {"a": [1.0]}), commit={})]
    text = " ".join(" ".join(report(runs).text).split())
    assert "2 commits (000000001 is the newest), 1 of the files without one" in text


def in_directories(root, *directories, commit=None):
    """Return two runs of one benchmark in each directory below ``root``, which exists."""
    (root / "results").mkdir(exist_ok=True)
    runs = [result(number, {"a": [1.0 + number // 2]}) for number in range(2 * len(directories))]
    return [
        replace(run, path=root / "results" / directories[number // 2] / f"{number}.json", commit=commit or {})
        for number, run in enumerate(runs)
    ]


def test_directories_of_runs_without_a_commit_are_kept_apart(tmp_path):
    series = arrange(apart(in_directories(tmp_path, "base", "changed"), [tmp_path / "results"]))
    assert [(one.label, one.spread.median) for one in series] == [
        ("a (base)", 1.0),
        ("a (changed)", 2.0),
    ]


def test_directories_that_were_named_are_kept_apart_even_if_their_commit_is_known(tmp_path):
    runs = in_directories(tmp_path, "base", "changed", commit={"id": "1f" * 20})
    assert len(arrange(apart(runs, [tmp_path / "results"]))) == 1
    for name in ("base", "changed"):
        (tmp_path / "results" / name).mkdir()
    series = arrange(apart(runs, [tmp_path / "results" / name for name in ("base", "changed")]))
    assert [one.label for one in series] == [f"a ({tmp_path}/results/{name})" for name in ("base", "changed")]


def test_a_directory_is_not_named_if_the_setting_says_as_much(tmp_path):
    runs = in_directories(tmp_path, "local-1", "local-2")
    for number, run in enumerate(runs):
        setting = MOCK | {"spark_master": f"local[{1 + number // 2}]"}
        run.benchmarks["a"] = replace(run.benchmarks["a"], extra_info=setting)
    assert [one.label for one in arrange(apart(runs, [tmp_path / "results"]))] == [
        "a (spark master local[1])", "a (spark master local[2])",
    ]  # fmt: skip


def test_parameters_are_shown_by_name():
    [run] = [result(0, {f"t.py::test_x[{size}-dense]": [size] for size in (1, 2)})]
    for size in (1, 2):
        name = f"t.py::test_x[{size}-dense]"
        named = replace(run.benchmarks[name], variant=f"{size}-dense", params={"size": size, "form": "dense"})
        run.benchmarks[name] = named
    [chart] = charts.latency(arrange([run]))
    assert [row["name"] for row in chart.data["rows"]] == ["size=1, form=dense", "size=2, form=dense"]
    assert chart.summary.startswith("size=1, form=dense is lowest")


def test_settings_of_a_benchmark_are_grouped_and_sorted_by_number():
    masters = [f"local[{cores}]" for cores in (10, 2, 1)]
    runs = [
        result(number, {"a": [1.0], "b": [1.0]}, extra_info=MOCK | {"spark_master": master})
        for number, master in enumerate(masters)
    ]
    assert [series.label for series in in_order(arrange(runs))] == [
        f"{name} (spark master local[{cores}])" for name in "ab" for cores in (1, 2, 10)
    ]


def test_instance_types_are_sorted_by_size():
    sizes = ["10xlarge", "large", "2xlarge", "xlarge", "medium"]
    runs = [result(n, {"a": [1.0]}, extra_info={"mode": "real", "endpoint_instance_type": f"ml.c5.{size}"})
            for n, size in enumerate(sizes)]  # fmt: skip
    ordered = [series.setting["endpoint_instance_type"].rpartition(".")[2] for series in in_order(arrange(runs))]
    assert ordered == ["medium", "large", "xlarge", "2xlarge", "10xlarge"]


def test_the_label_of_a_local_result_next_to_those_of_aws_names_no_unknown_instances():
    local, there = {"mode": "mock"}, {"mode": "real", "endpoint_instance_type": "ml.c5.large"}
    runs = [result(n, {"a": [1.0]}, extra_info=noted) for n, noted in enumerate((local, there))]
    labels = {series.label for series in arrange(runs)}
    assert labels == {"a (mode mock)", "a (ml.c5.large, mode real)"}


def test_a_benchmark_on_another_machine_is_another_series():
    other = MACHINE | {"cpu": {"brand_raw": "Made-up 9000", "count": 64}}
    labels = {series.label for series in arrange([result(0, {"a": [1.0]}), result(1, {"a": [1.0]}, machine=other)])}
    assert labels == {"a (processor Made-up 3000, 2 cores)", "a (processor Made-up 9000, 64 cores)"}


def test_a_file_named_twice_counts_once():
    assert len(one([result(0, {"a": [1.0]})] * 2).runs) == 1


def test_the_local_aws_is_never_called_an_instance_type(report):
    page = report([result(0, {"a": [1.0]}), result(1, {"a": [1.0]}, extra_info=MOCK | {"mode": None})])
    assert "ml.m5.large" not in "".join([*page.text, *map(str, page.data.values())])
    assert "is not an instance type" in "".join(page.text)


# --- charts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0124, "12.4 ms"), (1234.5, "1,230 s"), (3.2e-6, "3.20 µs"), (1.0, "1.00 s"), (5e-8, "50.0 ns")],
)
def test_times_have_a_suitable_unit(seconds, text):
    assert duration(seconds) == text.replace(" ", JOINED)


def test_the_latency_chart_has_the_spread_in_its_axis_unit():
    [chart] = charts.latency(arrange([result(0, {"a": [0.1, 0.2, 0.3, 0.4, 0.5]})]))
    [row] = chart.data["rows"]
    assert [row[name] for name in ("low", "q1", "mid", "q3", "high")] == pytest.approx([100, 200, 300, 400, 500])
    assert chart.data["axis"] == "time a round, ms"
    told = [cell.replace(JOINED, " ") for cell in chart.table.rows[0]]
    assert told[:5] == ["a", "300 ms", "200 ms to 400 ms", "100 ms to 500 ms", "5 rounds of 1 run"]


def in_runs(count, **seconds):
    """Return a chart of benchmarks, each with the given times, in some runs of one commit."""
    times = {name: [each] for name, each in seconds.items()}
    runs = [result(n, {name: [s * (1 + 0.01 * n) for s in of] for name, of in times.items()}, 1) for n in range(count)]
    return charts.latency(arrange(runs))[0], charts.throughput(arrange(runs))[0]


def test_with_few_runs_nothing_is_called_the_fastest():
    latency, throughput = in_runs(2, a=0.1, b=0.4)
    assert latency.summary.replace(JOINED, " ") == (
        "a is lowest: 100 ms a round; with 2 runs nothing is certain. The highest is b: 402 ms, 4.00 times that."
    )
    assert throughput.summary == "a is highest: 9,950 rows/s; with 2 runs nothing is certain."
    assert latency.table.rows[0][4] == "2 runs"


def test_a_benchmark_is_called_fastest_only_without_overlap():
    [overlapping, least], [apart, most] = in_runs(8, a=0.1, b=0.105), in_runs(8, a=0.1, b=0.2)
    for chart in (overlapping, least):
        assert "ranges overlap, so it is not certain to be the fastest" in chart.summary
    assert apart.summary.startswith("a is fastest: ")
    assert most.summary.startswith("a does most: ")


def test_rates_are_the_work_of_a_round_by_its_median():
    [chart] = charts.throughput(arrange([result(0, {"a": [0.4, 0.5, 0.6]})]))
    assert chart.data["rows"][0]["value"] == pytest.approx(2000)
    assert chart.table.rows == [["a", "2,000", "4.00", "1,000", "2.00"]]
    assert "by the median" in chart.table.caption
    assert chart.data["axis"] == "rows/s by the median, more is better"


def test_a_benchmark_without_recorded_work_has_no_throughput():
    assert charts.throughput(arrange([result(0, {"a": [1.0]}, extra_info={})])) == []


def test_a_history_reports_the_commit_that_made_it_slower():
    medians = noisy(40)
    medians[25:] *= 1.5
    [found] = charts.histories(arrange(history(medians)))
    [change] = found.changes
    assert (change.commit, change.word) == (f"{25:09x}", "slower")
    assert change.ratio == pytest.approx(1.5, rel=0.05)
    assert [mark["x"] for mark in found.chart.data["changes"]] == [24.5]


def test_a_long_history_is_drawn_as_few_points_that_keep_the_extremes():
    medians = noisy(2000)
    medians[1234] = 7.0
    [found] = charts.histories(arrange(history(medians)))
    points = found.chart.data["points"]
    assert len(points) == charts.MOST_POSITIONS
    assert max(point[2] for point in points) == pytest.approx(7000)
    assert len(found.runs) == 2000


def test_the_front_has_the_options_unbeaten_in_both_cost_and_latency():
    [chart] = charts.cost(arrange(on_instances(8)))
    assert {point["name"] for point in chart.data["points"] if point["front"]} == {"ml.c5.xlarge", "ml.c5.4xlarge"}


def test_the_cost_chart_of_few_runs_claims_no_order():
    [chart] = charts.cost(arrange(on_instances(7)))
    assert not any(point["front"] for point in chart.data["points"])
    assert "is unknown: an interval needs 8 runs" in chart.summary
    assert "Pareto" not in chart.summary


def test_the_cost_of_a_million_predictions_is_the_hours_price_by_the_rows_of_an_hour():
    [chart] = charts.cost(arrange(on_instances()))
    costs = {point["name"]: point["y"] for point in chart.data["points"]}
    assert costs["ml.m5.large"] == pytest.approx(0.115 / 3600 / (1000 / 0.4) * 1e6)
    assert all("made up, 2026-03-01" in row for row in chart.table.rows)


def test_the_cost_chart_has_intervals_if_there_are_enough_runs():
    [few], [enough] = (charts.cost(arrange(on_instances(runs))) for runs in (1, 8))
    assert {(point["x_ends"], point["y_ends"]) for point in few.data["points"]} == {(None, None)}
    assert all(point[f"{axis}_ends"][0] < point[axis] < point[f"{axis}_ends"][1] for point in enough.data["points"]
               for axis in "xy")  # fmt: skip


def test_the_cost_chart_recommends_as_the_command_does():
    [chart] = charts.cost(arrange(on_instances(8)))
    [compared] = comparisons(run for series in arrange(on_instances(8)) for run in series.runs)
    assert chart.summary.startswith(recommend(compared, Goal()).sentence)
    assert "2 of 4 lie on the Pareto front" in chart.summary


def test_a_price_without_source_or_date_is_not_used():
    runs = on_instances()
    for run in runs:
        next(iter(run.benchmarks.values())).extra_info["price"].pop("date")
    assert charts.cost(arrange(runs)) == []


# --- the page ---------------------------------------------------------------------------------------------------------


def test_every_chart_has_its_table(report):
    page = report(history(noisy(12)) + on_instances())
    drawn = json.loads(page.data["charts"])
    assert {chart["kind"] for chart in drawn} == {"ranges", "bars", "history", "front"}
    assert len([div for div in page.all("div") if div.get("class") == "plot"]) == len(drawn)
    assert len(page.all("figure")) == len(drawn) == len(page.all("caption")) - 1  # the environment is a table, no chart


def test_all_runs_are_in_the_page(report):
    page = report(history(noisy(12)))
    runs = json.loads(gzip.decompress(base64.b64decode(page.data["runs-0"])))
    assert [run[0] for run in runs] == [f"{number:09x}" for number in range(12)]


def test_names_with_any_content_are_text(report):
    results = [result(number, {EVIL: [1.0]}, extra_info=MOCK | {"note": EVIL, "mode": EVIL}) for number in range(2)]
    page, harmless = report(results), report(history([1.0, 1.0]))
    assert len(page.all("script")) == len(harmless.all("script"))
    assert page.all("img") == []
    assert EVIL in "".join(page.text)
    assert "{{ 7*7 }}" in json.loads(page.data["charts"])[0]["data"]["rows"][0]["name"]


def test_names_cannot_reverse_text_or_break_a_picture(report, tmp_path):
    odd = "test_x.py::test_$\\odd{$\u202e\x1b"
    results = [result(number, {odd: [1.0]}) for number in range(2)]
    shown = "".join(text for text in report(results).text if "test_$" in text and not text.startswith(("[", "{")))
    assert r"test_$\odd{$\u202e\x1b" in shown
    assert not {"\u202e", "\x1b"} & set(shown)
    drawn = matplotlib_charts.draw(tmp_path / "figures", charts.latency(in_order(arrange(results))))
    assert ElementTree.parse(next(path for path in drawn if path.suffix == ".svg"))


@pytest.mark.slow
def test_nothing_is_loaded_and_only_the_pages_own_scripts_may_run(report, mnist, tmp_path):
    page = report(history(noisy(12)), mnist)
    links = [value for _, attributes in page.elements for name, value in attributes.items() if name in ("src", "href")]
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in links)
    [policy] = [meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    for script in re.findall(r"<script>(.*?)</script>", text, re.DOTALL):
        assert base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy.partition("script-src")[2]


def test_the_digits_and_their_confusion_are_on_the_page(report, mnist):
    page = report(history(noisy(12)), mnist)
    pictures = [base64.b64decode(image["src"].partition(",")[2]) for image in page.all("img")]
    assert pictures == [(mnist / name).read_bytes() for name in ("digits.png", "confusion.png")]
    assert all(image["alt"] for image in page.all("img"))
    assert "most frequent mistake is 4 predicted as 9" in "".join(page.text)


def test_the_environment_lists_values_that_varied(report):
    page = report([result(0, {"a": [1.0]}), result(1, {"a": [1.0]}, machine=MACHINE | {"node": "there"})])
    assert "here (1 file); there (1 file)" in page.cells
    assert "Made-up 3000, 2 cores" in page.cells


def test_a_benchmark_with_several_settings_counts_once(tmp_path, capsys):
    masters = {number: {"spark_master": f"local[{number + 1}]"} for number in range(2)}
    runs = [result(number, {"a": [1.0], "b": [1.0]}, 0, MOCK | master) for number, master in masters.items()]
    run_report([save(tmp_path / "results", runs)], None, tmp_path / "report.html", None)
    assert "report.html: 2 benchmarks in 2 files of results" in capsys.readouterr().out
    text = "".join(Page((tmp_path / "report.html").read_text(encoding="utf-8")).text)
    assert "2 files of results with 2 benchmarks" in text


# --- bad input --------------------------------------------------------------------------------------------------------


def test_a_truncated_file_is_reported_and_hides_nothing(report, tmp_path, capsys):
    directory = save(tmp_path / "results", history(noisy(3)))
    (directory / "cut.json").write_text((directory / "0.json").read_text()[:100])
    page = report([])
    assert "cut.json is cut off after 100 characters" in "".join(page.text)
    assert "cut.json is cut off" in capsys.readouterr().err
    assert "from 3 files of results" in "".join(page.text)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ([], 2, "needs results or a report of harness mnist"),
        (["nowhere"], 4, "nowhere does not exist"),
        (["empty"], 4, "empty holds no results"),
        (["--mnist-report", "empty"], 4, "empty is not a report of harness mnist: empty/report.json: No such file"),
        (["good", "--output", "good"], 2, "--output is good, which cannot be written"),
        (["good", "--output", "gone/x.html"], 2, "--output is gone/x.html, but the directory gone does not exist."),
        (["good", "--figures", "good/0.json"], 2, "--figures is good/0.json, which cannot be written"),
    ],
)
def test_errors_of_a_report_include_the_fix(tmp_path, monkeypatch, capsys, arguments, code, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    save(tmp_path / "good", history([1.0]))
    assert main(["report", *arguments]) == code
    assert told in (error := capsys.readouterr().err)
    assert "to fix:" in error


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: text.replace("confusion", "confused"),
        lambda text: json.dumps(json.loads(text) | {"confusion": [[1, 2], [3, 4]]}),
    ],
    ids=["cut", "list", "no confusion", "small confusion"],
)
def test_a_damaged_report_of_mnist_is_refused(tmp_path, mnist, damage):
    file = mnist / "report.json"
    file.write_text(damage(file.read_text()))
    with pytest.raises(ResultsError, match="is not a report of harness mnist"):
        run_report([], mnist, tmp_path / "report.html", None)
    assert not (tmp_path / "report.html").exists()


def test_a_load_is_shown_with_its_verdict_and_the_limit_of_the_harness(tmp_path):
    run_report([], None, tmp_path / "report.html", None, [load_report(tmp_path / "load")])
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    told = "".join(page.text).replace(JOINED, " ")
    assert "INVALID: it lasted 3.2 s" in told
    assert "can send 2,400 a second" in told
    cells = [cell.replace(JOINED, " ") for cell in page.cells]
    assert cells[:3] == ["Percentile", "Latency", "At 99 % confidence"]
    assert cells[3:] == ["p50", "10.9 ms", "9.10 ms to 12.8 ms", "p99", "59.2 ms", "from 49.6 ms"]


@pytest.mark.parametrize("damage", [{"kind": "other"}, {"format": 2}, {"percentiles": [{}]}, {"percentiles": []}])
def test_a_load_of_another_form_is_refused(tmp_path, damage):
    with pytest.raises(ResultsError, match="is not a result of harness bench endpoint"):
        run_report([], None, tmp_path / "report.html", None, [load_report(tmp_path / "load", **damage)])


def test_digits_alone_make_a_report(tmp_path, mnist):
    run_report([], mnist, tmp_path / "report.html", None)
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert [link["href"] for link in page.all("a")] == ["#main", "#digits", "#environment"]


def test_a_report_that_cannot_be_written_is_a_setting_to_change(tmp_path):
    results = save(tmp_path / "results", history([1.0]))
    with pytest.raises(SettingsError, match="cannot be written"):
        run_report([results], None, tmp_path, None)


# --- pictures, and what is shipped ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_each_chart_has_a_png_and_an_svg(tmp_path, capsys):
    medians = noisy(40)
    medians[25:] *= 1.5
    results = save(tmp_path / "results", history(medians) + on_instances())
    run_report([results], None, tmp_path / "report.html", tmp_path / "figures")
    written = sorted(path.name for path in (tmp_path / "figures").iterdir())
    kinds = ("cost-test-transform", "history-test-transform-dense", "latency-transform", "throughput-transform")
    assert written == [f"{kind}.{form}" for kind in kinds for form in ("png", "svg")]
    assert "slower +5" in (tmp_path / "figures" / "history-test-transform-dense.svg").read_text()
    picture = matplotlib.image.imread(tmp_path / "figures" / "cost-test-transform.png")
    assert picture.std() > 0.05  # something is drawn
    assert str(tmp_path / "figures" / "latency-transform.png") in capsys.readouterr().out


def test_a_picture_shows_all_of_its_text_and_leaves_room_for_the_marks():
    names = [f"test_transform[{'a-long-name-' * 12}{end}] (spark master local[2])" for end in ("dense", "sparse")]
    [chart] = charts.latency(arrange([result(0, {f"x.py::{name}": [1.0] for name in (*names, "test_other")})]))
    figure = matplotlib_charts._figure(chart)
    figure.canvas.draw()
    [axes] = figure.axes
    texts = [*figure.texts, *axes.get_yticklabels(), axes.xaxis.label]
    for text in texts:
        box = text.get_window_extent()
        assert figure.bbox.containsx(box.x0) and figure.bbox.containsx(box.x1), text  # noqa: PT018
        assert figure.bbox.containsy(box.y0) and figure.bbox.containsy(box.y1), text  # noqa: PT018
    assert axes.bbox.width > figure.bbox.width * 0.6
    drawn = "".join(text.get_text() for text in texts).translate({ord(blank): None for blank in " \n"})
    assert all(whole.replace(" ", "") in drawn for whole in (*names, chart.summary))


def test_names_that_look_like_formulas_are_drawn_as_they_are(tmp_path):
    results = save(tmp_path / "results", [result(0, {"x.py::test_$\\frac$": [1.0], "x.py::../../y": [1.0]})])
    run_report([results], None, tmp_path / "report.html", tmp_path / "figures")
    assert "test_$\\frac$" in (tmp_path / "figures" / "latency-transform.svg").read_text()


def test_the_charting_libraries_match_their_recorded_hashes():
    for entry in json.loads((PAGE / "vendored.json").read_text()).values():
        content = (PAGE / entry["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == entry["sha256"]
        assert f"v{entry['version']} Copyright".encode() in content[:100]
        assert b"</script" not in content.lower()
