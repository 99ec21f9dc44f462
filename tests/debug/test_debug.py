"""`python -m harness.debug`: the Rust of a schedule, and one candidate with the data of a counterexample."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.debug.__main__ import main
from harness.debug.run import debugger_command, products_of
from harness.judge.inputs import generator, small_integers
from harness.judge.oracles import REGISTRY
from harness.judge.oracles.oracle import Oracle
from harness.shapes import Shape
from harness.verdict import Gate
from tests.conftest import ROOT

# A counterexample of the judge against candidates/run0, whose off-diagonal blocks are never written.
CASE = "2x2x2:59233828549174:exact"


def test_rust_prints_the_schedule_that_the_knobs_describe(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rust", "family=packed", "isa=avx2", "mr=6", "nr=16"]) == 0
    text = capsys.readouterr().out
    assert "pub fn matmul(" in text
    assert "mr = 6, nr = 16" in text


def test_rust_prints_a_candidates_own_schedule(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rust", "--from", str(ROOT / "candidates" / "run4"), "kc=128"]) == 0
    assert "kc = 128" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rust", "mr=99"], "mr: Input should be less than or equal to 30"),
        (["rust", "mr"], "is not KNOB=VALUE"),
        (["rust", "--from", str(ROOT / "candidates" / "run0")], "has no [proposal.schedule]"),
        (["run", str(ROOT / "candidates" / "run0")], "add --unsandboxed"),
        (["run", "nowhere", "--unsandboxed"], "nowhere"),
        (["run", "x", "--unsandboxed", "--case", "2x2"], "the form is SHAPE:SEED:ORACLE"),
        (["run", "x", "--unsandboxed", "--shape", "65"], "write MxKxN"),
        (["run", "x", "--unsandboxed", "--case", "8x8x8:1:call-count"], "observes the process"),
        (["run", "x", "--unsandboxed", "--case", "8x8x8:1:layouts"], "the debugger runs matmul kernels only"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1


def test_the_data_of_a_case_is_the_oracles_own() -> None:
    ((a, b),) = products_of(CASE, "", 0)
    want_a, want_b = small_integers(generator(59233828549174), Shape(2, 2, 2))
    assert np.array_equal(a, want_a)
    assert np.array_equal(b, want_b)


RECORDED = [oracle for oracle in REGISTRY if oracle.gate is not Gate.CONDUCT and not oracle.needs_forms]


@pytest.mark.parametrize("oracle", RECORDED, ids=lambda o: o.name)
def test_every_oracle_of_products_can_be_recorded(oracle: Oracle) -> None:
    m, k, n = (max(extent, oracle.smallest) for extent in (17, 9, 35))
    recorded = products_of(f"{m}x{k}x{n}:5:{oracle.name}", "", 0)
    assert recorded
    assert all(a.shape[1] == b.shape[0] for a, b in recorded)


@pytest.mark.parametrize(
    ("candidate", "code", "line"), [("run0", 1, "2 of 4 elements differ"), ("run1", 0, "right")]
)
def test_run_compares_the_candidate_with_the_reference(candidate: str, code: int, line: str) -> None:
    command = [sys.executable, "-m", "harness.debug", "run", str(ROOT / "candidates" / candidate)]
    command += ["--case", CASE, "--debugger", "none", "--opt-level", "0", "--unsandboxed"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert line in done.stdout


@pytest.mark.skipif(shutil.which("gdb") is None, reason="gdb is not installed")
def test_gdb_stops_at_the_kernel(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "harness.debug", "run", str(ROOT / "candidates" / "run0")]
    command += ["--case", CASE, "--debugger", "gdb", "--unsandboxed"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        input="backtrace 1\nkill\nquit\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert "kernel::matmul (m=2, k=2, n=2" in done.stdout, done.stdout + done.stderr


def test_a_debugger_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.debug.run import DebugProgram
    from harness.errors import UserError

    monkeypatch.setattr(shutil, "which", lambda name: None)
    program = DebugProgram(tmp_path / "p", tmp_path / "f")
    assert debugger_command(program, None) == [str(tmp_path / "p"), str(tmp_path / "f")]
    with pytest.raises(UserError, match="--debugger lldb: not installed"):
        debugger_command(program, "lldb")
