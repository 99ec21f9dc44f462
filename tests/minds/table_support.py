"""A made-up measured table: ratios that grow with kc and are higher for one tile, on one machine."""

from __future__ import annotations

import random
from pathlib import Path

from harness.durable import JsonLines
from harness.machine import Machine
from harness.minds.measured_table import (
    Reading,
    TableSession,
    path_line,
    reading_line,
    session_line,
)
from harness.schedule.model import Schedule
from harness.schedule.space import space

MACHINE = Machine(
    "Test CPU", "x86_64", "Linux", ("avx", "avx2", "fma"), 32 << 10, 512 << 10, 16 << 20, (0, 1)
)
SUITES = {"default": ("64x64x64", "256x256x256"), "skinny": ("8x1024x1024",)}


def ratio_of(schedule: Schedule) -> float:
    return 0.5 + 0.3 * (schedule.tile == "6x16") + schedule.kc / 4096


def write_table(path: Path, count: int, seed: int = 1, machine: Machine = MACHINE) -> Path:
    """Write `count` schedules of the fastest lane, the first two of them read twice."""
    session = TableSession(1, machine.as_record(), machine.machine_class, "rustc", "BLAS", SUITES)
    lane, rng = space(machine, 1), random.Random(seed)
    with JsonLines(path) as lines:
        lines.append(session_line(session))
        lines.append(path_line("a path", "0" * 16, "passed"))
        for number in range(count):
            schedule = lane.build({knob.name: rng.choice(knob.choices) for knob in lane.knobs})
            for again in range(2 if number < 2 else 1):
                ratio = ratio_of(schedule) * (1.02 if again else 1.0)
                ratios = (ratio, ratio, 1.1 * ratio)
                lines.append(reading_line(Reading(1, schedule.key(), schedule, ratios, "accepted", "random")))
    return path
