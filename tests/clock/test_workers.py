"""The clock on real workers: honest kernels get a consistent score; kernels that cheat only when timed are caught."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness import machine as machines
from harness.caches import default_cache
from harness.clock import floor, measure, screening
from harness.clock.baseline import Baseline
from harness.clock.data import ExactData, RealData, TurnData
from harness.clock.measure import PEAK_TRIES
from harness.clock.session import ClockSession
from harness.clock.statistics import RatioInterval
from harness.clock.worker_pair import Rival
from harness.compile import toolchain
from harness.compile.crates import ExternCrates
from harness.compile.tools import Tools
from harness.errors import HarnessFaultError, UserError
from harness.judge.worker.calls import Abi, Program
from harness.settings import Settings
from harness.verdict import Cheat, Crash, Gate, Inconclusive, Panic, Rejection, Score, Timeout, TooFast, Wrong
from tests.host import support

SUITE = "32,48x96x40"

pytestmark = [pytest.mark.perf, pytest.mark.slow]


def session(said: list[str] | None = None, **changes: object) -> ClockSession:
    """A session with a small suite and a small budget, and the real host."""
    nothing = Path("/nonexistent")
    tools = Tools(
        toolchain.find(), support.host(), nothing, ExternCrates(nothing, nothing, ""), True, nothing
    )
    settings = Settings(root=nothing, cache=default_cache(), results=nothing, memory="", suite=SUITE)
    say = (said if said is not None else []).append
    changes = {"clock_budget_s": 1.5} | changes
    return ClockSession.open(replace(settings, **changes), tools, machines.read(), say)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def clock() -> ClockSession:
    """One session for all kernels; its control is set to unbiased, because these tests are not about the machine's
    noise.
    """
    made = session()
    made._controls = {threads: RatioInterval(0.0, 0.01) for threads in (1, len(made.machine.cores))}
    return made


def timed(clock: ClockSession, body: str, extra: str = "") -> Score | Rejection:
    return measure.score(Program(support.library(body, extra), "harness_matmul", Abi.KERNEL), "1", clock)


def test_an_honest_loop_gets_a_consistent_score(clock: ClockSession) -> None:
    score = timed(clock, support.NAIVE)
    assert isinstance(score, Score)
    assert score.ratio_low <= score.ratio <= score.ratio_high < 1.0
    assert (score.threads, score.baseline) == (1, str(clock.baseline))
    assert [timing.shape for timing in score.per_shape] == list(clock.suite)
    for timing in score.per_shape:
        assert 0 < timing.min_time_ns <= timing.time_ns
        assert timing.ratio_low <= timing.ratio <= timing.ratio_high
        assert timing.gflops == pytest.approx(timing.shape.flops / timing.time_ns)
        assert 0 < timing.percent_of_peak < 110
        assert timing.pairs > 0
        # A sum of k products in f32, one by one and in blocks.
        assert timing.error is not None
        assert 1e-8 < timing.error < 1e-5
        assert timing.baseline_error is not None
        assert 1e-8 < timing.baseline_error < 1e-5
    mean = float(np.exp(np.mean([np.log(timing.ratio) for timing in score.per_shape])))
    assert score.ratio == pytest.approx(mean)


def test_twice_the_work_is_about_half_the_ratio(clock: ClockSession) -> None:
    """A kernel that computes everything twice has about half the ratio."""
    once, twice = timed(clock, support.NAIVE), timed(clock, TWICE)
    assert isinstance(once, Score)
    assert isinstance(twice, Score)
    assert 1.4 < once.ratio / twice.ratio < 2.9


TWICE = "right(m, k, n, a, b, c); right(m, k, n, std::hint::black_box(a), b, c)"
COUNTER = "static CALLS: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);"
NEXT = "let calls = CALLS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);"
# Keeps the last result in order to return it again.
STORE = "static mut LAST: Vec<(usize, Vec<f32>)> = Vec::new();"

CHEATS = {
    "works only in the warm-up": (f"{NEXT} if calls < 700 {{ right(m, k, n, a, b, c) }}", COUNTER),
    "skips one of a batch": (f"{NEXT} if calls % 50 != 37 {{ right(m, k, n, a, b, c) }}", COUNTER),
    "leaves C alone": ("", ""),
    "writes zeros": ("c.fill(0.0)", ""),
    "one element off, seldom": (
        f"right(m, k, n, a, b, c); {NEXT} if calls % 400 == 399 {{ c[m * n / 2] += 1.0 }}",
        COUNTER,
    ),
    "remembers outputs by address": (
        "let key = a.as_ptr() as usize; let store = &mut *std::ptr::addr_of_mut!(LAST);"
        "if let Some((_, old)) = store.iter().find(|entry| entry.0 == key && entry.1.len() == c.len()) "
        "{ c.copy_from_slice(old) } else { right(m, k, n, a, b, c); store.push((key, c.to_vec())) }",
        STORE,
    ),
    "remembers outputs by a sample of the inputs": (
        "let key = a[0].to_bits() as usize; let store = &mut *std::ptr::addr_of_mut!(LAST);"
        "if let Some((_, old)) = store.iter().find(|entry| entry.0 == key && entry.1.len() == c.len()) "
        "{ c.copy_from_slice(old) } else { right(m, k, n, a, b, c); store.push((key, c.to_vec())) }",
        STORE,
    ),
    "keeps a copy of B by address and three samples": (
        "let key = (b.as_ptr() as usize, [b[0], b[k * n / 2], b[k * n - 1]].map(f32::to_bits));"
        "let store = &mut *std::ptr::addr_of_mut!(KEPT); if !store.iter().any(|entry| entry.0 == key) "
        "{ store.retain(|entry| entry.0.0 != key.0); store.push((key, b.to_vec())) }"
        "let old = store.iter().find(|entry| entry.0 == key).unwrap(); right(m, k, n, a, &old.1, c)",
        "static mut KEPT: Vec<((usize, [u32; 3]), Vec<f32>)> = Vec::new();",
    ),
    "rounds A to bf16": (
        "let short: Vec<f32> = a.iter().map(|x| f32::from_bits(x.to_bits() & 0xffff_0000)).collect();"
        "right(m, k, n, &short, b, c)",
        "",
    ),
    "short integers where the data allows it, bf16 elsewhere": (
        "if a.iter().chain(b).all(|x| x.to_bits() & 0xfff == 0) { return right(m, k, n, a, b, c) }"
        "let short: Vec<f32> = a.iter().map(|x| f32::from_bits(x.to_bits() & 0xffff_0000)).collect();"
        "right(m, k, n, &short, b, c)",
        "",
    ),
    "finishes in the background": (
        f"{NEXT} if calls % 8 != 7 {{ return right(m, k, n, a, b, c) }}"
        "let (x, y, z) = (a.as_ptr() as usize, b.as_ptr() as usize, c.as_mut_ptr() as usize);"
        "std::thread::spawn(move || { std::thread::sleep(std::time::Duration::from_millis(2));"
        "right(m, k, n, std::slice::from_raw_parts(x as *const f32, m * k),"
        "std::slice::from_raw_parts(y as *const f32, k * n), std::slice::from_raw_parts_mut(z as *mut f32, m * n)) });",
        COUNTER,
    ),
}


@pytest.mark.parametrize("trick", CHEATS)
def test_a_wrong_timed_output_is_rejected(trick: str, clock: ClockSession) -> None:
    body, extra = CHEATS[trick]
    verdict = timed(clock, body, extra)
    assert isinstance(verdict, Wrong), verdict
    assert verdict.at.gate is Gate.CLOCK
    # A shape of the suite, or a secret one near it: a copy that is renewed by samples may be right for a while.
    assert verdict.at.shape is not None
    assert verdict.at.seed is not None
    assert verdict.counterexample.row is not None


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (f'{NEXT} if calls > 600 {{ panic!("enough") }} right(m, k, n, a, b, c)', Panic | Crash),
        (f"{NEXT} if calls > 600 {{ std::process::abort() }} right(m, k, n, a, b, c)", Crash | Panic),
    ],
)
def test_a_crash_while_timed_names_the_shape(body: str, kind: type, clock: ClockSession) -> None:
    verdict = timed(clock, body, COUNTER)
    assert isinstance(verdict, kind), verdict
    assert verdict.at.gate is Gate.CLOCK
    assert verdict.at.shape in clock.suite


def test_a_hang_while_timed_is_a_timeout(clock: ClockSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.clock.worker_pair.time_limit_s", lambda shape, count: 2.0)
    body = f"{NEXT} if calls > 600 {{ loop {{ std::hint::spin_loop() }} }} right(m, k, n, a, b, c)"
    verdict = timed(clock, body, COUNTER)
    assert isinstance(verdict, Timeout), verdict
    assert verdict.at.shape in clock.suite


def test_flush_to_zero_left_behind_is_a_cheat(clock: ClockSession) -> None:
    if clock.machine.arch != "x86_64":
        pytest.skip("sets MXCSR")
    body = 'right(m, k, n, a, b, c); let mode: u32 = 0x9fc0; std::arch::asm!("ldmxcsr [{}]", in(reg) &mode)'
    assert isinstance(timed(clock, body), Cheat)


def test_faster_than_physics_is_too_fast(clock: ClockSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same honest kernel on a machine with a far lower peak; the peak is measured again before the verdict."""
    low = floor.Peak(
        1e-3, 1e-3, 100.0, 10.0, clock.machine.identity("all"), "2026-01-01T00:00:00+00:00", 80.0, 40.0
    )
    measured = []
    monkeypatch.setattr(floor, "measure", lambda run, machine: measured.append(1) or low)
    monkeypatch.setattr(floor, "save", lambda *_: None)
    verdict = timed(replace(clock, _peak=low), support.NAIVE)
    assert isinstance(verdict, TooFast), verdict
    assert verdict.time_ns < verdict.floor_ns
    assert measured == [1] * PEAK_TRIES


def test_a_peak_that_was_measured_too_low_rejects_no_kernel(
    clock: ClockSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(floor, "save", lambda *_: None)
    low = replace(clock.peak(), fma_gflops=1e-3, fma_all_gflops=1e-3)
    assert isinstance(timed(replace(clock, _peak=low), support.NAIVE), Score)


def _recording_shape(examine: Callable[[TurnData, np.ndarray], object], fully: list[object]) -> object:
    return lambda self, c: fully.append(self.layout.shape) or examine(self, c)


def test_much_faster_than_the_baseline_is_measured_again_in_full(
    clock: ClockSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a poor baseline every kernel is suspicious: every element is compared, and the real BLAS passes."""
    fully: list[object] = []
    for kind in (ExactData, RealData):
        monkeypatch.setattr(kind, "verify_fully", _recording_shape(kind.verify_fully, fully))
    poor = Baseline(support.library(TWICE), "harness_matmul", Abi.KERNEL, "textbook", "", "")
    changed = replace(clock, baseline=poor, _batching={})
    score = timed(changed, support.NAIVE)
    assert isinstance(score, Score)
    assert score.ratio > 1.1
    assert set(fully) == set(clock.suite)


def test_a_failing_baseline_is_not_the_candidates_fault(clock: ClockSession) -> None:
    useless = Baseline(support.library("c.fill(1.0)"), "harness_matmul", Abi.KERNEL, "useless", "", "")
    with pytest.raises(HarnessFaultError, match="the baseline failed"):
        timed(replace(clock, baseline=useless, _batching={}), support.NAIVE)


def test_a_biased_clock_widens_the_interval_and_a_large_bias_is_inconclusive(clock: ClockSession) -> None:
    """A control that is off by a factor of two shows that the clock cannot be trusted now."""
    bad = replace(clock, _controls={1: RatioInterval(0.7, 0.01)})
    same = measure.score(clock.baseline.program, "1", bad)
    assert isinstance(same, Inconclusive), same
    assert "A/A control" in same.noise


def test_the_control_is_measured_once_and_printed() -> None:
    said: list[str] = []
    fresh = session(said)
    with fresh.alone():
        first, again = fresh.control(1), fresh.control(1)
    assert first is again
    assert len(said) == 1
    assert str(fresh.baseline) in said[0]
    assert first.half_width > 0


def test_all_cores_is_its_own_thread_class(clock: ClockSession) -> None:
    cores = len(clock.machine.cores)
    score = measure.score(clock.baseline.program, "all", clock)
    assert isinstance(score, Score | Inconclusive), score
    if isinstance(score, Score):
        assert score.threads == cores


HOLDER = """
import sys
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_timings_of_two_processes_never_overlap(tmp_path: Path) -> None:
    said: list[str] = []
    waiting = replace(session(said), cache=tmp_path)
    (tmp_path / "clock").mkdir()
    lock = tmp_path / "clock" / "clock.lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        # The other process releases the lock when told to, which happens only after this one was seen waiting.
        waiting.say = lambda line: (said.append(line), other.stdin.close())[0]  # type: ignore[union-attr]
        with waiting.alone():
            assert other.wait() == 0
    assert said == ["clock: another process is timing; waiting for it …"]


def test_a_baseline_that_does_not_multiply_is_refused() -> None:
    """It exports the symbol, but with neither integer width the result is a product."""
    extra = '#[no_mangle] pub unsafe extern "C" fn cblas_sgemm() {}'
    with pytest.raises(UserError, match="does not multiply a 5x7 by a 7x3 matrix"):
        session(baseline=support.library(support.NAIVE, extra))


def test_a_baseline_by_path_is_timed(clock: ClockSession) -> None:
    named = session(baseline=clock.baseline.path)
    assert named.baseline.abi is clock.baseline.abi


def test_a_baseline_held_up_in_every_turn_is_no_gain_of_the_kernels(clock: ClockSession) -> None:
    """The baseline's best turn took far longer in the race than before it: the ratio is not known."""
    cores = len(clock.machine.cores)
    if cores == 1:
        pytest.skip("one core has one thread class")
    batching = {(shape, cores): clock.batching(shape, cores) for shape in clock.suite}
    faster = {key: replace(found, baseline_ns=found.baseline_ns / 50) for key, found in batching.items()}
    score = measure.score(clock.baseline.program, "all", replace(clock, _batching=faster))
    assert isinstance(score, Inconclusive), score


def test_a_kernel_that_is_fast_only_where_it_is_timed_claims_no_more_than_elsewhere(
    clock: ClockSession,
) -> None:
    """Ten times the work at every shape outside of the suite."""
    body = (
        "let timed = (m, k, n) == (32, 32, 32) || (m, k, n) == (48, 96, 40); right(m, k, n, a, b, c);"
        "if !timed { for _ in 0..9 { right(m, k, n, std::hint::black_box(a), b, c) } }"
    )
    tuned, honest = timed(clock, body), timed(clock, support.NAIVE)
    assert isinstance(tuned, Score)
    assert isinstance(honest, Score)
    assert tuned.elsewhere is not None
    assert tuned.is_tuned_to_the_suite
    assert tuned.claimed.ratio < 0.4 * tuned.ratio
    assert honest.elsewhere is not None
    assert honest.claimed.ratio > 0.5 * honest.ratio


def test_screening_orders_kernels_and_gives_wrong_ones_no_ratio(clock: ClockSession) -> None:
    """In the order given: one that does everything thrice, one that leaves C alone, an honest one, one that crashes."""
    bodies = (f"{TWICE}; right(m, k, n, std::hint::black_box(a), b, c)", "", support.NAIVE, "panic!()")
    programs = [Program(support.library(body), "harness_matmul", Abi.KERNEL) for body in bodies]
    kernels = [Rival("kernel", program) for program in programs]
    thrice, idle, honest, crashed = screening.screen(kernels, "1", clock)
    assert idle is None
    assert crashed is None
    assert thrice is not None
    assert honest is not None
    assert 1.8 < honest / thrice < 4.5
    score = timed(clock, support.NAIVE)
    assert isinstance(score, Score)
    assert honest == pytest.approx(score.ratio, rel=0.25)


def test_nothing_is_timed_beside_a_control_that_is_wide(clock: ClockSession) -> None:
    wide = replace(clock, _controls={1: RatioInterval(-0.5, 0.8)})
    verdict = timed(wide, support.NAIVE)
    assert isinstance(verdict, Inconclusive)
    assert "against itself" in verdict.noise


def test_a_suite_of_one_shape_has_one_ratio() -> None:
    single = session(suite="48x96x40")
    single._controls = {1: RatioInterval(0.0, 0.01)}
    score = timed(single, support.NAIVE)
    assert isinstance(score, Score)
    (timing,) = score.per_shape
    assert (timing.ratio, timing.ratio_low, timing.ratio_high) == (
        score.ratio,
        score.ratio_low,
        score.ratio_high,
    )


def test_a_pause_of_this_process_changes_no_ratio(clock: ClockSession) -> None:
    """Turns of some tenths of a second; this process is stopped for a second in the middle of several."""
    # Twenty products take about half a millisecond; the sandbox has no clock to wait for.
    spin = "for _ in 0..20 { right(m, k, n, a, b, c); std::hint::black_box(&mut *c); }"
    quick = replace(clock, suite=clock.suite[:1])
    pid = os.getpid()
    pauses = f"for i in 1 2 3 4; do sleep 0.7; kill -STOP {pid}; sleep 1; kill -CONT {pid}; done"
    undisturbed = timed(quick, spin)
    with subprocess.Popen(["sh", "-c", pauses]) as pausing:
        paused = timed(quick, spin)
        pausing.wait()
    assert isinstance(undisturbed, Score), undisturbed
    assert isinstance(paused, Score), paused
    # When pauses counted, the ratio was thirty times too low.
    assert 0.2 < paused.ratio / undisturbed.ratio < 5
