"""Makes a measured table of schedules: `python -m harness.studies.schedule_table --rows 1500`.

Half of the schedules are drawn at random from the search space, half are a few steps away from a fast one, and
every tenth reading times an earlier schedule again, from which the noise floor follows. The judge examines one
schedule of each register tile and one of each way to pack, up to its last gate before the clock. Other schedules of
a tile and packing that have passed differ from those in sizes, unrolling and prefetching; the clock verifies every
output that it times, as ever.

Writes schedule-table.jsonl, one line as soon as it is measured. The next call goes on where this one ended, also
after a kill. The table is an offline environment for minds: it never enters the memory, and no leaderboard reads
it.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness.caches import default_cache
from harness.candidate import Candidate, Manifest
from harness.clock.pairs import Plan, Samples
from harness.durable import JsonLines
from harness.errors import HarnessFaultError, UserError
from harness.judge.worker.calls import Abi, Program
from harness.minds.measured_table import (
    MeasuredTable,
    Reading,
    TableSession,
    path_line,
    read_table,
    reading_line,
    session_line,
)
from harness.pipeline import Inspection, SharedTools
from harness.places import ROOT
from harness.roundtable.schedule_adapter import ScheduleAdapter
from harness.schedule.model import Schedule
from harness.schedule.render import render
from harness.schedule.space import Space
from harness.settings import Settings
from harness.verdict import Gate, HarnessError, Inconclusive, Rejection
from harness.verdict import name as verdict_name

FILE = "schedule-table.jsonl"
# Shapes that are timed, in groups that a comparison can leave out: squares, thin products, layers of a network.
SUITES = {
    "default": ("64x64x64", "128x128x128", "256x256x256", "512x512x512", "1024x1024x1024"),
    "skinny": ("8x1024x1024", "1024x8x1024", "1024x1024x8"),
    "linear": ("64x768x768", "768x64x768", "64x3072x768"),
}
# Process pairs per reading, and the seconds after which no further pair begins.
_PROCESSES, _BUDGET_S = 2, 8.0
# Every so many readings, a schedule is timed again.
_AGAIN_EVERY = 10
# Share of the fastest schedules from which steps are made, and the most knobs that change in one.
_FAST_SHARE, _MOST_STEPS = 0.1, 3
# Share of the first lane; the other lanes take turns for the rest.
_FIRST_LANE_SHARE = 0.75
_TRIES = 1000


def code_paths(schedule: Schedule) -> tuple[str, str]:
    """The names of its two code paths: the register tile's, and the packing's, of one family and vector unit."""
    of = f"{schedule.family} {schedule.isa}"
    return f"{of} tile {schedule.tile}", f"{of} packing {schedule.pack_a}, {schedule.pack_b}"


class Sampler:
    """Chooses schedules; the same seed and the same table give the same choice."""

    def __init__(self, lanes: Sequence[Space], seed: int) -> None:
        self._lanes = tuple(lanes)
        self._seed = seed

    def next(self, table: Sequence[Reading], ahead: Sequence[tuple[Schedule, str]]) -> tuple[Schedule, str]:
        """The next schedule to time and its origin, after the readings of this machine and those `ahead`.

        Raises UserError when every schedule of the space was timed.
        """
        number = len(table) + len(ahead)
        rng = random.Random(f"{self._seed}/{number}")
        known = {reading.key for reading in table} | {schedule.key() for schedule, _ in ahead}
        if number % _AGAIN_EVERY == _AGAIN_EVERY - 1 and (earlier := self._once_read(table, ahead)):
            return rng.choice(earlier), "again"
        lane = self._lane(rng)
        fast = _fast(table, lane)
        for _ in range(_TRIES):
            near = bool(fast) and number % 2 == 1
            schedule = _step(lane, rng.choice(fast), rng) if near else _random(lane, rng)
            if schedule is not None and schedule.key() not in known:
                return schedule, "near" if near else "random"
        raise UserError(f"every schedule of {lane.base.family} {lane.base.isa} in reach was timed already")

    def _once_read(self, table: Sequence[Reading], ahead: Sequence[tuple[Schedule, str]]) -> list[Schedule]:
        taken = [reading.key for reading in table] + [schedule.key() for schedule, _ in ahead]
        return [one.schedule for one in table if one.accepted and taken.count(one.key) == 1]

    def _lane(self, rng: random.Random) -> Space:
        if len(self._lanes) == 1 or rng.random() < _FIRST_LANE_SHARE:
            return self._lanes[0]
        return rng.choice(self._lanes[1:])


def _random(lane: Space, rng: random.Random) -> Schedule | None:
    return lane.built({knob.name: rng.choice(knob.choices) for knob in lane.knobs})


def _step(lane: Space, start: Schedule, rng: random.Random) -> Schedule | None:
    """A schedule that differs from `start` in one to three knobs."""
    changed = rng.sample(lane.knobs, rng.randint(1, min(_MOST_STEPS, len(lane.knobs))))
    return lane.built(lane.choices_of(start) | {knob.name: rng.choice(knob.choices) for knob in changed})


def _fast(table: Sequence[Reading], lane: Space) -> list[Schedule]:
    """The fastest tenth of a lane by the geometric mean over all shapes, at least one where there are readings."""
    own = [one for one in table if one.accepted and one.schedule.family == lane.base.family]
    own.sort(key=lambda one: sum(map(math.log, one.ratios)), reverse=True)
    return [one.schedule for one in own[: math.ceil(_FAST_SHARE * len(own))]]


class TableMaker:
    """Judges and times schedules, and appends what it finds to the table's file."""

    def __init__(
        self, path: Path, settings: Settings, say: Callable[[str], None], busy: bool = False
    ) -> None:
        """`busy` records readings also when most pairs of a schedule were disturbed."""
        self.path, self.say, self.busy = path, say, busy
        self.shared = SharedTools(settings, say)
        self.shared.make_ready("in nothing that is kept")
        every = ScheduleAdapter(self.shared.machine, 1, self.shared.clock.suite).lanes()
        lanes = [lane for lane in every if not lane.region]
        assert settings.seed is not None
        self.sampler = Sampler(lanes, settings.seed)
        self.table = read_table(path) if path.exists() else MeasuredTable((), {}, ())
        self.paths = dict(self.table.paths)
        self.lines = JsonLines(path)
        self.session = self._session()
        same = {one.number for one in self.table.sessions if one.fingerprint == self.session.fingerprint}
        self.readings = [one for one in self.table.readings if one.session in {*same, self.session.number}]

    def _session(self) -> TableSession:
        """The newest session if nothing has changed since, else a new one."""
        machine, shared = self.shared.machine, self.shared
        last = self.table.sessions[-1] if self.table.sessions else None
        fresh = TableSession(
            last.number + 1 if last else 1,
            machine.as_record(),
            machine.machine_class,
            shared.tools.toolchain.fingerprint,
            str(shared.clock.baseline),
            SUITES,
        )
        if last is not None and session_line(last) | {"session": 0} == session_line(fresh) | {"session": 0}:
            return last
        self.lines.append(session_line(fresh))
        return fresh

    def block(self, count: int) -> None:
        """Choose, judge, compile and time `count` schedules; the clock is held once for all of them."""
        chosen: list[tuple[Schedule, str]] = []
        while len(chosen) < count:
            chosen.append(self.sampler.next(self.readings, chosen))
        allowed = [(schedule, origin) for schedule, origin in chosen if self._is_correct(schedule, origin)]
        with ThreadPoolExecutor(len(self.shared.machine.cores)) as pool:
            programs = list(pool.map(self._compiled, [schedule for schedule, _ in allowed]))
        with self.shared.clock.alone(1):
            for (schedule, origin), program in zip(allowed, programs, strict=True):
                try:
                    self._record(schedule, origin, *self._timed(program))
                except HarnessFaultError as fault:
                    self.say(f"{schedule.key()}: {fault}; left out")

    def _is_correct(self, schedule: Schedule, origin: str) -> bool:
        """Whether the schedule's code paths passed the judge; judges it in full when one has not."""
        unproved = [path for path in code_paths(schedule) if self.paths.get(path) != "passed"]
        if not unproved:
            return True
        began_s = time.monotonic()
        refused = self._judged(schedule)
        if refused is not None:
            # On an overloaded machine, an honest kernel may seem not to end; what counts is what is found twice.
            first, refused = verdict_name(refused), self._judged(schedule)
            if isinstance(refused, HarnessError | Inconclusive) or (
                refused is not None and verdict_name(refused) != first
            ):
                self.say(f"{schedule.key()}: {first}, then {verdict_name(refused)}; left out")
                return False
        verdict = "passed" if refused is None else verdict_name(refused)
        for path in unproved:
            self.paths[path] = verdict
            self.lines.append(path_line(path, schedule.key(), verdict))
        self.say(f"judged {', '.join(unproved)}: {verdict} ({time.monotonic() - began_s:.0f} s)")
        if refused is not None:
            self._record(schedule, origin, (), verdict)
        return refused is None

    def _judged(self, schedule: Schedule) -> Rejection | None:
        manifest = Manifest(threads=1, tier=schedule.tier)
        candidate = Candidate(schedule.key(), self.path.parent, render(schedule, "a row", ""), manifest)
        inspection = Inspection(candidate, self.shared)
        inspection.through(Gate.CONDUCT)
        return inspection.rejection

    def _compiled(self, schedule: Schedule) -> Program | None:
        from harness.compile import rustc

        built = rustc.compile_kernel(render(schedule, "a row", ""), schedule.tier, self.shared.tools)
        if not isinstance(built, rustc.CompiledKernel):
            return None
        return Program(built.path, built.symbol, Abi.KERNEL)

    def _timed(self, program: Program | None) -> tuple[tuple[float, ...], str]:
        """The ratio of each shape and "accepted", or no ratios and the name of the verdict."""
        if program is None:
            return (), "CompileError"
        clock = self.shared.clock
        plan = Plan(clock.suite, _BUDGET_S, min_processes=_PROCESSES, max_processes=_PROCESSES)
        samples = clock.race(plan, program, 1)
        if not isinstance(samples, Samples):
            return (), verdict_name(samples)
        if samples.mostly_disturbed and not self.busy:
            raise HarnessFaultError("most of its pairs were disturbed by other work")
        logs = [[pair.log_ratio for pair in samples.used_pairs(shape)] for shape in clock.suite]
        return tuple(math.exp(sum(own) / len(own)) for own in logs), "accepted"

    def _record(self, schedule: Schedule, origin: str, ratios: tuple[float, ...], verdict: str) -> None:
        reading = Reading(self.session.number, schedule.key(), schedule, ratios, verdict, origin)
        self.lines.append(reading_line(reading))
        self.readings.append(reading)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure until the table has the wanted number of rows; returns 0, 2 after one line about bad input, 130 on
    Ctrl-C.
    """
    parser = argparse.ArgumentParser(
        prog="python -m harness.studies.schedule_table",
        description="Times schedules of this machine's search space into a table.",
    )
    parser.add_argument(
        "--rows", type=int, default=1500, help="readings of this machine in the end (default: 1500)"
    )
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="stop after so many minutes (default: no limit)"
    )
    parser.add_argument(
        "--block", type=int, default=8, help="schedules that are timed in one go (default: 8)"
    )
    parser.add_argument(
        "--busy",
        action="store_true",
        help="keep readings also where other work disturbed most of a schedule's pairs",
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of the choice of schedules (default: 1)")
    parser.add_argument(
        "--results", type=Path, default=ROOT / "results", help="where to write (default: results)"
    )
    parsed = parser.parse_args(arguments)
    try:
        _make(parsed)
    except UserError as error:
        print(f"error: {error}")
        return 2
    except KeyboardInterrupt:
        print("interrupted; every finished reading is in the table, and the next call goes on")
        return 130
    return 0


def _make(parsed: argparse.Namespace) -> None:
    if parsed.rows < 1 or parsed.block < 1 or not parsed.minutes > 0:
        raise UserError("--rows and --block take 1 or more, --minutes more than 0")
    settings = Settings(
        root=ROOT,
        cache=default_cache(),
        results=ROOT / "results" / "local",
        memory="",
        seed=parsed.seed,
        suite=",".join(shape for group in SUITES.values() for shape in group),
    )
    began_s = time.monotonic()
    maker = TableMaker(
        parsed.results / FILE, settings, lambda line: print(f"  {line}", flush=True), parsed.busy
    )
    while len(maker.readings) < parsed.rows and time.monotonic() - began_s < 60 * parsed.minutes:
        maker.block(min(parsed.block, parsed.rows - len(maker.readings)))
        print(f"{len(maker.readings)} of {parsed.rows} readings", flush=True)
    for line in summary(read_table(maker.path)):
        print(line)


def summary(table: MeasuredTable) -> list[str]:
    """Rows, noise floor and best ratio of each suite, as lines."""
    rows = table.rows()
    lines = [
        f"{len(rows)} schedules, {len(table.readings)} readings, {len(table.paths)} code paths, "
        f"{len({row.machine for row in rows})} machine(s)"
    ]
    for suite in dict.fromkeys(name for one in table.sessions for name in one.suites):
        ratios = [ratio for row in rows if (ratio := row.ratio(suite)) is not None]
        noise = table.noise(suite)
        floor = "not known yet" if noise is None else f"{100 * noise:.1f} %"
        if ratios:
            lines.append(f"{suite}: best {max(ratios):.3f}, one reading is known to {floor}")
    return lines


if __name__ == "__main__":
    raise SystemExit(main())
