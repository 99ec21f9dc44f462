"""Parts of the clock that need no worker: suites, baselines, the floor, the definition of own time."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import machine as machines
from harness.clock import baseline, floor, suites
from harness.clock.floor import Peak
from harness.clock.measure import MAIN_SHARE, _Trial
from harness.clock.statistics import RatioInterval
from harness.clock.worker_pair import own_ns, undisturbed
from harness.errors import HarnessFaultError, UserError
from harness.judge.scheme_levels import CLASSICAL, SchemeLevels
from harness.judge.worker.calls import Abi, Program, Ran
from harness.operation.operations import OperationName
from harness.shapes import Shape, TimedForm

shapes = st.builds(Shape, st.integers(1, 40), st.integers(1, 60), st.integers(1, 40))


# ---- suites


@given(st.lists(shapes, min_size=1, max_size=10, unique=True))
def test_a_list_of_shapes_reads_back(wanted: list[Shape]) -> None:
    assert suites.parse(",".join(map(str, wanted))) == tuple(wanted)


@pytest.mark.parametrize("name", suites.SUITES)
def test_every_named_suite_fits_into_a_small_machine(name: str) -> None:
    """Half of 8 GB of free memory, or of 10 GB for 8192^3."""
    assert suites.parse(name, memory_bytes=(5 if name == "large" else 4) << 30) == suites.SUITES[name]


def test_cold_is_asked_for_by_name() -> None:
    assert suites.parse("square:cold", memory_bytes=4 << 30) == suites.SUITES["square"]
    assert suites.parse("3x4x5:cold") == (Shape(3, 4, 5),)
    assert suites.is_cold("square:cold")
    assert not suites.is_cold("square")


def test_gpt2_has_the_shapes_of_its_training() -> None:
    found = {frozenset(shape) for shape in suites.parse("gpt2", memory_bytes=4 << 30)}
    for edges in ({768, 2304}, {768, 3072}, {768, 50257}):
        assert any(edges <= shape for shape in found)


def test_gpt2_train_has_the_layouts_of_llm_c() -> None:
    found = suites.parse("gpt2-train", memory_bytes=4 << 30)
    assert {str(form) for form in found} >= {"256x768x2304:nt", "256x2304x768:nn+", "2304x256x768:tn+"}
    assert all(isinstance(form, TimedForm) for form in found)


def test_layouts_are_written_after_a_shape() -> None:
    text = "64x64x64:nt,8:TN+*0.5,64x64x64,64x64x64:nn"
    assert [str(shape) for shape in suites.parse(text)] == [
        "64x64x64:nt",
        "8x8x8:tn+*0.5",
        "64x64x64",
        "64x64x64:nn",
    ]
    assert suites.parse("8:nt:cold") == (TimedForm(8, 8, 8, "nt"),)


def test_the_default_suite_depends_on_the_operation() -> None:
    matmul, sgemm = OperationName.MATMUL, OperationName.SGEMM
    assert suites.name_for("default", matmul) == "default"
    assert suites.name_for("default", sgemm) == "gpt2-train"
    assert suites.name_for("default:cold", sgemm) == "gpt2-train:cold"
    assert suites.name_for("square", sgemm) == "square"
    suites.require_operation(suites.SUITES["gpt2-train"], sgemm, "gpt2-train")
    suites.require_operation(suites.SUITES["gpt2"], matmul, "gpt2")
    with pytest.raises(UserError, match="256x768x2304:nt has a layout"):
        suites.require_operation(suites.SUITES["gpt2-train"], matmul, "gpt2-train")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "neither a suite"),
        ("huge", "default, square, large, gpt2, gpt2-train, skinny, odd"),
        ("64x64", "neither a suite"),
        ("64,", "neither a suite"),
        ("-3", "neither a suite"),
        ("2.5", "neither a suite"),
        ("²", "neither a suite"),
        ("0x4x4", "each of M, K, N is 1 to"),
        ("9" * 30, "each of M, K, N is 1 to"),
        ("9" * 5000, "digits"),
        ("64,64x64x64", "listed twice"),
        ("64:nt,64x64x64:nt", "listed twice"),
        ("64:nx", "nn, nt, tn or tt"),
        ("64:nn*3", "power of two"),
        ("8:nn/1000000/8/8,9:nn/1/9/9", "leading dimensions are at least 9/9/9"),
        ("2x64x64:nn/9999999/9999999/9999999", "choose a smaller shape"),
        ("1000000x1000000x3", "choose a smaller shape"),
        (",".join(str(edge) for edge in range(1, 100)), "at most 64"),
    ],
)
def test_an_invalid_suite_is_reported_in_one_line(text: str, says: str) -> None:
    with pytest.raises(UserError, match=says) as error:
        suites.parse(text, memory_bytes=8 << 30)
    assert "\n" not in str(error.value)


# ---- baseline

DIES = """
#[link_section = ".init_array"] #[used] static DIE: extern "C" fn() = die;
extern "C" fn die() { std::process::abort() }
"""


def test_numpys_own_blas_is_found_quickly_and_described() -> None:
    began = time.process_time()
    found = baseline.find(None)
    assert time.process_time() - began < 2.0
    assert found.path.is_file() or "Accelerate" in str(found.path)
    assert found.symbol in baseline.SYMBOLS
    assert found.abi is (Abi.CBLAS64 if "64" in found.symbol else Abi.CBLAS32)
    assert found.name in str(found)
    assert json.dumps(found.as_record(1))


def test_the_same_library_by_path_is_the_same_baseline() -> None:
    found = baseline.find(None)
    assert baseline.find(found.path) == replace(found, path=found.path.resolve())


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: None, "is not there"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: path.write_bytes(b"not a library"), "cannot be loaded"),
        (
            lambda path: _library(path, "pub extern fn other() {}"),
            "has no cblas_sgemm .looked for .*cblas_sgemm64_",
        ),
        (lambda path: _library(path, DIES), "kills the process"),
    ],
)
def test_an_unusable_baseline_is_reported_in_one_line(make: object, says: str, tmp_path: Path) -> None:
    path = tmp_path / "blas.so"
    make(path)  # type: ignore[operator]
    with pytest.raises(UserError, match=says):
        baseline.find(path)


def _library(path: Path, source: str) -> None:
    text = path.with_suffix(".rs")
    text.write_text(source)
    subprocess.run(
        ["rustc", "-Cpanic=abort", "--crate-type=cdylib", "-o", path, text], check=True, capture_output=True
    )


# ---- own time


@given(st.integers(1, 10**9), st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**6))
def test_own_time_is_between_cpu_and_wall(elapsed: int, cpu: int, waited: int, null: int) -> None:
    """Waiting for the core is subtracted, but the result is never below the CPU time of the process."""
    ran = Ran(elapsed, cpu, 1, 0, 0, 0, True, waited)
    wall = max(elapsed - null, 1.0)
    assert min(wall, cpu) <= own_ns(ran, null, 1) <= wall
    assert own_ns(ran, null, 1) >= wall - waited
    assert min(wall, cpu / 2) <= own_ns(ran, null, 2) <= own_ns(ran, null, 1)


def test_computing_in_other_threads_while_the_main_thread_waits_gains_nothing() -> None:
    assert own_ns(Ran(10_000_000, 9_900_000, 2, 0, 0, 0, True, 9_000_000), 0, 1) == 9_900_000


@pytest.mark.parametrize("elapsed", [-(10**9), 0, 1])
def test_a_clock_that_jumps_gives_positive_times(elapsed: int) -> None:
    """Only a monotonic clock is read; even if it misbehaves, a time stays positive and its logarithm finite."""
    assert own_ns(Ran(elapsed, 10**6, 1, 0, 0, 0, True, 0), 20_000, 1) == 1.0


def test_sleeping_counts_as_own_time() -> None:
    assert own_ns(Ran(10_000_000, 1_000_000, 1, 0, 0, 0, True, 0), 0, 1) == 10_000_000


@pytest.mark.parametrize(
    ("changes", "clean"),
    [
        ({}, True),
        ({"steal_ns": 10**7}, False),
        ({"involuntary_switches": 9}, False),
        ({"waited_ns": 10**6, "cpu_ns": 10**6}, False),
    ],
)
def test_disturbance_is_recognised_by_its_causes(changes: dict[str, int], clean: bool) -> None:
    quiet = Ran(2_000_000, 1_990_000, 1, 0, 0, 0, True, 1_000)
    assert undisturbed(replace(quiet, **changes), 1) is clean
    assert undisturbed(replace(quiet, elapsed_ns=10**10, cpu_ns=10**10), 1), "long is not disturbed"


# ---- the floor

PEAK = Peak(100.0, 200.0, 300.0, 20.0, machines.read().identity("all"), floor._now().isoformat(), 150.0, 60.0)


@given(st.builds(Shape, *[st.integers(1, 4096)] * 3))
def test_no_machine_of_that_peak_gets_below_the_floor(shape: Shape) -> None:
    """Full peak with every load from L1 stays above the floor, and so do three levels of Strassen at full peak. A
    kernel that saves no products and is a fifth faster than the peak does not.
    """
    at_peak_ns = max(shape.flops / 100.0, (shape.input_bytes + shape.output_bytes) / 300.0)
    assert PEAK.floor_ns(shape, 1, 0) < at_peak_ns
    fast = SchemeLevels({shape: 3}).saving(shape)
    assert (
        PEAK.floor_ns(shape, 1, 0, fast) < shape.flops * (7 / 8) ** 3 / 100.0
        or at_peak_ns > shape.flops / 100.0
    )
    assert PEAK.floor_ns(shape, 1, 0) > shape.flops / 120.0
    assert PEAK.floor_ns(shape, 2, 0) <= PEAK.floor_ns(shape, 1, 0) <= PEAK.floor_ns(shape, 1, 1 << 40)


def test_microseconds_at_1024_cubed_are_below_the_floor() -> None:
    assert PEAK.floor_ns(Shape(1024, 1024, 1024), 1, 0) > 1e6


@pytest.mark.parametrize(
    "figures",
    [
        {"fma_gflops": 4e6},
        {"fma_gflops": 1e-3},
        {"fma_gflops": float("nan")},
        {"l1_gbps": 1e7},
        {"memory_gbps": 0.0},
        {"l3_gbps": 1e7},
    ],
)
def test_an_implausible_peak_is_a_fault_of_the_harness(
    figures: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = machines.read()
    sound = Peak(50.0, 50.0, 100.0, 10.0, machine.identity("all"), PEAK.measured, 80.0, 40.0)
    assert floor.implausible(sound, machine) is None
    assert floor.implausible(replace(sound, **figures), machine) is not None
    monkeypatch.setattr(floor, "Peak", lambda **_: replace(sound, **figures))
    with pytest.raises(HarnessFaultError, match=next(iter(figures))):
        floor.measure(lambda symbol, shape, tries: [1.0] * tries, machine)


def test_a_saved_peak_is_used_unless_stale_damaged_or_from_another_machine(tmp_path: Path) -> None:
    machine = machines.read()
    peak = Peak(50.0, 50.0, 100.0, 10.0, machine.identity("all"), PEAK.measured, 80.0, 40.0)
    assert floor.load(tmp_path, machine) is None
    floor.save(tmp_path, machine, peak)
    assert floor.load(tmp_path, machine) == peak
    for spoiled in (replace(peak, measured="2001-01-01T00:00:00+00:00"), replace(peak, machine="another")):
        floor.save(tmp_path, machine, spoiled)
        assert floor.load(tmp_path, machine) is None
    next((tmp_path / "clock").glob("peak-*.json")).write_text('{"fma_gflops": ')
    assert floor.load(tmp_path, machine) is None
    assert floor.better(peak, replace(peak, fma_gflops=60.0, l1_gbps=90.0)) == replace(peak, fma_gflops=60.0)


def test_the_budget_is_enough_for_five_pairs_of_a_large_shape_and_the_usual_one_otherwise() -> None:
    """At 100 GFLOP/s two products of 4096^3 take 2.75 s, or 2.5 s with the headroom of the floor."""

    def budget_s(*edges: int) -> float:
        suite = tuple(Shape(edge, edge, edge) for edge in edges)
        session = SimpleNamespace(
            suite_of=lambda program: suite,
            settings=SimpleNamespace(clock_budget_s=6.0),
            for_suite=lambda budget_s, suite: budget_s,
            peak=lambda: PEAK,
        )
        program = Program(Path("x"), "x", Abi.KERNEL)
        return _Trial(program, session, 1, CLASSICAL, RatioInterval(0, 0)).budget_s  # type: ignore[arg-type]

    assert budget_s(64, 128, 256, 512, 1024) == 6.0
    assert 5 * 2.75 < MAIN_SHARE * budget_s(4096) < 5 * 2.75 * 2.5
