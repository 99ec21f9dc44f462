"""The page in a real browser: Chromium without a network, in light and dark, wide and narrow, by keyboard alone.

Needs the packages of the extra `dev` and a Chromium (Debian: apt install chromium). Without them the tests are skipped,
except in CI.
"""

from __future__ import annotations

import os
import re
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.report.page import page
from harness.report.screenshots import README_SIZE, WIDTHS, pictures
from tests.report.stories import REJECTIONS, accepted, forty, story_of, write_run
from tests.report.test_page import HOSTILE, hostile_verdicts

pytestmark = pytest.mark.slow

# Elements that a keyboard must reach, as far as they are visible.
REACHABLE = "a[href], button, input, summary, [tabindex='0']"
VISIBLE = (
    f"""() => [...document.querySelectorAll("{REACHABLE}")].filter((one) => one.checkVisibility()).length"""
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        program = None
    if program is None:
        told = "no Chromium or no playwright: apt install chromium, pip install '.[dev]'"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(told)
    with sync_playwright() as driver:
        # A container has no user namespaces for Chromium's own sandbox, and this page is ours.
        started = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield started
        started.close()


class Shown:
    """A page in a context of its own, with everything that it asked for or complained about."""

    def __init__(self, browser: Any, path: Path, **context: Any) -> None:
        self.context = browser.new_context(
            offline=True, **({"viewport": {"width": 1280, "height": 800}} | context)
        )
        self.page = self.context.new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append("a dialog"))
        self.page.goto(path.as_uri())

    def is_quiet(self) -> bool:
        return len(self.requests) == 1 and not self.complaints


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    write_run(folder, [accepted(0.9)], run="old")
    story = story_of(
        folder, [accepted(1.0), accepted(1.1), *REJECTIONS, None], source="fn x() {}" * 40 + "\n"
    )
    path = folder / "report.html"
    path.write_text(page(story), encoding="utf-8")
    return path


def axe_violations(shown: Shown) -> list[str]:
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(shown.page).response["violations"]
    return [f"{one['id']}: {node['html'][:120]}" for one in found for node in one["nodes"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_is_quiet_fits_the_screen_and_is_accessible(
    browser: Any, html: Path, scheme: str, width: int
) -> None:
    narrow = {"is_mobile": True} if width == 360 else {}
    shown = Shown(browser, html, color_scheme=scheme, viewport={"width": width, "height": 740}, **narrow)
    measured = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    assert shown.page.evaluate(measured) == [width, width]
    assert axe_violations(shown) == []
    shown.page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert shown.page.evaluate(measured) == [width, width]
    assert axe_violations(shown) == []
    assert shown.is_quiet(), (shown.requests, shown.complaints)
    shown.context.close()


def test_pictures_are_made_at_the_size_of_a_phone_and_of_a_desktop(
    browser: Any, html: Path, tmp_path: Path
) -> None:
    folder = Path(os.environ.get("ROUNDTABLE_SCREENSHOTS") or tmp_path / "pictures")
    files = pictures(browser, html, folder, WIDTHS)
    sizes = {path.name: struct.unpack(">II", path.read_bytes()[16:24]) for path in files}
    assert sizes["page-light.png"] == sizes["page-dark.png"] == README_SIZE
    for width in WIDTHS:
        for scheme in ("light", "dark"):
            wide, high = sizes[f"page-{width}-{scheme}.png"]
            assert wide == width
            assert high > 3000, "the whole page"
    assert (folder / "page-light.png").read_bytes() != (folder / "page-dark.png").read_bytes()


def test_a_keyboard_reaches_everything_and_opens_a_kernel(browser: Any, html: Path) -> None:
    shown = Shown(browser, html)
    number = shown.page.evaluate(VISIBLE)
    reached = set()
    for _ in range(number):
        shown.page.keyboard.press("Tab")
        reached.add(
            shown.page.evaluate(
                f'[...document.querySelectorAll("{REACHABLE}")].indexOf(document.activeElement)'
            )
        )
    assert number > 20
    assert len(reached - {-1}) == number
    kernels = shown.page.locator("details.kernel")
    shown.page.locator("h1").click()
    for key in ("j", "j", "k", "j", "Enter"):
        shown.page.keyboard.press(key)
    opened = kernels.evaluate_all("found => found.map((one) => one.open)")
    assert [place for place, is_open in enumerate(opened) if is_open] == [1]
    difference = kernels.nth(1).locator("details.difference")
    for is_open in (True, False):
        shown.page.keyboard.press("d")
        assert difference.evaluate("one => one.open") is is_open
        assert difference.evaluate("one => one.contains(document.activeElement)")
    shown.page.keyboard.press("/")
    shown.page.keyboard.type("panick")
    visible = kernels.evaluate_all("found => found.filter((one) => !one.hidden).length")
    assert visible == 1
    assert shown.is_quiet(), (shown.requests, shown.complaints)
    shown.context.close()


def test_tables_sort_by_the_numbers_in_them_and_marks_open_their_kernel(browser: Any, html: Path) -> None:
    shown = Shown(browser, html)
    shown.page.locator("#progress summary").click()
    head = shown.page.get_by_role("columnheader", name="ratio", exact=True)
    column = "rows => rows.map((row) => row.cells[3].textContent)"
    for expected in (["1.100", "1.000"], ["", ""]):
        head.locator("button").click()
        assert shown.page.locator("#progress tbody tr").evaluate_all(column)[:2] == expected
    shown.page.locator("#progress .mark").nth(1).click()
    assert shown.page.locator("details.kernel").nth(1).get_attribute("open") is not None
    shown.page.locator("#heat a").first.click()
    assert "#k2-" in shown.page.url
    assert shown.is_quiet(), (shown.requests, shown.complaints)
    shown.context.close()


def test_every_mark_of_every_chart_opens_the_kernel_that_it_names(browser: Any, html: Path) -> None:
    shown = Shown(browser, html)
    seen = 0
    for chart in ("progress", "bars", "genealogy", "roofline", "schedule-map"):
        marks = shown.page.locator(f"#{chart} .mark[data-to]")
        assert marks.count() > 0, chart
        for place in range(marks.count()):
            mark = marks.nth(place)
            target, name = mark.get_attribute("data-to"), mark.locator("title").first.text_content()
            shown.page.evaluate(
                "document.querySelectorAll('details').forEach((one) => { one.open = false; })"
            )
            mark.dispatch_event("click")
            opened = shown.page.locator("details.kernel[open]")
            assert opened.count() == 1
            assert opened.get_attribute("id") == target
            assert name is not None
            assert re.split("[: ]", name)[0] in (opened.locator("summary").first.text_content() or "")
            seen += 1
    assert seen > 30
    assert shown.is_quiet(), (shown.requests, shown.complaints)
    shown.context.close()


def test_without_scripts_everything_is_there_and_it_prints(browser: Any, html: Path) -> None:
    shown = Shown(browser, html, java_script_enabled=False)
    snapshot = shown.page.locator("main").aria_snapshot()
    assert 'heading "The result"' in snapshot
    assert 'img "ratio to BLAS of 8 kernels in the order judged"' in snapshot
    assert shown.page.locator("details.kernel").count() == 8
    assert shown.page.locator("button, input").count() == 0, "no control that does nothing"
    shown.page.locator("details.kernel summary").first.click()
    assert shown.page.get_by_text("pytest candidates/gen-60j0f1-001").last.is_visible()
    assert len(shown.page.pdf()) > 10_000
    assert shown.is_quiet(), (shown.requests, shown.complaints)
    shown.context.close()


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_runs_nothing_in_the_browser(browser: Any, text: str, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(
        page(story_of(tmp_path, hostile_verdicts(text), title=text, source=text)), encoding="utf-8"
    )
    shown = Shown(browser, path)
    shown.page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert shown.page.locator("details.kernel").count() == 6
    assert shown.is_quiet(), (shown.requests, shown.complaints)
    shown.context.close()


def test_the_policy_stops_a_script_that_escaping_let_through(
    browser: Any, html: Path, tmp_path: Path
) -> None:
    path = tmp_path / "leaky.html"
    leak = "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>"
    path.write_text(html.read_text(encoding="utf-8").replace("<main>", f"<main>{leak}"), encoding="utf-8")
    shown = Shown(browser, path)
    assert shown.page.title() != "run"
    assert len(shown.complaints) >= 2, "the browser reports what the policy stopped"
    shown.context.close()


def test_a_thousand_kernels_open_within_seconds(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(page(story_of(tmp_path, forty() * 25, source="let x = 1;\n" * 600)), encoding="utf-8")
    assert path.stat().st_size < 6_000_000
    shown = Shown(browser, path)
    took_ms = shown.page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
    assert took_ms < 10_000
    assert shown.page.locator("details.kernel").count() == 1000
    shown.context.close()
