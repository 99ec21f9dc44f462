"""The kernels of the baseline: OpenBLAS's own choice, a chosen core type, or the strongest on this machine.

On a Zen 4 core OpenBLAS chooses its SkylakeX kernels, but its Haswell kernels are faster from size 256 on. The ratio
refers to the faster ones.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.announce import Announce
from harness.clock import baseline as baselines
from harness.clock.baseline import Baseline
from harness.durable import write_whole
from harness.errors import UserError
from harness.machine import Machine
from harness.shapes import Shape

AUTO, STRONGEST = "auto", "strongest"
# OpenBLAS's names with the CPU features that their kernels need. A build may give one's kernels for another.
CORE_TYPES: dict[str, frozenset[str]] = {
    "Sandybridge": frozenset({"avx"}),
    "Haswell": frozenset({"avx2", "fma"}),
    "Zen": frozenset({"avx2", "fma"}),
    "SkylakeX": frozenset({"avx512f", "avx512bw", "avx512dq", "avx512vl"}),
}
# The shapes at which the types are compared.
SHAPES = (Shape(128, 128, 128), Shape(384, 384, 384), Shape(768, 768, 768))
# Turns per type and shape; the fastest counts.
TURNS = 9
# Days for which the result holds.
DAYS = 7


@dataclass(frozen=True, slots=True)
class CoreTypes:
    """The core types of one OpenBLAS on one machine. `time_ns` times a Baseline at SHAPES, in nanoseconds."""

    baseline: Baseline
    machine: Machine
    cache: Path
    say: Announce
    time_ns: Callable[[Baseline], float]

    def choose(self, wanted: str) -> Baseline:
        """The baseline with the kernels that --core-type names. Raises UserError when it has none of them."""
        if wanted == AUTO:
            return self.baseline
        if wanted == STRONGEST:
            return self.strongest()
        chosen = baselines.with_core_type(self.baseline, wanted)
        if chosen.architecture.lower() != wanted.lower():
            raise UserError(
                f"--core-type {wanted}: this OpenBLAS has no kernels of that name and takes {chosen.architecture}'s; "
                f"choose {chosen.architecture}, auto or strongest"
            )
        return chosen

    def strongest(self) -> Baseline:
        """The fastest core type by the geometric mean over SHAPES, one thread; stored in the cache for DAYS.

        Where there is nothing to choose from (no OpenBLAS, or a CPU whose core types are not listed), the library's own
        choice.
        """
        if self.baseline.name != "OpenBLAS" or not self._runnable:
            return self.baseline
        known = _read(self._cache_file)
        if known is not None:
            return baselines.with_core_type(self.baseline, known)
        types = self.different()
        times = {found.architecture: self.time_ns(found) for found in types}
        best = min(types, key=lambda found: times[found.architecture])
        own_ns = times.get(self.baseline.architecture, times[best.architecture])
        ratios = ", ".join(f"{name} {own_ns / time_ns:.2f}" for name, time_ns in times.items())
        self.say(
            f"OpenBLAS core types, relative to its own choice: {ratios}; the baseline is {best.architecture}"
        )
        note = json.dumps({"core_type": best.core_type, "when_s": time.time()})
        write_whole(self._cache_file, note, make_folder=True)
        return best

    def different(self) -> list[Baseline]:
        """One baseline for each set of kernels that this build has and this CPU can run."""
        found: dict[str, Baseline] = {}
        for name in self._runnable:
            one = baselines.with_core_type(self.baseline, name)
            found.setdefault(one.architecture, one)
        return list(found.values())

    @property
    def _runnable(self) -> list[str]:
        """The core types whose kernels this CPU can run."""
        isa = set(self.machine.isa)
        return [name for name, needs in CORE_TYPES.items() if needs <= isa]

    @property
    def _cache_file(self) -> Path:
        state = self.baseline.path.stat()
        key = f"{self.baseline.path}\0{state.st_size}\0{state.st_mtime_ns}\0{self.machine.fingerprint}"
        return self.cache / "clock" / f"core-type-{hashlib.sha256(key.encode()).hexdigest()[:16]}.json"


def _read(path: Path, now_s: Callable[[], float] = time.time) -> str | None:
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        fresh = 0 <= now_s() - float(stored["when_s"]) < DAYS * 86400
        return str(stored["core_type"]) if fresh and stored["core_type"] in CORE_TYPES else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
