"""OpenBLAS's core types: chosen ones reach the worker and the label, the strongest is measured and kept."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import machine as machines
from harness.caches import default_cache
from harness.clock import baseline as baselines
from harness.clock import core_types
from harness.clock.session import ClockSession
from harness.errors import UserError
from harness.judge.worker.calls import Abi, Program
from harness.judge.worker.limits import limits_for
from harness.judge.worker.process import environment
from harness.settings import Settings
from harness.shapes import Shape

NUMPYS = baselines.find(None)
openblas = pytest.mark.skipif(NUMPYS.name != "OpenBLAS", reason="numpy brings another BLAS")
LIMITS = limits_for(Shape(4, 4, 4), 1, (0,))


def session(tmp_path: Path, core_type: str = "auto") -> ClockSession:
    from harness.compile.tools import prepare

    said: list[str] = []
    settings = Settings(tmp_path, default_cache(), tmp_path, "", suite="64x64x64", core_type=core_type)
    opened = ClockSession.open(settings, prepare(said.append, sandboxed=True), machines.read(), said.append)
    return replace(opened, cache=tmp_path)


def test_only_a_blas_gets_the_choices_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    kernel = Program(Path("x.so"), "harness_matmul", Abi.KERNEL)
    assert "OPENBLAS_CORETYPE" not in environment(LIMITS, kernel)
    assert environment(LIMITS, NUMPYS.program)["OPENBLAS_CORETYPE"] == "Haswell"
    chosen = replace(NUMPYS, core_type="Zen").program
    assert environment(LIMITS, chosen)["OPENBLAS_CORETYPE"] == "Zen"


@openblas
def test_a_chosen_core_type_is_in_the_label(tmp_path: Path) -> None:
    own = session(tmp_path).baseline
    assert session(tmp_path, own.architecture).baseline.architecture == own.architecture
    with pytest.raises(UserError, match="--core-type Foo: this OpenBLAS has no kernels of that name"):
        session(tmp_path, "Foo")


def test_a_library_without_core_types_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no OpenBLAS"):
        baselines.with_core_type(replace(NUMPYS, name="MKL"), "Haswell")


def test_where_there_is_nothing_to_choose_the_library_is_its_own_strongest(tmp_path: Path) -> None:
    opened = session(tmp_path).core_types()
    mkl = replace(opened.baseline, name="MKL")
    assert replace(opened, baseline=mkl).strongest() == mkl
    unknown = replace(opened, machine=replace(opened.machine, isa=()))
    assert unknown.strongest() == opened.baseline


@openblas
@pytest.mark.slow
def test_the_library_as_installed_is_timed_where_the_baseline_has_other_kernels(tmp_path: Path) -> None:
    assert session(tmp_path).installed_ratio(1, core_types.SHAPES) is None
    others = session(tmp_path).core_types().different()
    own = session(tmp_path).baseline.architecture
    slower = next(found.core_type for found in others if found.architecture != own)
    opened = session(tmp_path, slower)
    found = opened.installed_ratio(1, core_types.SHAPES)
    assert found is not None
    assert 0.5 < found < 20
    assert opened.installed_ratio(1, core_types.SHAPES) == found, "timed twice"


@openblas
@pytest.mark.slow
def test_the_strongest_is_measured_once_and_kept(tmp_path: Path) -> None:
    opened = session(tmp_path).core_types()
    best = opened.strongest()
    (kept,) = (tmp_path / "clock").glob("core-type-*.json")
    assert json.loads(kept.read_text())["core_type"] == best.core_type
    again = replace(opened, time_ns=lambda found: pytest.fail("measured twice"))
    assert again.strongest() == best


@openblas
def test_the_fastest_of_the_measured_types_is_taken(tmp_path: Path) -> None:
    opened = session(tmp_path).core_types()
    for number, fastest in enumerate(opened.different()):
        here = replace(opened, cache=tmp_path / str(number))
        assert replace(here, time_ns=lambda found, best=fastest: 1.0 + (found != best)).strongest() == fastest


@pytest.mark.parametrize(
    "kept",
    [
        "",
        "[]",
        "{}",
        {"core_type": "rm -rf", "when_s": 0.0},
        {"core_type": "Haswell", "when_s": 0.0},
        {"core_type": 3},
    ],
)
def test_an_old_or_damaged_note_is_measured_again(tmp_path: Path, kept: Any) -> None:
    note = tmp_path / "note.json"
    assert core_types._read(note) is None
    note.write_text(kept if isinstance(kept, str) else json.dumps(kept))
    assert core_types._read(note) is None
    note.write_text(json.dumps({"core_type": "Haswell", "when_s": time.time()}))
    assert core_types._read(note) == "Haswell"
