"""Time to open a report on 10,000 recorded runs in a headless Chromium, from navigation to drawn charts."""

from datetime import datetime, timezone
from statistics import median

import numpy as np
import pytest

from harness.bench.report.page import contents, render
from harness.bench.results.reader import Reading
from harness.bench.results.series import arrange
from tests.support.browser import chromium, opened
from tests.support.samples import noisy, result

RUNS, ROUNDS = 10_000, 10
NAMES = [f"benchmarks/test_x.py::test_transform[{form}]" for form in ("dense", "sparse")]


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    """A report on that many runs of two benchmarks that became slower, with one commit for each run."""
    slower = np.where(np.arange(RUNS) < 6000, 1, 1.1)
    medians = [noisy(RUNS, seed=number) * slower for number in range(len(NAMES))]
    runs = [result(n, {name: [one[n]] for name, one in zip(NAMES, medians, strict=True)}) for n in range(RUNS)]
    series = arrange(runs)
    path = tmp_path_factory.mktemp("report") / "report.html"
    page = render(Reading(runs, []), series, contents(series), None, datetime.now(timezone.utc))
    path.write_text(page, encoding="utf-8")
    return path


@pytest.mark.benchmark(group="open a report on 10,000 runs")
def test_opening_a_report(benchmark, record_value, page_file):
    marks = []
    with chromium() as browser:

        def visit():
            page = opened(browser.new_page(viewport={"width": 1280, "height": 900}), page_file)
            found = page.evaluate("performance.getEntriesByType('mark').map((mark) => [mark.name, mark.startTime])")
            marks.append(dict(found))
            page.close()

        benchmark.pedantic(visit, rounds=ROUNDS, warmup_rounds=1)
    record_value("first screen drawn, ms", round(median(mark["screen-drawn"] for mark in marks)))
    record_value("all charts drawn, ms", round(median(mark["charts-drawn"] for mark in marks)))
    record_value("page, MB", round(page_file.stat().st_size / 1e6, 2))
