"""The floor: how fast this machine can be at best, measured by our own code, and the time that no kernel can beat."""

from __future__ import annotations

import datetime
import hashlib
import json
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.compile.toolchain import Toolchain
from harness.errors import HarnessFaultError
from harness.machine import Machine
from harness.places import REFERENCE
from harness.shapes import Shape

SOURCE = REFERENCE / "peak" / "lib.rs"
# A time is only impossible below the measured bound divided by this: turbo, a noisy measurement of the peak, and
# three levels of Strassen, (8/7)³ = 1.49, must all fit in.
HEADROOM = 2.0
STALE = datetime.timedelta(days=7)
MAX_GHZ = 6.5
# f32 lanes × FMA units × 2 operations, the most that any core of that kind does per cycle.
_FLOPS_PER_CYCLE = {"avx512": 64, "avx2": 32, "neon": 32, "portable": 64}
# Bytes that a core can load from L1 per cycle at most: three loads of 64 bytes.
_LOAD_BYTES_PER_CYCLE = 192

# (symbol, shape): a timed call does 2·m·k·n operations, or reads 4·m·k·n bytes.
FMA = ("peak_fma", Shape(256, 1024, 512))
FMA_ALL = ("peak_fma_all", Shape(512, 1024, 512))
L1 = ("peak_read", Shape(32, 128, 16000))
MEMORY = ("peak_read", Shape(8192, 4096, 1))
TRIES = 8

# Runs one of the above in the host and gives the nanoseconds of each of `tries` calls.
Run = Callable[[str, Shape, int], list[float]]


@dataclass(frozen=True, slots=True)
class Peak:
    """Best rates seen: FMA on one core and on all (GFLOP/s), reading L1 and memory with one core (GB/s)."""

    fma_gflops: float
    fma_all_gflops: float
    l1_gbps: float
    memory_gbps: float
    machine: str
    measured: str

    def gflops(self, threads: int) -> float:
        """The peak for one thread, or for all cores."""
        return self.fma_gflops if threads == 1 else max(self.fma_all_gflops, self.fma_gflops)

    def floor_ns(self, shape: Shape, threads: int, cold_bytes: int) -> float:
        """No correct kernel takes less: the larger of arithmetic and data movement, each with HEADROOM.

        Every element of A and B must be loaded and every one of C stored once, from L1 at best; from memory when
        `cold_bytes`, what passes between two uses of the same data, is more than the caches hold (pass 0 if not).
        """
        arithmetic = shape.flops / (self.fma_gflops * threads)
        moved = shape.input_bytes + shape.output_bytes
        near = moved / (self.l1_gbps * threads)
        far = moved / (self.memory_gbps * threads) if cold_bytes else 0.0
        return max(arithmetic, near, far) / HEADROOM


def measure(run: Run, machine: Machine) -> Peak:
    """Measure here and now. Raises HarnessFaultError when a figure is out of the physically possible."""
    best = {
        name: size / min(run(symbol, shape, TRIES))
        for name, (symbol, shape), size in (
            ("fma_gflops", FMA, FMA[1].flops),
            ("fma_all_gflops", FMA_ALL, FMA_ALL[1].flops),
            ("l1_gbps", L1, 2 * L1[1].flops),
            ("memory_gbps", MEMORY, 2 * MEMORY[1].flops),
        )
    }
    peak = Peak(**best, machine=machine.fingerprint, measured=_now().isoformat(timespec="seconds"))
    problem = implausible(peak, machine)
    if problem:
        raise HarnessFaultError(f"the measured peak is not plausible: {problem}")
    return peak


def implausible(peak: Peak, machine: Machine) -> str | None:
    """Why these figures cannot be: a folded loop reports millions of GFLOP/s, a starved one next to nothing."""
    cycles = MAX_GHZ * _FLOPS_PER_CYCLE[machine.vector]
    limits = {
        "fma_gflops": (0.5, cycles),
        "fma_all_gflops": (0.5, cycles * len(machine.cores)),
        "l1_gbps": (1.0, MAX_GHZ * _LOAD_BYTES_PER_CYCLE),
        "memory_gbps": (0.2, MAX_GHZ * _LOAD_BYTES_PER_CYCLE),
    }
    for name, (low, high) in limits.items():
        value = getattr(peak, name)
        if not low <= value <= high:
            return f"{name} = {value:.4g}, possible are {low:g} … {high:g}"
    return None


def better(old: Peak, new: Peak) -> Peak:
    """The best of two measurements of one machine, figure by figure; a disturbance only ever lowers them."""
    names = ("fma_gflops", "fma_all_gflops", "l1_gbps", "memory_gbps")
    return Peak(**(asdict(new) | {name: max(getattr(old, name), getattr(new, name)) for name in names}))


def load(cache: Path, machine: Machine) -> Peak | None:
    """What was measured here lately; None when there is nothing, it is stale, another machine's or damaged."""
    try:
        peak = Peak(**json.loads(_file(cache, machine).read_text()))
        age = _now() - datetime.datetime.fromisoformat(peak.measured)
        fresh = datetime.timedelta(0) <= age <= STALE
        sound = fresh and peak.machine == machine.fingerprint and implausible(peak, machine) is None
    except (OSError, ValueError, TypeError):
        return None  # to be measured again, which repairs the file
    return peak if sound else None


def save(cache: Path, machine: Machine, peak: Peak) -> None:
    """Keep `peak` for this machine; the file is whole or not there."""
    path = _file(cache, machine)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".peak-", delete=False) as file:
        json.dump(asdict(peak), file)
    Path(file.name).replace(path)


def library(cache: Path, toolchain: Toolchain) -> Path:
    """reference/peak, compiled once per source and compiler. Raises HarnessFaultError when it does not build."""
    key = hashlib.sha256(SOURCE.read_bytes() + toolchain.digest.encode()).hexdigest()[:16]
    final = cache / "clock" / f"libpeak-{key}.so"
    if final.is_file():
        return final
    final.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=final.parent, prefix=".peak-") as folder:
        made = Path(folder) / "libpeak.so"
        command = [str(toolchain.rustc), "--edition=2021", "--crate-type=cdylib", "--crate-name=peak"]
        command += ["-Copt-level=3", "-Cpanic=abort", "-Ccodegen-units=1", f"-Clinker={toolchain.linker}"]
        answer = subprocess.run(
            [*command, "-o", str(made), str(SOURCE)], capture_output=True, text=True, check=False
        )
        if answer.returncode != 0:
            raise HarnessFaultError(f"reference/peak does not compile: {answer.stderr.strip()[-400:]}")
        made.replace(final)
    return final


def _file(cache: Path, machine: Machine) -> Path:
    return cache / "clock" / f"peak-{machine.fingerprint}.json"


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
