"""`python -m harness.doctor` here, without a toolchain, with a refused sandbox, with packages missing."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from harness.compile import crates
from harness.doctor import __main__ as command
from harness.doctor import checkups
from harness.doctor.checkups import Checkup, Condition, Finding
from harness.errors import UserError
from harness.minds import catalogue
from harness.store import embedders
from tests.conftest import ROOT

TOPICS = [
    "python",
    "packages",
    "machine",
    "load",
    "toolchain",
    "cache",
    "tools",
    "sandbox",
    "limits",
    "BLAS",
    "results",
    "memory",
    "models",
    "training",
    "embedders",
]


def doctor(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness.doctor", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=dict(os.environ) | environment,
        check=False,
    )


def topics_of(text: str) -> list[str]:
    return [line.split()[1] for line in text.splitlines()[:-1] if not line.startswith(" ")]


def finding_of(topic: str, tmp_path: Path) -> Finding:
    (found,) = (one.finding() for one in checkups.checkups(tmp_path, None) if one.topic == topic)
    return found


def cpu_of_children_s() -> float:
    """CPU seconds of all ended processes that this one started: unlike wall time, hardly longer on a busy machine."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_a_machine_that_has_everything_is_ready_within_seconds(tmp_path: Path) -> None:
    crates.host_binary(print)
    start_s = cpu_of_children_s()
    run = doctor("--results", str(tmp_path / "results"))
    assert run.returncode == 0, run.stdout + run.stderr
    assert cpu_of_children_s() - start_s < 20
    assert topics_of(run.stdout) == TOPICS
    assert run.stdout.endswith("ready: pytest --generate 4\n")
    assert not (tmp_path / "results").exists(), "the doctor writes nothing"


def test_without_a_toolchain_it_says_how_to_get_one(tmp_path: Path) -> None:
    run = doctor("--results", str(tmp_path), PATH="/nowhere", HOME=str(tmp_path))
    assert run.returncode == 1
    assert "MISSING  toolchain  no Rust toolchain: rustc is not on PATH\n" in run.stdout
    assert "-> install rustup from rustup.rs" in run.stdout
    assert topics_of(run.stdout) == TOPICS, "every topic is told although one is missing"
    assert run.stdout.endswith("not ready: toolchain\n")
    assert "Traceback" not in run.stdout + run.stderr


def test_a_refused_sandbox_is_told_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = tmp_path / "host"
    host.write_text('#!/bin/sh\necho \'{"usable": false, "reason": "Landlock is not in this kernel"}\'\n')
    host.chmod(0o755)
    monkeypatch.setattr(crates, "host_binary", lambda say: host)
    found = finding_of("sandbox", tmp_path)
    assert found.condition is Condition.MISSING
    assert found.said == "no sandbox here: Landlock is not in this kernel"
    assert "--unsandboxed" in found.remedy


def test_without_a_cache_nothing_is_built_and_the_sandbox_is_unknown(tmp_path: Path) -> None:
    run = doctor("--results", str(tmp_path), ROUNDTABLE_CACHE=str(tmp_path / "cache"))
    assert run.returncode == 0
    assert "unknown  tools" in run.stdout
    assert "unknown  sandbox" in run.stdout
    assert "-> python -m harness.doctor --build" in run.stdout
    assert not list((tmp_path / "cache").rglob("roundtable-host"))


def test_a_missing_or_old_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkups, "_requirements", lambda: ["no-such-package>=1", "numpy>=99", "pytest>=8"])
    found = finding_of("packages", tmp_path)
    assert found.condition is Condition.MISSING
    assert "no-such-package is not installed" in found.said
    assert ", needed is >=99" in found.said
    assert found.remedy == "make install"


def test_models_and_embedders_that_are_packages_are_told_where_they_are_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "smollm2" in finding_of("models", tmp_path).said
    assert "minilm" in finding_of("embedders", tmp_path).said
    for module in (catalogue, embedders):
        monkeypatch.setattr(module, "folder_of", lambda name: None)
    assert "smollm2" not in finding_of("models", tmp_path).said
    assert "minilm" not in finding_of("embedders", tmp_path).said


def test_what_training_needs_is_told_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkups, "folder_of", lambda name: None if name == "peft" else tmp_path)
    found = finding_of("training", tmp_path)
    assert found.condition is Condition.OPTIONAL
    assert found.said == "no adapters: peft not installed"
    assert found.remedy == "pip install 'matmul-round-table[learn]'"
    monkeypatch.setattr(checkups, "folder_of", lambda name: tmp_path)
    assert finding_of("training", tmp_path).condition is Condition.OK


def test_an_error_of_a_checkup_is_a_finding() -> None:
    def import_fails() -> Finding:
        raise ModuleNotFoundError("No module named 'x'", name="x")

    def a_person_can_mend_it() -> Finding:
        raise UserError("the cache is full; free some space")

    assert Checkup("a", import_fails).finding() == Finding(
        Condition.MISSING, "x is not installed", "make install"
    )
    found = Checkup("b", a_person_can_mend_it).finding()
    assert found == Finding(Condition.MISSING, "the cache is full", "free some space")
    assert list(command.told("b", found)) == [
        "MISSING  b          the cache is full",
        "                      -> free some space",
    ]


def test_no_home_folder_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert checkups._short(Path("/home/somebody/.cache/roundtable")) == "~/.cache/roundtable"


def test_a_results_folder_that_cannot_be_written_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    found = finding_of("results", tmp_path)
    assert found.condition is Condition.MISSING
    assert "--results FOLDER" in found.remedy
