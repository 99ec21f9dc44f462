"""The tasks: three small correct kernels, and faults of which each makes one of them wrong at a known gate."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from harness.errors import HarnessFaultError
from harness.verdict import Gate


@dataclass(frozen=True, slots=True)
class RepairTask:
    """A faulty kernel: its name, the correct kernel that it was made from, its source, and the gate that rejects it."""

    name: str
    kernel: str
    correct: str
    source: str
    gate: Gate


@cache
def correct_kernels() -> dict[str, str]:
    """The sources of the correct kernels, by name."""
    folder = files("harness.faults") / "kernels"
    found = [entry for entry in folder.iterdir() if entry.name.endswith(".rs")]
    return {
        entry.name.removesuffix(".rs"): entry.read_text(encoding="utf-8")
        for entry in sorted(found, key=lambda entry: entry.name)
    }


@cache
def repair_tasks() -> tuple[RepairTask, ...]:
    """All tasks, in the order of the gates. Raises HarnessFaultError when a fault does not match its kernel once."""
    plain = tomllib.loads((files("harness.faults") / "faults.toml").read_text(encoding="utf-8"))
    kernels = correct_kernels()
    found = []
    for fault in plain["fault"]:
        correct = kernels[fault["kernel"]]
        if correct.count(fault["old"]) != 1:
            raise HarnessFaultError(
                f"faults.toml: {fault['name']} does not match {fault['kernel']} exactly once"
            )
        source = correct.replace(fault["old"], fault["new"])
        found.append(RepairTask(fault["name"], fault["kernel"], correct, source, Gate(fault["gate"])))
    return tuple(found)
