"""Compile rendered kernels as the pipeline does and run them in the real worker."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from harness import machine
from harness.candidate import Tier
from harness.compile import audit, policy, rustc, tools
from harness.compile.compile_cache import CompiledKernel
from harness.judge.worker.calls import Abi, Placement, Program, Ran, Slot, WorkerLimits
from harness.judge.worker.client import Capacity, Worker
from harness.operation.operations import MATMUL, Operation
from harness.shapes import Shape
from harness.verdict import At, Gate

F32 = npt.NDArray[np.float32]
UNIT_ROUNDOFF = 2.0**-24


@lru_cache(maxsize=1)
def prepared() -> tools.Tools:
    """The toolchain and the compiled helper programs, prepared once per test session."""
    return tools.prepare(lambda line: None, sandboxed=True)


def build(source: str, tier: Tier, operation: Operation = MATMUL) -> CompiledKernel:
    """The compiled library of `source`; the test fails if policy, compiler or audit object, or at any warning."""
    report = policy.check(source, tier, prepared().inspector)
    assert isinstance(report, policy.PolicyReport), report
    library = rustc.compile_kernel(source, tier, prepared(), operation)
    assert isinstance(library, CompiledKernel), getattr(library, "diagnostics", library)
    assert library.warnings == ()
    audited = audit.check(library, prepared())
    assert isinstance(audited, audit.AuditReport), audited
    return library


@contextmanager
def hosted(library: CompiledKernel, shapes: Sequence[Shape], threads: int = 1) -> Iterator[Worker]:
    """A worker with buffers for all `shapes` at once."""
    cores = machine.read().cores[:threads]
    limits = WorkerLimits(memory_bytes=2 << 30, cores=cores, threads=threads)
    program = Program(library=Path(library.path), symbol=library.symbol, abi=Abi.KERNEL)
    with Worker(prepared().host, program, limits, Capacity.of(shapes)) as worker:
        yield worker


def fill(slots: Sequence[Slot], rng: np.random.Generator) -> None:
    """Fill A and B with standard normal values and C with NaN."""
    for slot in slots:
        slot.a[:] = rng.standard_normal(slot.a.shape)
        slot.b[:] = rng.standard_normal(slot.b.shape)
        slot.c[:] = np.nan


def run(worker: Worker, slots: Sequence[Slot]) -> None:
    """Run all slots in one batch; a crash, panic or time-out fails the test with the verdict."""
    ran = worker.run(slots, at=At(Gate.SHAPES), limit_s=60.0)
    assert isinstance(ran, Ran), ran


def assert_product(a: F32, b: F32, c: F32) -> None:
    """Assert abs(C - AB) <= gamma_k (abs(A) abs(B)) componentwise, with AB in float64; NaN in C fails."""
    k = a.shape[1]
    wide_a, wide_b = a.astype(np.float64), b.astype(np.float64)
    bound = k * UNIT_ROUNDOFF / (1 - k * UNIT_ROUNDOFF) * (np.abs(wide_a) @ np.abs(wide_b)) + 1e-37
    wrong = ~(np.abs(c - wide_a @ wide_b) <= bound)
    assert not wrong.any(), f"{a.shape[0]}x{k}x{b.shape[1]}: first wrong element {np.argwhere(wrong)[0]}"


def check_shapes(library: CompiledKernel, shapes: Sequence[Shape], threads: int = 1, seed: int = 1) -> None:
    """Check the product at every shape: operands at the upper guard page, at the lower one, and unaligned."""
    rng = np.random.default_rng(seed)
    with hosted(library, shapes, threads) as worker:
        for placement in (Placement.RIGHT, Placement.LEFT, Placement.UNALIGNED):
            slots = worker.slots(shapes, placement)
            fill(slots, rng)
            run(worker, slots)
            for slot in slots:
                assert_product(slot.a, slot.b, slot.c)
