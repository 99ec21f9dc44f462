"""Types passed between the parent and a worker process: the program, limits, slots, and the result of a run."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.operation.forms import CallForm
from harness.shapes import Shape

F32 = NDArray[np.float32]


class Abi(StrEnum):
    """How the hosted symbol is called.

    KERNEL: extern "C" fn(m, k, n: usize, a, b: *const f32, c: *mut f32), row-major, owned by the wrapper crate.
    SGEMM: extern "C" with the parameters of matrixmultiply::sgemm, owned by the wrapper crate.
    CBLAS32 / CBLAS64: cblas_sgemm with 32- or 64-bit integers, for every form that BLAS can express.
    NULL: nothing is called; measures the empty round trip.
    """

    KERNEL = "kernel"
    SGEMM = "sgemm"
    CBLAS32 = "cblas32"
    CBLAS64 = "cblas64"
    NULL = "null"


class Placement(StrEnum):
    """Where A, B and C lie in their regions; each region is fenced by guard pages on both sides.

    RIGHT ends at the upper guard page (over-runs fault), LEFT begins at the lower one (under-runs fault),
    UNALIGNED begins 4 bytes past a 64-byte line, ALIGNED on a 64-byte line (what the clock uses).
    """

    RIGHT = "right"
    LEFT = "left"
    UNALIGNED = "unaligned"
    ALIGNED = "aligned"


class Surroundings(IntEnum):
    """How the calls of one order are made; the numbers are those of harness/host/src/wire.rs.

    ONE_BY_ONE: one after the other, on the main thread. THREAD: on a thread with the 2 MiB stack of a Rust thread.
    AT_ONCE: on two such threads at the same time.
    """

    ONE_BY_ONE = 0
    THREAD = 1
    AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Program:
    """A shared library and the symbol to call in it. `core_type` is OpenBLAS's OPENBLAS_CORETYPE, or empty."""

    library: Path | None
    symbol: str
    abi: Abi
    core_type: str = ""

    @property
    def trusted(self) -> bool:
        """Whether the library is loaded before the sandbox closes: a BLAS, which the user chose, but never a kernel."""
        return self.abi not in (Abi.KERNEL, Abi.SGEMM)


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """Address space in bytes, the cores that the worker is pinned to, and the number of threads it is told to use."""

    memory_bytes: int
    cores: tuple[int, ...]
    threads: int


@dataclass(frozen=True, slots=True)
class Slot:
    """One product in shared memory, as the parent sees it: a (m×k), b (k×n), c (m×n), f32, writable here.

    In the worker A and B are mapped read-only. Without a `form` they are row-major and contiguous, alpha is 1 and beta
    is 0; with one, the arrays are views with its strides, and `blocks` is all the memory of A, B and C, gaps included.
    """

    shape: Shape
    a: F32
    b: F32
    c: F32
    form: CallForm | None = field(default=None, kw_only=True)
    blocks: tuple[F32, F32, F32] | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class Layout:
    """The products of one batch. Each multiplies one of `a_count` matrices A by one of `b_count` matrices B into its
    own C. Without a `form` all are row-major and contiguous, alpha is 1 and beta is 0. Every matrix begins `inset`
    bytes, a multiple of 4, after the beginning of a 64-byte line.
    """

    shape: Shape
    a_count: int
    b_count: int
    pairs: tuple[tuple[int, int], ...]
    form: CallForm | None = None
    inset: int = 0

    @classmethod
    def apart(cls, shape: Shape, count: int, form: CallForm | None = None) -> Layout:
        """A layout in which every product has its own A and B."""
        return cls(shape, count, count, tuple((index, index) for index in range(count)), form)

    @classmethod
    def crossed(cls, shape: Shape, count: int, form: CallForm | None = None) -> Layout:
        """A layout that multiplies every A by every B: at least `count` products from the fewest bytes of input."""
        a_bytes, b_bytes = max(shape.m * shape.k, 1), max(shape.k * shape.n, 1)
        grids = [(a, -(-count // a)) for a in range(1, count + 1)]
        close = [(a, b) for a, b in grids if 4 * a * b <= 5 * count]
        a_count, b_count = min(close, key=lambda grid: grid[0] * a_bytes + grid[1] * b_bytes)
        pairs = tuple((a, b) for a in range(a_count) for b in range(b_count))
        return cls(shape, a_count, b_count, pairs, form)

    @property
    def is_crossed(self) -> bool:
        """Whether every A is multiplied by every B."""
        return len(self.pairs) == self.a_count * self.b_count

    @property
    def block_bytes(self) -> tuple[int, int, int]:
        """Bytes of one A, one B and one C, gaps included."""
        form = self.form or CallForm.contiguous(self.shape)
        a, b, c = form.spans(self.shape)
        return 4 * a, 4 * b, 4 * c

    @property
    def bytes(self) -> int:
        """Bytes of all A, B and C, gaps included."""
        a, b, c = self.block_bytes
        return self.a_count * a + self.b_count * b + len(self.pairs) * c

    def shuffled(self, rng: np.random.Generator) -> Layout:
        """The same products in random order."""
        order = rng.permutation(len(self.pairs))
        return replace(self, pairs=tuple(self.pairs[index] for index in order))


@dataclass(frozen=True, slots=True)
class Ran:
    """The result of one batch. The worker is frozen (SIGSTOP) until its next run, so C is unchanged since the clock
    stopped.

    elapsed_ns: wall time seen by the parent, from writing the command to receiving the answer.
    cpu_ns: CPU time of the whole worker process during that time.
    threads: threads alive in the worker when it was frozen (1 = only the host's own).
    running_threads: those of them that used CPU in this run.
    involuntary_switches, steal_ns: disturbances during the run.
    waited_ns: time in which threads of the worker, or the parent at the end, were ready to run but had no core.
    fp_env_restored: whether rounding mode, flush-to-zero, the x87 stack and the direction flag are as before the call.
    data_bytes: private writable memory of the worker (VmData) when it was frozen.
    stalled_ns: time in which the parent did not run although it waited for the answer; elapsed_ns means nothing then.
    """

    elapsed_ns: int
    cpu_ns: int
    threads: int
    running_threads: int
    involuntary_switches: int
    steal_ns: int
    fp_env_restored: bool
    waited_ns: int = 0
    data_bytes: int = 0
    stalled_ns: int = 0
