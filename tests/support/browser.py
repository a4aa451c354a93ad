"""A headless Chromium for tests: Debian's, driven by Playwright, without the browser that Playwright would download."""

import shutil
from contextlib import contextmanager

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_QUIET = [
    "--no-sandbox",  # containers run tests as root
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def chromium():
    """Give a browser; skip the test where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is missing: pip install -e .[dev]")
    path = next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        pytest.skip("Chromium is missing: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=_QUIET)
        yield browser
        browser.close()


def opened(page, path):
    """Open a report, wait until its last chart is drawn, and return the page."""
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-drawn]", state="attached")
    return page
