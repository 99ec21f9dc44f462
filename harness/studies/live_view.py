"""Whether a browser that follows a run changes its ratios: paired timings with and without the page of --live open.

    python -m harness.studies.live_view [--rounds 30] [--run RUN] [--results results]

Every round times the first kernel of this machine against BLAS once per condition, in a random order: twice without a
page, with the page open as --live serves it, and with the page open while the server makes a new page at every event,
as it would if it did not wait for the clock. The journal of a real run grows before and, in the last condition, during
each timing. Writes live-view.json and live-view.md. Needs Chromium and the package playwright (extra `dev`).
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from harness import machine as machines
from harness.caches import default_cache
from harness.clock.pairs import Plan, Samples
from harness.clock.session import ClockSession
from harness.durable import write_whole
from harness.errors import HarnessFaultError, UserError
from harness.judge.worker.calls import Program
from harness.pipeline import SharedTools
from harness.places import ROOT
from harness.report.live_page import live_page
from harness.report.live_server import LivePage, LiveServer
from harness.report.page import waiting_page
from harness.report.run_story import find_runs
from harness.report.screenshots import chromium
from harness.roundtable.runlog.journal import JOURNAL
from harness.settings import Settings
from harness.studies import duels

SUITE = "128,512"
BUDGET_S = 3.0
# Seconds between two events of the journal in the condition that makes pages during a timing.
EVENT_S = 1.0
CLOSED, AGAIN, OPEN, UNGUARDED = (
    "no page", "no page, again", "page open", "page open, pages made while timing",
)  # fmt: skip
CONDITIONS = (CLOSED, AGAIN, OPEN, UNGUARDED)


class GrowingRun:
    """A copy of a real run whose journal grows event by event, from its first kernels to its end and again."""

    def __init__(self, run: Path, folder: Path) -> None:
        self._lines = (run / JOURNAL).read_text(encoding="utf-8").splitlines(keepends=True)
        self.folder = folder / run.name
        shutil.copytree(run, self.folder)
        self._shown = 0

    def grow(self) -> None:
        """Write one more event."""
        first = len(self._lines) // 2
        self._shown = self._shown + 1 if first <= self._shown < len(self._lines) else first
        write_whole(self.folder / JOURNAL, "".join(self._lines[: self._shown]))

    @contextmanager
    def growing(self) -> Iterator[None]:
        """Grow every second within the block."""
        ended = threading.Event()

        def run() -> None:
            while not ended.wait(EVENT_S):
                self.grow()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


@contextmanager
def watched(url: str) -> Iterator[None]:
    """A headless Chromium shows the page of this address within the block. Raises UserError without one."""
    with chromium() as browser:
        browser.new_page().goto(url)
        yield


def served(run: GrowingRun, results: Path, is_timing: Callable[[], bool]) -> LiveServer:
    """The live view of the run, as an evolution serves it."""

    def make(version: int, running: bool) -> str:
        return live_page(run.folder, results, results / "candidates", version, running)

    waiting = waiting_page(run.folder.name, "Nothing has happened yet.", -1)
    return LiveServer(LivePage(run.folder / JOURNAL, make, waiting, is_timing), lambda: "timing")


def ratio(session: ClockSession, program: Program) -> float:
    """The ratio to BLAS over the suite, timed once as the clock does."""
    with session.alone(1):
        samples = session.race(Plan(session.suite, BUDGET_S), program, 1)
    if not isinstance(samples, Samples):
        raise HarnessFaultError("the kernel cannot be timed")
    return float(samples.mean(np.random.default_rng(session.seed())).ratio)


def measured(
    condition: str, session: ClockSession, program: Program, run: GrowingRun, results: Path
) -> float:
    """The ratio under one condition."""
    run.grow()
    if condition in (CLOSED, AGAIN):
        return ratio(session, program)
    guarded = condition == OPEN
    server = served(run, results, (lambda: session.is_timing) if guarded else (lambda: False))
    try:
        with watched(server.url), nullcontext() if guarded else run.growing():
            run.grow()
            return ratio(session, program)
    finally:
        server.close()


def summary(ratios: Mapping[str, Sequence[float]]) -> dict[str, dict[str, float]]:
    """For each condition but the first, by how many percent the ratio differs from that without a page: the mean over
    rounds, its 95 % interval (bootstrap) and the standard deviation of one round.

    The conditions with a page are compared with the mean of the two without.
    """
    rng = np.random.default_rng(1)
    logs = {condition: np.log(np.asarray(found)) for condition, found in ratios.items()}
    without = (logs[CLOSED] + logs[AGAIN]) / 2
    found = {}
    for condition in (AGAIN, OPEN, UNGUARDED):
        change = 100 * (logs[condition] - (logs[CLOSED] if condition == AGAIN else without))
        means = change[rng.integers(0, len(change), (4000, len(change)))].mean(axis=1)
        low, high = np.quantile(means, [0.025, 0.975])
        found[condition] = {
            "change_percent": float(change.mean()),
            "low": float(low),
            "high": float(high),
            "spread_percent": float(change.std(ddof=1)) if len(change) > 1 else math.nan,
        }
    return found


def table(record: dict[str, Any]) -> str:
    """The record as Markdown."""
    lines = [
        "# Does an open page change the ratios?",
        "",
        f"The first kernel of this machine against {record['baseline']} at {record['suite']}, one thread, on "
        f"{record['machine']['cpu']}, {record['machine']['cores']} cores, {record['measured']}; {record['rounds']} "
        f"rounds, {BUDGET_S:g} s for each ratio, load average at the end {record['load_average']}.",
        "",
        "Each round times all conditions in a random order. *Change* is the mean difference of the ratio from the same "
        "round without a page, with its 95 % interval; the first row shows what equal conditions give. In the last "
        f"row the server makes a page at every event, one per {EVENT_S:g} s; --live waits for the clock instead. "
        "Written by `python -m harness.studies.live_view`.",
        "",
        "| condition | median ratio | change | 95 % interval | spread of a round |",
        "|---|---|---|---|---|",
    ]
    for condition, found in summary(record["ratios"]).items():
        median = float(np.median(record["ratios"][condition]))
        lines.append(
            f"| {condition} | {median:.3f} | {found['change_percent']:+.2f} % | "
            f"[{found['low']:+.2f}, {found['high']:+.2f}] % | {found['spread_percent']:.2f} % |"
        )
    return "\n".join(lines) + "\n"


def gather(rounds: int, run: GrowingRun, results: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Time every condition `rounds` times; raises UserError without a browser, before anything is timed."""
    settings = Settings(ROOT, default_cache(), results, memory="", suite=SUITE, clock_budget_s=BUDGET_S)
    shared = SharedTools(settings, say)
    run.grow()
    server = served(run, results, lambda: False)
    try:
        with watched(server.url):
            say("the page opens in Chromium")
    finally:
        server.close()
    program = duels.judged("kernel", duels.kernels()["kernel"], shared).as_rival().program
    session, order = shared.clock, np.random.default_rng(2)
    ratios: dict[str, list[float]] = {condition: [] for condition in CONDITIONS}
    for number in range(1, rounds + 1):
        for place in order.permutation(len(CONDITIONS)):
            condition = CONDITIONS[place]
            ratios[condition].append(measured(condition, session, program, run, results))
        say(f"{number}/{rounds}: " + ", ".join(f"{name} {found[-1]:.3f}" for name, found in ratios.items()))
    return {"baseline": str(session.baseline), "ratios": ratios}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write both files, about 25 s per round; returns 0, or 2 after one line on stderr."""
    parser = argparse.ArgumentParser(
        prog="python -m harness.studies.live_view", description="Measure whether an open page changes ratios."
    )
    parser.add_argument("--rounds", type=int, default=30, help="rounds of all conditions (default: 30)")
    parser.add_argument("--run", help="the run whose journal the page shows (default: the newest)")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder (default: results)")
    chosen = parser.parse_args(arguments)
    local = chosen.results / "local"
    try:
        (run,) = find_runs([chosen.run] if chosen.run else [], local)
        with tempfile.TemporaryDirectory() as folder:
            found = gather(chosen.rounds, GrowingRun(run, Path(folder)), local, print)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    record = {
        "measured": time.strftime("%Y-%m-%d"),
        "suite": SUITE,
        "rounds": chosen.rounds,
        "machine": machines.read().as_record(),
        "load_average": round(_load_average(), 2),
    } | found
    write_whole(chosen.results / "live-view.json", json.dumps(record, indent=1) + "\n")
    write_whole(chosen.results / "live-view.md", table(record))
    print(table(record))
    return 0


def _load_average() -> float:
    import os

    return os.getloadavg()[0]


if __name__ == "__main__":
    sys.exit(main())
