"""Builds a candidate with debug info around a small main program, and starts it under a debugger."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.candidate import load
from harness.compile import limited_process, rustc
from harness.compile.tools import prepare
from harness.errors import UserError
from harness.judge.examination import Examination, JudgeWorker
from harness.judge.examine import parse_case
from harness.judge.inputs import generator, reals
from harness.judge.kernel_runner import KernelRunner
from harness.judge.reference import componentwise_bound, product_f64
from harness.judge.worker.calls import F32, Placement, Surroundings
from harness.judge.worker.limits import time_limit_s
from harness.operation.operations import MATMUL
from harness.settings import Settings
from harness.shapes import Shape
from harness.verdict import Gate

MAIN = Path(__file__).with_name("main.rs")
CRATE = "debug_kernel"
# Flags of the judge that would remove debug info, or belong to a library.
_REPLACED = ("--crate-", "-Copt-level", "-Cdebuginfo", "-Cstrip", "--error-format", "-Crelro-level")
_COMPILE_LIMIT_S = 300.0


@dataclass(frozen=True, slots=True)
class DebugProgram:
    """The built program and the file of products that it reads."""

    path: Path
    products: Path


class RecordingRunner(KernelRunner):
    """Answers every product correctly and keeps its operands: the data of a check, without any kernel."""

    def __init__(self, examination: Examination, gate: Gate) -> None:
        super().__init__(examination, gate)
        self.recorded: list[tuple[F32, F32]] = []

    def products(
        self,
        pairs: Sequence[tuple[F32, F32]],
        seed: int,
        placement: Placement | None = None,
        surroundings: Surroundings = Surroundings.ONE_BY_ONE,
        arranged: Sequence[int] = (),
    ) -> list[F32]:
        """Record the operands and return the correct products."""
        self.recorded.extend((a.copy(), b.copy()) for a, b in pairs)
        with np.errstate(all="ignore"):
            return [product_f64(a, b).astype(np.float32) for a, b in pairs]


def products_of(case: str | None, shape: str, seed: int) -> list[tuple[F32, F32]]:
    """The operands of a case's products, or of one product of random reals.

    Raises UserError for a malformed case or shape, and for a case of the conduct gate, which observes the process.
    """
    if case is None:
        extents = shape.split("x")
        if len(extents) != 3 or not all(extent.isdecimal() for extent in extents):
            raise UserError(f"--shape {shape}: write MxKxN, for example 65x67x63")
        m, k, n = map(int, extents)
        rng = generator(seed)
        return [(reals(rng, m, k), reals(rng, k, n))]
    where, data_seed, oracle = parse_case(case)
    if oracle.gate is Gate.CONDUCT:
        raise UserError(
            f"--case {case}: {oracle.name} observes the process, not a product; use --shape instead"
        )
    if oracle.needs_forms:
        raise UserError(f"--case {case}: {oracle.name} is for sgemm; the debugger runs matmul kernels only")
    examination = Examination(launch=_no_worker, seed=data_seed, time_limit_s=time_limit_s)
    runner = RecordingRunner(examination, oracle.gate)
    oracle.check(runner, where, data_seed)
    return runner.recorded


def _no_worker(shapes: Sequence[Shape]) -> AbstractContextManager[JudgeWorker]:
    raise AssertionError("a recording needs no worker")


def build(
    folder: Path, products: Sequence[tuple[F32, F32]], opt_level: int, settings: Settings, target: Path
) -> DebugProgram:
    """Compile the candidate in `folder` with debug info into `target`; raises UserError with rustc's diagnostics."""
    candidate = load(folder)
    if candidate.operation is not MATMUL:
        raise UserError(
            f"{folder}: the debugger runs matmul kernels only; this is a {candidate.operation.name} kernel"
        )
    tools = prepare(print, sandboxed=not settings.unsandboxed)
    target.mkdir(parents=True, exist_ok=True)
    shutil.copy(MAIN, target / "main.rs")
    (target / "kernel.rs").write_text(candidate.source, encoding="utf-8")
    flags = [flag for flag in rustc.flags_of(tools) if not flag.startswith(_REPLACED)]
    command = [
        *(str(tools.toolchain.rustc), *flags),
        *(f"--crate-name={CRATE}", "-Cdebuginfo=2", f"-Copt-level={opt_level}", "main.rs"),
    ]
    outcome = limited_process.run(
        command, target, {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}, _COMPILE_LIMIT_S, 1 << 22
    )
    if outcome.code != 0:
        raise UserError(f"{folder}: does not compile:\n{outcome.log.strip()}")
    file = target / "products.bin"
    file.write_bytes(b"".join(_packed(a, b) for a, b in products))
    return DebugProgram(target / CRATE, file)


def _packed(a: F32, b: F32) -> bytes:
    with np.errstate(all="ignore"):
        want, bound = product_f64(a, b), np.broadcast_to(componentwise_bound(a, b), (len(a), b.shape[1]))
    head = struct.pack("<3Q", a.shape[0], a.shape[1], b.shape[1])
    return head + a.tobytes() + b.tobytes() + want.tobytes() + np.nan_to_num(bound, nan=0.0).tobytes()


def debugger_command(program: DebugProgram, debugger: str | None) -> list[str]:
    """The command that runs the program with a breakpoint at the kernel; raises UserError without a debugger."""
    installed = [name for name in ("rust-gdb", "gdb", "rust-lldb", "lldb") if shutil.which(name)]
    chosen = debugger or next(iter(installed), "none")
    if chosen != "none" and chosen not in installed:
        raise UserError(
            f"--debugger {chosen}: not installed; found: {', '.join(installed) or 'no debugger'} "
            "(--debugger none runs without one)"
        )
    here = [str(program.path), str(program.products)]
    if chosen == "none":
        return here
    kernel = f"{CRATE}::kernel::matmul"
    if chosen.endswith("gdb"):
        return [chosen, "-ex", f"break {kernel}", "-ex", "run", "--args", *here]
    return [chosen, "-o", f"breakpoint set --name {kernel}", "-o", "run", "--", *here]


def start(command: Sequence[str]) -> int:
    """Run the command on this terminal; returns its exit code."""
    return subprocess.run(command, check=False).returncode
