"""The judge's oracles for shapes and values, and an exported crate's own tests, on aarch64 under emulation."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.candidate import Manifest, ThreadClass
from harness.export.folder import write
from harness.judge.examine import Examined, shapes, values
from harness.machine import read
from harness.operation.operations import MATMUL, SGEMM
from harness.verdict import Wrong, describe
from tests.aarch64 import emulation
from tests.conftest import ROOT
from tests.export.fakes import plan, taken

pytestmark = pytest.mark.slow


def rendered(family: str) -> str:
    """The first NEON kernel of a family."""
    from harness.schedule import analytical
    from harness.schedule.render import render

    return render(analytical.first(read(), family=family, isa="neon"), family)


def run3() -> str:
    return (ROOT / "candidates" / "run3" / "kernel.rs").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if reason := emulation.missing():
        pytest.skip(reason)
    return tmp_path_factory.mktemp("aarch64")


@pytest.fixture(scope="module")
def host(place: Path) -> Path:
    return emulation.host(place)


KERNELS = ["run3", "packed", "packed_intrinsics", "strided_intrinsics"]


@pytest.mark.parametrize("name", KERNELS)
def test_a_neon_kernel_passes_every_oracle_for_shapes_and_values(name: str, host: Path, place: Path) -> None:
    source, threads = (run3(), "all") if name == "run3" else (rendered(name), 1)
    assert "neon" in source
    operation = SGEMM if name == "strided_intrinsics" else MATMUL
    built = emulation.library(name, source, place, operation)
    examined = emulation.examination(host, built, threads, place, operation)
    for gate in (shapes, values):
        found = gate(examined)
        assert isinstance(found, Examined), describe(found)
        assert int(found.notes["calls"]) > 100


def test_a_wrong_neon_kernel_is_told_apart(host: Path, place: Path) -> None:
    """Products that are subtracted: so the emulation is seen to run the NEON code, and the oracles to look at it."""
    broken = run3().replace("vfmaq_n_f32(", "vfmsq_n_f32(")
    assert broken != run3()
    built = emulation.library("wrong", broken, place)
    assert isinstance(shapes(emulation.examination(host, built, "all", place)), Wrong)


def test_an_exported_crate_passes_its_own_tests(place: Path) -> None:
    threads: ThreadClass = "all"
    kernels = [
        taken("run3", run3(), manifest=Manifest(threads=threads)),
        taken("neon", rendered("packed_intrinsics")),
        taken("strided", rendered("strided_intrinsics")),
    ]
    folder = place / "crate"
    write(folder, plan(*kernels).files())
    told = emulation.cargo(folder, place / "target", "test", "--all-features", "--tests")
    assert told.count("test result: ok") >= 4
