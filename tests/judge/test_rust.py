"""Real kernels in sandboxed workers: honest ones pass every gate, mutants are rejected by the expected gate."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from harness import machine
from harness.candidate import Tier
from harness.compile import rustc
from harness.compile.tools import Tools, prepare
from harness.judge import examine
from harness.judge.examination import Examination
from harness.judge.kernel_runner import KernelRunner
from harness.judge.launch import prepare_examination
from harness.judge.worker.calls import Abi, Program
from harness.operation.operations import MATMUL, Operation
from harness.settings import Profile, Settings
from harness.shapes import Shape
from harness.verdict import Gate, Rejection, Wrong, describe
from tests.conftest import SEED
from tests.judge.rust_kernels import FAST, HONEST, HONEST_THREADED, MUTANTS

# Whole sessions, or timings.
pytestmark = pytest.mark.slow

TIMED = (Shape(64, 64, 64), Shape(200, 200, 200))


@cache
def tools() -> Tools:
    return prepare(lambda line: None, sandboxed=True)


def examination(
    source: str,
    tmp_path: Path,
    threads: str = "1",
    profile: Profile = Profile.DEFAULT,
    operation: Operation = MATMUL,
    tier: Tier = "unsafe",
) -> Examination:
    library = rustc.compile_kernel(source, tier, tools(), operation)
    assert isinstance(library, rustc.CompiledKernel), describe(library)
    return prepare_examination(
        Program(library.path, library.symbol, Abi(operation.abi)),
        host=tools().host,
        settings=Settings(
            root=tmp_path, cache=tmp_path, results=tmp_path, memory="", profile=profile, seed=SEED
        ),
        machine=machine.read(),
        threads="all" if threads == "all" else 1,
        timed_shapes=TIMED,
        database_key="kernel",
        operation=operation,
        tier=tier,
    )


def judge(prepare_examination: Examination) -> Rejection | str:
    """The rejection, or the numerics of a kernel that passed every gate."""
    for gate in (examine.shapes, examine.values, examine.conduct):
        outcome = gate(prepare_examination)
        if not isinstance(outcome, examine.Examined):
            return outcome
    return prepare_examination.numerics


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_rust_kernel_passes(name: str, tmp_path: Path) -> None:
    assert judge(examination(HONEST[name], tmp_path)) == "componentwise"


@pytest.mark.parametrize("name", HONEST_THREADED)
def test_an_honest_threaded_kernel_passes(name: str, tmp_path: Path) -> None:
    assert judge(examination(HONEST_THREADED[name], tmp_path, threads="all")) == "componentwise"


def test_there_is_room_for_a_thread_per_row_in_every_surrounding(tmp_path: Path) -> None:
    """All 540 stacks exist at once. Told to use one thread, the worker once had no room for them."""
    under_test = examination(ROWS_THAT_WAIT, tmp_path, threads="all")
    a, b = np.ones((540, 2), np.float32), np.ones((2, 3), np.float32)
    for launch in (under_test.launch, *under_test.other_surroundings.values()):
        with KernelRunner(replace(under_test, launch=launch), Gate.CONDUCT) as runner:
            assert (runner.product(a, b, seed=0) == 2).all()


ROWS_THAT_WAIT = """
pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let all_here = std::sync::Barrier::new(m);
    std::thread::scope(|scope| {
        for (i, row) in c.chunks_mut(n.max(1)).enumerate() {
            let all_here = &all_here;
            scope.spawn(move || {
                all_here.wait();
                for (j, x) in row.iter_mut().enumerate() {
                    *x = (0..k).map(|p| a[i * k + p] * b[p * n + j]).sum();
                }
            });
        }
    });
}
"""


@pytest.mark.parametrize("name", FAST)
def test_strassen_is_classified_as_a_fast_scheme(name: str, tmp_path: Path) -> None:
    assert judge(examination(FAST[name], tmp_path)) == "normwise"


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_rejected_by_the_expected_gate(name: str, tmp_path: Path) -> None:
    source, honest, mutated, gate = MUTANTS[name]
    assert honest in source
    prepare_examination = examination(source.replace(honest, mutated, 1), tmp_path, profile=Profile.QUICK)
    verdict = judge(prepare_examination)
    assert isinstance(verdict, Wrong), verdict
    assert verdict.at.gate == gate
    assert prepare_examination.case is not None
    again = examine.replay(prepare_examination, prepare_examination.case)
    assert isinstance(again, Wrong)
    assert (again.at, again.counterexample.oracle) == (verdict.at, verdict.counterexample.oracle)
