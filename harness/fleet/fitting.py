"""Which machines a kernel's code can run on: code for another vector unit is left out there, not rejected."""

from __future__ import annotations

import re

from harness.machine import Machine
from harness.schedule.vector_units import UNITS

_COMMENT = re.compile(r"//[^\n]*")
# A kernel that asks the CPU has further code for other machines.
_ASKS = re.compile(r"\bis_\w+_feature_detected!")
# Names that only occur in code for the unit.
_MARKS = {
    "avx512": re.compile(r"\b_mm512_|\b__m512|\bzmm\d|\bavx512"),
    "avx2": re.compile(r"\b_mm256_|\b__m256|\bymm\d|\bavx2\b"),
    "neon": re.compile(r"\bneon\b|\bfloat32x4_t\b|arch::aarch64"),
}


def units_of(source: str) -> frozenset[str]:
    """The vector units that the source names outside of comments; none for portable code."""
    code = _COMMENT.sub("", source)
    return frozenset(unit for unit, mark in _MARKS.items() if mark.search(code))


def fits(source: str, machine: Machine) -> bool:
    """Whether the machine has what the kernel was written for: every unit that it names, or one of them if it asks.

    The fallback of a kernel that asks and finds none of its units is correct there, and not worth timing.
    """
    have = [set(UNITS[unit].cpu_features) <= set(machine.isa) for unit in units_of(source)]
    return any(have or [True]) if _ASKS.search(_COMMENT.sub("", source)) else all(have)
