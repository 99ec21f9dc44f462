"""The tasks: kernels with one fault each, made from three small correct ones, and outlines of kernels to write."""

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


@dataclass(frozen=True, slots=True)
class WritingTask:
    """A kernel to write: its name, the algorithm in words, and the correct kernel from which the Coder may start."""

    name: str
    algorithm: str
    template: str


@cache
def correct_kernels() -> dict[str, str]:
    """The sources of the correct kernels, by name."""
    folder = files("harness.trials") / "kernels"
    found = [entry for entry in folder.iterdir() if entry.name.endswith(".rs")]
    return {
        entry.name.removesuffix(".rs"): entry.read_text(encoding="utf-8")
        for entry in sorted(found, key=lambda entry: entry.name)
    }


@cache
def repair_tasks() -> tuple[RepairTask, ...]:
    """All tasks, in the order of the gates. Raises HarnessFaultError when a fault does not match its kernel once."""
    plain = tomllib.loads((files("harness.trials") / "faults.toml").read_text(encoding="utf-8"))
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


@cache
def writing_tasks() -> tuple[WritingTask, ...]:
    """All outlines, with the sources of their templates."""
    plain = tomllib.loads((files("harness.trials") / "outlines.toml").read_text(encoding="utf-8"))
    return tuple(
        WritingTask(one["name"], one["algorithm"], correct_kernels()[one["template"]])
        for one in plain["outline"]
    )
