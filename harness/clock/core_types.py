"""The kernels of the baseline: OpenBLAS's own choice, a chosen core type, or the strongest on this machine.

On some processors OpenBLAS's choice is not its fastest: on a Zen 4 core its Haswell kernels lead those for SkylakeX,
which it chooses, from 256 on. A stronger baseline is a harder one.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from harness.clock import baseline as baselines
from harness.clock.baseline import Baseline
from harness.durable import write_whole
from harness.errors import UserError
from harness.judge.worker.calls import Layout
from harness.shapes import Shape

if TYPE_CHECKING:
    from harness.clock.session import ClockSession

AUTO, STRONGEST = "auto", "strongest"
# OpenBLAS's names with the CPU features that their kernels need. A build may give one's kernels for another.
CORE_TYPES: dict[str, frozenset[str]] = {
    "Sandybridge": frozenset({"avx"}),
    "Haswell": frozenset({"avx2", "fma"}),
    "Zen": frozenset({"avx2", "fma"}),
    "SkylakeX": frozenset({"avx512f", "avx512bw", "avx512dq", "avx512vl"}),
}
# The shapes and the number of turns in which the types are compared, and the days for which the result holds.
SHAPES, TURNS, DAYS = (Shape(128, 128, 128), Shape(384, 384, 384), Shape(768, 768, 768)), 9, 7


def choose(session: ClockSession, wanted: str) -> Baseline:
    """The session's baseline with the kernels that --core-type names. Raises UserError when it has none of them."""
    here = session.baseline
    if wanted == AUTO:
        return here
    if wanted == STRONGEST:
        return strongest(session)
    chosen = baselines.with_core_type(here, wanted)
    if chosen.architecture.lower() != wanted.lower():
        raise UserError(
            f"--core-type {wanted}: this OpenBLAS has no kernels of that name and takes {chosen.architecture}'s; "
            f"choose {chosen.architecture}, auto or strongest"
        )
    return chosen


def strongest(session: ClockSession) -> Baseline:
    """The fastest core type by the geometric mean over SHAPES, one thread; kept in the cache for DAYS."""
    kept = _kept_in(session)
    known = _read(kept)
    if known is not None:
        return baselines.with_core_type(session.baseline, known)
    types = _different(session)
    times = {found.architecture: _time_ns(session, found) for found in types}
    best = min(types, key=lambda found: times[found.architecture])
    own_ns = times.get(session.baseline.architecture, times[best.architecture])
    told = ", ".join(f"{name} {own_ns / time_ns:.2f}" for name, time_ns in times.items())
    session.say(
        f"OpenBLAS core types, relative to its own choice: {told}; the baseline is {best.architecture}"
    )
    write_whole(kept, json.dumps({"core_type": best.core_type, "when_s": time.time()}), make_folder=True)
    return best


def _different(session: ClockSession) -> list[Baseline]:
    """One baseline for each set of kernels that this build has and this CPU can run."""
    isa = set(session.machine.isa)
    found: dict[str, Baseline] = {}
    for name, needs in CORE_TYPES.items():
        if needs <= isa:
            one = baselines.with_core_type(session.baseline, name)
            found.setdefault(one.architecture, one)
    if not found:
        raise UserError(f"--core-type {STRONGEST}: no core type of OpenBLAS is known for this CPU; use auto")
    return list(found.values())


def _time_ns(session: ClockSession, found: Baseline) -> float:
    """Geometric mean of the best times over SHAPES, in nanoseconds."""
    from harness.clock.worker_pair import timed

    best = [
        min(timed(session.launch(1), found.program, Layout.crossed(shape, 1), TURNS, 1)) for shape in SHAPES
    ]
    return math.exp(sum(math.log(time_ns) for time_ns in best) / len(best))


def _kept_in(session: ClockSession) -> Path:
    library = session.baseline.path
    state = library.stat()
    key = f"{library}\0{state.st_size}\0{state.st_mtime_ns}\0{session.machine.fingerprint}"
    return session.cache / "clock" / f"core-type-{hashlib.sha256(key.encode()).hexdigest()[:16]}.json"


def _read(path: Path, now_s: Callable[[], float] = time.time) -> str | None:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        fresh = 0 <= now_s() - float(kept["when_s"]) < DAYS * 86400
        return str(kept["core_type"]) if fresh and kept["core_type"] in CORE_TYPES else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
