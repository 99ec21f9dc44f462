"""A plugin for sessions that are about what follows the judging gates: these pass every kernel without a look at it.

Use as `-p tests.front_door.trusting_judge`. Policy, compile, audit and clock are the real ones.
"""

from __future__ import annotations

from harness.judge import examine
from harness.judge.examination import Examination, Examined
from harness.verdict import Gate


def shapes(examination: Examination) -> Examined:
    return Examined(Gate.SHAPES, {})


def values(examination: Examination) -> Examined:
    return Examined(Gate.VALUES, {})


def conduct(examination: Examination) -> Examined:
    return Examined(Gate.CONDUCT, {})


examine.shapes, examine.values, examine.conduct = shapes, values, conduct
