"""Real kernels in sandboxed workers: honest ones pass every gate, mutants are rejected by the expected gate."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from harness import machine
from harness.compile import rustc
from harness.compile.tools import Tools, prepare
from harness.judge import examine
from harness.judge.examination import Examination
from harness.judge.launch import prepare_examination
from harness.judge.worker.calls import Abi, Program
from harness.settings import Profile, Settings
from harness.shapes import Shape
from harness.verdict import Rejection, Wrong, describe
from tests.judge.rust_kernels import FAST, HONEST, HONEST_THREADED, MUTANTS

# Whole sessions, or timings.
pytestmark = pytest.mark.slow

TIMED = (Shape(64, 64, 64), Shape(200, 200, 200))


@cache
def tools() -> Tools:
    return prepare(lambda line: None, sandboxed=True)


def examination(
    source: str, tmp_path: Path, threads: str = "1", profile: Profile = Profile.DEFAULT
) -> Examination:
    library = rustc.compile_kernel(source, "unsafe", tools())
    assert isinstance(library, rustc.CompiledKernel), describe(library)
    return prepare_examination(
        Program(library.path, library.symbol, Abi.KERNEL),
        host=tools().host,
        settings=Settings(root=tmp_path, cache=tmp_path, results=tmp_path, memory="", profile=profile),
        machine=machine.read(),
        threads="all" if threads == "all" else 1,
        timed_shapes=TIMED,
        database_key="kernel",
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
