"""The floor: the machine's peak rates, measured with our own code, and the time below which no kernel can be
correct.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import math
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
from harness.verdict import Ceilings

SOURCE = REFERENCE / "peak" / "lib.rs"
# A time is impossible only below the bound divided by this. The clock rate may rise by some per cent between the
# measurement of the peak and the kernel's; a kernel may need fewer loads and stores than the bound
# counts.
ARITHMETIC_HEADROOM, DATA_HEADROOM = 1.1, 2.0
STALE = datetime.timedelta(days=7)
MAX_GHZ = 6.5
# Upper limits over all known cores of each kind, not this core's rate: f32 lanes × FMA units × 2 operations per
# cycle. A measurement above them is a bug.
_FLOPS_PER_CYCLE = {"avx512": 64, "avx2": 32, "neon": 32, "portable": 64}
# Upper limit of the bytes that a core can load from L1 per cycle: three loads of 64 bytes.
_LOAD_BYTES_PER_CYCLE = 192

# (symbol, shape): a timed call performs 2·m·k·n operations, or reads 4·m·k·n bytes.
FMA = ("peak_fma", Shape(256, 1024, 512))
FMA_ALL = ("peak_fma_all", Shape(512, 1024, 512))
L1 = ("peak_read", Shape(32, 128, 16000))
MEMORY = ("peak_read", Shape(8192, 4096, 1))
TRIES = 8
# Bytes that one call reads from a cache behind L1, in total.
READ_BYTES = 64 << 20

# Runs one of these in the host; returns the nanoseconds of each of `tries` calls.
Run = Callable[[str, Shape, int], list[float]]


@dataclass(frozen=True, slots=True)
class Peak:
    """Best rates measured: FMA on one core and on all (GFLOP/s), reading each level of the memory with one core (GB/s).

    The caches behind L1 bound nothing; the page of a run shows them.
    """

    fma_gflops: float
    fma_all_gflops: float
    l1_gbps: float
    memory_gbps: float
    machine: str
    measured: str
    l2_gbps: float
    l3_gbps: float

    def gflops(self, threads: int) -> float:
        """The peak in GFLOP/s for one thread, or for all cores."""
        return self.fma_gflops if threads == 1 else max(self.fma_all_gflops, self.fma_gflops)

    def ceilings(self, threads: int) -> Ceilings:
        """The rates that bound every kernel of a thread class, as verdicts keep them."""
        return Ceilings(
            fma_gflops=self.gflops(threads),
            l1_gbps=self.l1_gbps,
            l2_gbps=self.l2_gbps,
            l3_gbps=self.l3_gbps,
            memory_gbps=self.memory_gbps,
        )

    def floor_ns(self, shape: Shape, threads: int, cold_bytes: int, saving: float = 1.0) -> float:
        """Nanoseconds that a correct kernel needs at least: the larger of arithmetic and data movement, each with its
        headroom. A fast scheme may have fewer products by the factor `saving`.

        Every element of A and B must be loaded once and every element of C stored once: from L1 at best, or from memory
        when `cold_bytes` (the bytes touched between two uses of the same data; 0 for hot data) exceed the caches.
        """
        arithmetic = shape.flops / (self.fma_gflops * threads * saving * ARITHMETIC_HEADROOM)
        moved = shape.input_bytes + shape.output_bytes
        near = moved / (self.l1_gbps * threads)
        far = moved / (self.memory_gbps * threads) if cold_bytes else 0.0
        return max(arithmetic, near / DATA_HEADROOM, far / DATA_HEADROOM)

    def pair_s(self, shape: Shape, threads: int) -> float:
        """Seconds that both sides of a race need at least, for one product each."""
        return 2e-9 * self.floor_ns(shape, threads, 0)


def measure(run: Run, machine: Machine) -> Peak:
    """Measure now. Raises HarnessFaultError when a figure is physically impossible."""
    best = {
        name: size / min(run(symbol, shape, TRIES))
        for name, (symbol, shape), size in (
            ("fma_gflops", FMA, FMA[1].flops),
            ("fma_all_gflops", FMA_ALL, FMA_ALL[1].flops),
            ("l1_gbps", L1, 2 * L1[1].flops),
            *(
                (level, ("peak_read", shape), 2 * shape.flops)
                for level, shape in (
                    ("l2_gbps", _between(machine.l1d_bytes, machine.l2_bytes)),
                    ("l3_gbps", _between(machine.l2_bytes, machine.l3_bytes)),
                )
            ),
            ("memory_gbps", MEMORY, 2 * MEMORY[1].flops),
        )
    }
    peak = Peak(**best, machine=machine.identity("all"), measured=_now().isoformat(timespec="seconds"))
    problem = implausible(peak, machine)
    if problem:
        raise HarnessFaultError(f"the measured peak is not plausible: {problem}")
    return peak


def _between(inner_bytes: int, outer_bytes: int) -> Shape:
    """A shape whose A does not fit into the inner cache and leaves room in the outer one: their geometric mean."""
    # peak_read takes 128 floats at a time: 32 rows, each a multiple of 4.
    columns = max(4, int(math.sqrt(inner_bytes * outer_bytes)) // (32 * 4) // 4 * 4)
    return Shape(32, columns, max(1, READ_BYTES // (32 * 4 * columns)))


def implausible(peak: Peak, machine: Machine) -> str | None:
    """Why these figures are impossible, or None: a loop folded by the compiler reports millions of GFLOP/s."""
    cycles = MAX_GHZ * _FLOPS_PER_CYCLE[machine.vector]
    limits = {
        "fma_gflops": (0.5, cycles),
        "fma_all_gflops": (0.5, cycles * len(machine.cores)),
        "l1_gbps": (1.0, MAX_GHZ * _LOAD_BYTES_PER_CYCLE),
        "l2_gbps": (0.2, MAX_GHZ * _LOAD_BYTES_PER_CYCLE),
        "l3_gbps": (0.2, MAX_GHZ * _LOAD_BYTES_PER_CYCLE),
        "memory_gbps": (0.2, MAX_GHZ * _LOAD_BYTES_PER_CYCLE),
    }
    for name, (low, high) in limits.items():
        value = getattr(peak, name)
        if not low <= value <= high:
            return f"{name} = {value:.4g}, possible are {low:g} … {high:g}"
    return None


def better(old: Peak, new: Peak) -> Peak:
    """The best of two measurements of one machine, figure by figure; disturbances only lower them."""
    names = ("fma_gflops", "fma_all_gflops", "l1_gbps", "l2_gbps", "l3_gbps", "memory_gbps")
    return Peak(**(asdict(new) | {name: max(getattr(old, name), getattr(new, name)) for name in names}))


def load(cache: Path, machine: Machine) -> Peak | None:
    """The stored peak of this machine; None when there is none, or it is stale, damaged or another machine's."""
    try:
        peak = Peak(**json.loads(_file(cache, machine).read_text(encoding="utf-8")))
        age = _now() - datetime.datetime.fromisoformat(peak.measured)
        fresh = datetime.timedelta(0) <= age <= STALE
        sound = fresh and peak.machine == machine.identity("all") and implausible(peak, machine) is None
    except (OSError, ValueError, TypeError):
        return None  # measured again, which repairs the file
    return peak if sound else None


def save(cache: Path, machine: Machine, peak: Peak) -> None:
    """Store `peak` for this machine; the file is replaced in one step."""
    path = _file(cache, machine)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.parent, prefix=".peak-", delete=False
    ) as file:
        json.dump(asdict(peak), file)
    Path(file.name).replace(path)


def library(cache: Path, toolchain: Toolchain) -> Path:
    """The library of reference/peak, compiled once per source and compiler. Raises HarnessFaultError when that
    fails.
    """
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
            [*command, "-o", str(made), str(SOURCE)],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        if answer.returncode != 0:
            raise HarnessFaultError(f"reference/peak does not compile: {answer.stderr.strip()[-400:]}")
        made.replace(final)
    return final


def _file(cache: Path, machine: Machine) -> Path:
    return cache / "clock" / f"peak-{machine.identity('all')}.json"


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
