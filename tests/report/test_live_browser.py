"""The live page in Chromium: it follows a journal that grows, and keeps what the reader has opened and focused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.report import live_server
from harness.report.live_page import live_page
from harness.report.live_server import LivePage, LiveServer
from harness.report.page import waiting_page
from harness.roundtable.runlog.journal import JOURNAL
from tests.report.stories import REJECTIONS, RUN, accepted, write_run
from tests.report.test_browser import axe_violations, browser
from tests.report.test_page import HOSTILE, hostile_verdicts

__all__ = ["browser"]
pytestmark = pytest.mark.slow


class Growing:
    """A run whose journal is written step by step: `grow` writes it up to the verdict of so many kernels."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        write_run(folder / "whole", [accepted(1.0), REJECTIONS[1], accepted(1.1), accepted(1.2)])
        self.lines = (folder / "whole" / RUN / JOURNAL).read_text().splitlines(keepends=True)
        self.run = folder / RUN
        self.run.mkdir()

    def grow(self, kernels: int, *, ended: bool = False) -> None:
        ends = [place for place, line in enumerate(self.lines) if '"judged"' in line]
        upto = len(self.lines) if ended else ends[kernels - 1] + 1
        (self.run / JOURNAL).write_text("".join(self.lines[:upto]))

    def make(self, version: int, running: bool) -> str:
        return live_page(self.run, self.folder, self.folder / "candidates", version, running)


@pytest.fixture
def growing(tmp_path: Path) -> Growing:
    return Growing(tmp_path)


@pytest.fixture
def server(growing: Growing, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveServer]:
    monkeypatch.setattr(live_server, "_LOOK_S", 0.05)
    page = LivePage(growing.run / JOURNAL, growing.make, waiting_page(RUN, "Nothing has happened yet.", -1))
    started = LiveServer(page, lambda: "generation 2 of 4; timing")
    yield started
    started.close()


@pytest.fixture
def shown(browser: Any, server: LiveServer) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1000, "height": 700})
    page = context.new_page()
    page.complaints = []
    page.on("console", lambda message: page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.goto(server.url)
    yield page
    context.close()


def kernels(shown: Any, count: int) -> Any:
    """Waits until the page has this many kernels."""
    found = shown.locator("details.kernel")
    found.nth(count - 1).wait_for(state="attached", timeout=10_000)
    assert found.count() == count
    return found


def test_the_page_follows_the_journal_from_nothing_to_the_end(
    shown: Any, server: LiveServer, growing: Growing
) -> None:
    shown.get_by_text("Nothing has happened yet.").wait_for()
    shown.get_by_text("Live: generation 2 of 4; timing").wait_for()
    growing.grow(1)
    kernels(shown, 1)
    assert shown.get_by_text("the run goes on").is_visible()
    assert "rustc 1.95.0" in shown.locator("#conditions").text_content()
    growing.grow(3)
    kernels(shown, 3)
    assert axe_violations(type("One", (), {"page": shown})) == []
    growing.grow(4, ended=True)
    server.close()
    shown.get_by_text("The run has ended; this is its last page.").wait_for()
    kernels(shown, 4)
    assert shown.get_by_text("ended: finished").is_visible()
    assert not shown.complaints, shown.complaints


def test_what_the_reader_has_opened_sorted_filtered_and_focused_stays(shown: Any, growing: Growing) -> None:
    growing.grow(2)
    kernels(shown, 2).first.locator(":scope > summary").click()
    shown.locator("details.kernel").first.locator("summary", has_text="Source").click()
    shown.locator("#progress-numbers > summary").click()
    head = shown.locator("#progress-numbers th").nth(3)
    head.locator("button").click()
    head.locator("button").click()
    summary = shown.locator("details.kernel").nth(1).locator(":scope > summary")
    summary.focus()
    before = summary.evaluate("one => { scrollBy(0, 60); return one.getBoundingClientRect().top; }")
    growing.grow(3)
    found = kernels(shown, 3)
    opened = shown.locator("details[open]").evaluate_all("found => found.map((one) => one.id)")
    assert opened == ["progress-numbers", "k1-gen-60j0f1-001", "k1-gen-60j0f1-001-source"]
    focused = shown.evaluate("document.activeElement.parentElement.id")
    assert focused == "k2-gen-60j0f1-002"
    after = found.nth(1).locator(":scope > summary").evaluate("one => one.getBoundingClientRect().top")
    assert abs(after - before) < 3, (before, after)
    assert shown.locator("#progress-numbers th").nth(3).get_attribute("aria-sort") == "ascending"
    ratios = shown.locator("#progress-numbers tbody tr td:nth-child(4)").all_text_contents()
    assert [ratio for ratio in ratios if ratio] == ["1.000", "1.100"]

    shown.keyboard.press("/")
    shown.keyboard.type("gen-60j0f1-003")
    growing.grow(4)
    kernels(shown, 4)
    assert shown.locator("input[type=search]").input_value() == "gen-60j0f1-003"
    assert shown.evaluate("document.activeElement.type") == "search"
    assert found.evaluate_all("found => found.map((one) => one.hidden)")[:2] == [True, True]
    shown.keyboard.type("x")
    assert shown.locator("input[type=search]").input_value() == "gen-60j0f1-003x"
    assert not shown.complaints, shown.complaints


def test_a_reader_may_reload_open_it_twice_and_stay_when_the_run_is_gone(
    shown: Any, server: LiveServer, growing: Growing
) -> None:
    growing.grow(1)
    kernels(shown, 1)
    second = shown.context.new_page()
    second.goto(server.url)
    shown.reload()
    growing.grow(3)
    for page in (shown, second):
        kernels(page, 3)
    second.close()
    server._server.streams.clear()
    server._server.cut_connections()
    shown.get_by_text(re.compile("No answer from the run|Live: ")).first.wait_for()
    growing.grow(4)
    kernels(shown, 4)


def test_hostile_text_runs_nothing_when_new_content_is_put_in(
    shown: Any, growing: Growing, tmp_path: Path
) -> None:
    growing.grow(1)
    kernels(shown, 1)
    shown.on("dialog", lambda dialog: shown.complaints.append("a dialog"))
    requests: list[str] = []
    shown.on("request", lambda request: requests.append(request.url))
    text = " ".join(HOSTILE)
    hostile = write_run(tmp_path / "hostile", hostile_verdicts(text), title=text, source=text)
    (growing.run / JOURNAL).write_text((hostile / JOURNAL).read_text())
    kernels(shown, 6)
    shown.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    shown.wait_for_timeout(200)
    assert all(url.startswith(shown.url) for url in requests), requests
    assert not shown.complaints, shown.complaints


def test_text_that_is_being_selected_is_not_taken_away(shown: Any, growing: Growing) -> None:
    growing.grow(1)
    kernels(shown, 1)
    shown.evaluate("getSelection().selectAllChildren(document.querySelector('#result h2'))")
    growing.grow(3)
    shown.wait_for_timeout(400)
    assert shown.evaluate("getSelection().toString()") == "The result"
    assert shown.locator("details.kernel").count() == 1
    shown.evaluate("getSelection().removeAllRanges()")
    kernels(shown, 3)
