"""The report page in a real browser: it draws, loads nothing, and is read on a telephone, in the dark and unseen."""

from itertools import combinations

import pytest

from harness.bench.report.page import run_report
from harness.waiting import wait_until
from tests.support.browser import chromium, opened
from tests.support.samples import MOCK, history, load_report, mnist_report, noisy, on_instances, result, save

WIDTHS = (360, 1280)
SCHEMES = ("light", "dark")
LONG = "benchmarks/test_x.py::test_transform[a-name-that-is-far-too-long-for-a-telephone-to-show-on-one-line]"
EVIL = "x.py::test_</script><script>document.title='run'</script><img src=x onerror=\"document.title='run'\">"


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A report with every kind of chart: a history with two changes, long names, a load, instances, digits."""
    directory = tmp_path_factory.mktemp("report")
    medians = noisy(300)
    medians[100:] *= 1.2
    medians[110:] *= 0.6
    runs = [result(1000 + n, {LONG: noisy(20, 1.9, 0.1, n), "b.py::test_b": noisy(9, 0.02, 0.1)}) for n in range(2)]
    save(directory / "results", history(medians) + runs + on_instances(runs=8))
    page, loads = directory / "report.html", [load_report(directory / "load")]
    run_report([directory / "results"], mnist_report(directory / "mnist"), page, None, loads)
    return page


@pytest.fixture
def visit(browser, path):
    """Open the report, or another page, as a browser with some properties; return the page."""
    contexts = []

    def visit(width=1280, page=path, **properties):
        contexts.append(browser.new_context(viewport={"width": width, "height": 800}, offline=True, **properties))
        return opened(contexts[-1].new_page(), page)

    yield visit
    for context in contexts:
        context.close()


def open_all(page):
    """Open everything that can be opened."""
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    for details in page.locator("details[data-runs]").all():
        details.locator("table").wait_for()


def test_every_chart_is_drawn_and_says_in_words_what_it_shows(visit):
    charts = visit().locator(".plot svg")
    assert charts.count() == 7  # latency, throughput, load, cost, and three histories
    for chart in charts.all():
        assert chart.get_attribute("role") == "img"
        assert len(chart.get_attribute("aria-label")) > 40
        assert chart.locator("circle, line, rect, path").count() > 5


@pytest.mark.parametrize("unit", ["ms", "rows/s", "US dollars", "commits"])
def test_axes_have_their_units(visit, unit):
    assert visit().locator(".plot svg text", has_text=unit).count() > 0


def test_the_changes_of_a_history_are_in_its_chart(visit):
    texts = visit().locator(".plot svg text").all_text_contents()
    assert [text.split()[0] for text in texts if text.startswith(("slower", "faster"))] == ["slower", "faster"]


def test_the_page_asks_the_network_for_nothing_and_logs_no_complaint(browser, path):
    page, asked, said = browser.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    open_all(opened(page, path))
    page.set_viewport_size({"width": 500, "height": 800})
    page.wait_for_timeout(500)
    page.close()
    assert {url for url in asked if not url.startswith("data:")} == {path.as_uri()}
    assert said == []


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_no_accessibility_violation(visit, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = visit(width, color_scheme=scheme)
    open_all(page)
    found = axe.run(page).response
    assert [f"{one['id']}: {node['html'][:200]}" for one in found["violations"] for node in one["nodes"]] == []
    assert "color-contrast" in {one["id"] for one in found["passes"]}


CONTRAST = """() => {
  const light = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = light(getComputedStyle(document.querySelector("figure")).backgroundColor);
  return [...document.querySelectorAll(".plot svg text")].map((text) => {
    const own = light(getComputedStyle(text).fill);
    return (Math.max(own, ground) + 0.05) / (Math.min(own, ground) + 0.05);
  });
}"""


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_text_of_charts_has_enough_contrast(visit, scheme):
    assert min(visit(color_scheme=scheme).evaluate(CONTRAST)) >= 4.5  # axe does not check pictures


def test_the_dark_page_is_dark(visit):
    grounds = [
        visit(color_scheme=scheme).evaluate("getComputedStyle(document.body).backgroundColor") for scheme in SCHEMES
    ]
    assert grounds == ["rgb(255, 255, 255)", "rgb(20, 24, 28)"]


@pytest.mark.parametrize("width", [320, *WIDTHS])
def test_no_content_scrolls_sideways(visit, width):
    page = visit(width)
    open_all(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


TEXTS = """() => [...document.querySelectorAll(".plot svg")].map((svg) =>
  [...svg.querySelectorAll("text")].filter((text) => text.textContent).map((text) => {
    const { left, right, top, bottom } = text.getBoundingClientRect();
    return { left, right, top, bottom, text: text.textContent };
  }))"""


def overlap(one, two):
    return (
        min(one["right"], two["right"]) - max(one["left"], two["left"]) > 1
        and min(one["bottom"], two["bottom"]) - max(one["top"], two["top"]) > 3
    )


@pytest.mark.parametrize("width", WIDTHS)
def test_no_label_is_cut_off_or_covers_another(visit, width):
    charts = visit(width).evaluate(TEXTS)
    assert [text["text"] for chart in charts for text in chart if text["left"] < 0 or text["right"] > width] == []
    covered = [
        (one["text"], two["text"]) for chart in charts for one, two in combinations(chart, 2) if overlap(one, two)
    ]
    assert covered == []


@pytest.mark.parametrize("width", [360, 400])
def test_names_are_complete_on_a_phone(visit, width):
    shown = ["".join(text["text"] for text in chart) for chart in visit(width).evaluate(TEXTS)]
    name = LONG.rpartition("::")[2]
    assert sum(name in chart for chart in shown) == 2  # latency and throughput
    assert not any("…" in chart for chart in shown)


def test_the_keyboard_reaches_the_results_and_opens_a_table(visit):
    page = visit()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the results"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "As a table: transform"
    page.keyboard.press("Enter")
    assert page.locator("caption", has_text="Time a round: transform").is_visible()


def test_every_run_is_in_a_table_that_grows_on_request(visit):
    page = visit()
    page.locator("summary", has_text="All runs of test_transform[dense]").click()
    table = page.locator("table", has_text="All 300 runs, the newest commit first")
    table.wait_for()
    rows = table.locator("tbody tr")
    assert (rows.count(), rows.first.locator("th").inner_text()) == (200, f"{299:09x}")
    page.get_by_role("button", name="Show 100 more").click()
    assert rows.count() == 300
    assert rows.last.locator("th").inner_text() == f"{0:09x}"


def test_motion_is_reduced_on_request(visit):
    how = [
        visit(reduced_motion=wish).evaluate("getComputedStyle(document.documentElement).scrollBehavior")
        for wish in ("reduce", "no-preference")
    ]
    assert how == ["auto", "smooth"]


def test_a_rotated_phone_gets_charts_of_its_new_width(visit):
    page = visit(360)
    page.set_viewport_size({"width": 740, "height": 360})
    drawn = "document.querySelector('.plot svg').getBoundingClientRect().width"
    wait_until(lambda: page.evaluate(drawn) > 500, "the chart to be drawn again")


def test_code_in_a_name_does_not_run(visit, tmp_path):
    runs = [result(number, {EVIL: noisy(3)}, extra_info=MOCK | {"note": EVIL}) for number in range(3)]
    run_report([save(tmp_path / "results", runs)], None, tmp_path / "report.html", None)
    page = visit(page=tmp_path / "report.html")
    open_all(page)
    assert page.title().startswith("Benchmark report")
    assert page.locator("img").count() == 0
    assert EVIL.partition("::")[2] in page.locator("h3").all_inner_texts()


def test_without_javascript_the_tables_remain(browser, path):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(path.as_uri())
    page.locator("summary", has_text="As a table: transform").first.click()
    assert page.locator("caption", has_text="Time a round: transform").is_visible()
    context.close()


def test_the_time_of_drawing_is_marked_for_measurements(visit):
    drawn = dict(visit().evaluate("performance.getEntriesByType('mark').map((mark) => [mark.name, mark.startTime])"))
    assert 0 < drawn["screen-drawn"] < drawn["charts-drawn"]
