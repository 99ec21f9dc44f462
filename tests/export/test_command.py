"""`python -m harness.export`: what it refuses, and one crate from a candidate to a program that uses it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness import pipeline
from harness.export import judging, taking_home
from harness.export.__main__ import main
from harness.export.judging import RefusedError, judge
from harness.pipeline import Inspection
from harness.verdict import Accepted, At, Counterexample, Gate, Inconclusive, Wrong
from tests.conftest import LEAN_CARGO, NAIVE, ROOT, shared_tools_in
from tests.export.fakes import accepted

CLAIM = """
[claim]
machine = "{machine}"
ratio = {ratio}
ratio_low = {ratio}
ratio_high = {ratio}
"""
SCHEME = "[scheme]\nbase = [2, 2, 2]\nproducts = 7\nlevels = 1\n"


def candidate_in(folder: Path, manifest: str = "", source: str = NAIVE) -> Path:
    folder.mkdir(parents=True)
    (folder / "kernel.rs").write_text(source, encoding="utf-8")
    (folder / "candidate.toml").write_text(manifest, encoding="utf-8")
    return folder


@pytest.fixture
def no_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise AssertionError("judged before it was refused")

    monkeypatch.setattr(taking_home, "judge", fail)
    monkeypatch.setattr(pipeline.SharedTools, "make_ready", fail)


@pytest.mark.usefixtures("no_judge")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "--to", "TMP/new"], "nowhere"),
        (["TMP/good", "--to", "TMP/new", "--name", "2fast"], "cannot name a crate"),
        (["TMP/good", "--to", "TMP/fn"], "cannot name a crate"),
        (["TMP/good", "--to", "TMP/good"], "was not written by this command"),
        (["TMP/good", "TMP/twin", "--to", "TMP/new"], "named twice"),
        (["TMP/scheme", "--to", "TMP/new"], "--allow-normwise"),
        ([str(ROOT / "candidates" / "run0"), "--to", "TMP/new"], "must be rejected"),
    ],
)
def test_bad_usage_is_one_line_before_anything_is_judged(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    candidate_in(tmp_path / "good")
    candidate_in(tmp_path / "twin")
    candidate_in(tmp_path / "scheme", SCHEME, NAIVE + "// another")
    assert main([text.replace("TMP", str(tmp_path)) for text in arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "new").exists()


def refusal(folder: Path, verdict: Any, monkeypatch: pytest.MonkeyPatch, **allowed: bool) -> str:
    """Why the candidate is not taken, were this its verdict; empty if it is taken."""

    def through(self: Inspection, gate: Gate) -> None:
        self.verdict = verdict

    monkeypatch.setattr(pipeline.Inspection, "through", through)
    monkeypatch.setattr(
        pipeline.Inspection,
        "numerics",
        verdict.numerics if isinstance(verdict, Accepted) else "componentwise",
    )
    monkeypatch.setattr(judging, "_variants", lambda candidate, shared: {})
    shared = shared_tools_in(folder.parent)
    try:
        judge(judging.load(folder), shared, allowed.get("allow_normwise", False))
    except RefusedError as error:
        return str(error)
    return ""


def test_a_rejected_and_an_untimed_candidate_are_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = candidate_in(tmp_path / "c")
    wrong = Wrong(Counterexample("exact", "integer data"), At(Gate.SHAPES))
    assert "not taken: rejected: wrong" in refusal(folder, wrong, monkeypatch)
    assert "not taken: correct, not timed" in refusal(folder, Inconclusive("a busy machine"), monkeypatch)
    assert not refusal(folder, accepted(), monkeypatch)


@pytest.mark.parametrize(("ratio", "why"), [("2.0", "slower today"), ("0.5", "faster today"), ("1.0", "")])
def test_a_claim_that_differs_is_refused(
    ratio: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = shared_tools_in(tmp_path).machine.fingerprint
    folder = candidate_in(tmp_path / "c", CLAIM.format(machine=here, ratio=ratio))
    assert why in refusal(folder, accepted(), monkeypatch)
    elsewhere = candidate_in(tmp_path / "d", CLAIM.format(machine="0" * 12, ratio=ratio))
    assert not refusal(elsewhere, accepted(), monkeypatch)


def test_a_fast_scheme_needs_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = candidate_in(tmp_path / "c")
    fast = accepted(numerics="normwise")
    assert "--allow-normwise" in refusal(folder, fast, monkeypatch)
    assert not refusal(folder, fast, monkeypatch, allow_normwise=True)


def test_code_that_nobody_can_have_judged_needs_the_claim_of_another_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = NAIVE + '\n#[target_feature(enable = "made-up")]\nfn f() {}\n'
    folder = candidate_in(tmp_path / "c", "", source)
    assert "its code for made-up cannot run on this machine" in refusal(folder, accepted(), monkeypatch)
    claimed = candidate_in(tmp_path / "d", CLAIM.format(machine="0" * 12, ratio="1.0"), source)
    assert not refusal(claimed, accepted(), monkeypatch)


@pytest.mark.slow
def test_the_fallback_is_a_kernel_that_the_judge_accepts(tmp_path: Path) -> None:
    from harness.candidate import load

    source = (ROOT / "harness" / "export" / "skeleton" / "src" / "fallback.rs").read_text(encoding="utf-8")
    inspection = Inspection(
        load(candidate_in(tmp_path / "c", 'tier = "safe"', source)), shared_tools_in(tmp_path)
    )
    inspection.through(Gate.CONDUCT)
    assert inspection.rejection is None, inspection.rejection


def export(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "harness.export", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False, timeout=600)
    if "not timed" in done.stderr:
        pytest.skip(f"this machine is too busy for a timing: {done.stderr.splitlines()[-1]}")
    return done


@pytest.mark.slow
@pytest.mark.alone
def test_a_wrong_kernel_is_not_taken(tmp_path: Path) -> None:
    wrong = candidate_in(
        tmp_path / "wrong", "", (ROOT / "candidates" / "run2" / "kernel.rs").read_text("utf-8")
    )
    done = export([str(wrong), "--to", str(tmp_path / "taken")])
    assert done.returncode == 1, done.stderr
    assert "error: wrong: not taken: rejected: wrong at " in done.stderr.splitlines()[-1]
    assert not (tmp_path / "taken").exists()


PROGRAM = """
fn main() {
    let (a, b, mut c) = ([1.0f32, 2.0, 3.0, 4.0], [5.0f32, 6.0, 7.0, 8.0], [0.0f32; 4]);
    taken_home::matmul(2, 2, 2, &a, &b, &mut c);
    assert_eq!(c, [19.0, 22.0, 43.0, 50.0]);
    // SAFETY: three contiguous 2 x 2 matrices, column-major.
    unsafe { taken_home::sgemm(2, 2, 2, 2.0, a.as_ptr(), 1, 2, b.as_ptr(), 1, 2, -1.0, c.as_mut_ptr(), 1, 2) };
    assert_eq!(c, [27.0, 46.0, 19.0, 42.0]);
    println!("{}", taken_home::kernel_name());
}
"""


@pytest.mark.slow
@pytest.mark.alone
def test_from_a_candidate_to_a_program_that_uses_it(tmp_path: Path) -> None:
    crate, program = tmp_path / "crate", tmp_path / "program"
    done = export(
        [
            str(ROOT / "candidates" / "run5"),
            "--to",
            str(crate),
            "--name",
            "taken-home",
            "--suite",
            "64,96x96x96",
            "--clock-budget",
            "1",
        ]
    )
    assert done.returncode == 0, done.stderr
    assert "fallback: every CPU" in done.stdout
    again = export([str(ROOT / "candidates" / "run5"), "--to", str(crate), "--name", "fn"])
    assert again.returncode == 2
    environment = os.environ | LEAN_CARGO | {"CARGO_NET_OFFLINE": "true"}
    subprocess.run(["cargo", "test", "--quiet"], cwd=crate, env=environment, check=True, timeout=600)
    (program / "src").mkdir(parents=True)
    (program / "src" / "main.rs").write_text(PROGRAM, encoding="utf-8")
    (program / "Cargo.toml").write_text(
        '[package]\nname = "program"\nversion = "0.1.0"\nedition = "2024"\n'
        '[dependencies]\ntaken-home = { path = "../crate" }\n',
        encoding="utf-8",
    )
    # Unoptimised, which compiles in a third of the time: it must be right, not fast.
    run = subprocess.run(
        ["cargo", "run", "--quiet"], cwd=program, env=environment, capture_output=True,
        encoding="utf-8", check=False, timeout=600,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() in ("run5 avx2", "run5 avx512", "run5", "fallback")
