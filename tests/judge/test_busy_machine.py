"""A machine with more work than cores: a call gets the time that it waited for a core, and evidence does not shrink."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from harness.judge.oracles import REGISTRY
from harness.judge.worker import deadline
from harness.judge.worker.calls import Ran
from harness.machine import usable_cores
from harness.pipeline import SharedTools
from harness.verdict import Gate, Inconclusive, Timeout, Wrong, describe
from tests.host.support import NAIVE, verdict
from tests.judge.test_surroundings import conduct_of

BUSY_FOR_S = 60
# About 0.3 s of computing, without a clock: additions that depend on each other.
COMPUTES = (
    "let mut x = 1.0f64; for _ in 0..100_000_000u64 { x = std::hint::black_box(x) + 1.0; } std::hint::black_box(x); "
    + NAIVE
)

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads waits from /proc")
pytestmark = pytest.mark.alone


def burners(core: int) -> Iterator[None]:
    """Four processes that compute on one core, all of them under way."""
    burn = (
        f"import os, time; os.sched_setaffinity(0, [{core}]); print('under way', flush=True)\n"
        f"end = time.monotonic() + {BUSY_FOR_S}\nwhile time.monotonic() < end: pass"
    )
    # A session each: Linux may share cores among sessions, and the worker has one of its own.
    started = [
        subprocess.Popen([sys.executable, "-c", burn], stdout=subprocess.PIPE, start_new_session=True)
        for _ in range(4)
    ]
    try:
        for burner in started:
            assert burner.stdout is not None
            assert burner.stdout.readline()
        yield
    finally:
        for burner in started:
            burner.kill()
            burner.communicate()


@pytest.fixture
def busy() -> Iterator[None]:
    """The core of the workers of tests.host.support is busy."""
    yield from burners(usable_cores()[0])


@pytest.fixture
def judge_is_busy() -> Iterator[None]:
    """The core on which the judge runs kernels is busy."""
    yield from burners(usable_cores()[-1])


def seconds_when_quiet() -> float:
    ran = verdict(COMPUTES)
    assert isinstance(ran, Ran)
    return ran.cpu_ns / 1e9


@linux
def test_a_call_gets_the_time_that_it_waited_for_a_core(request: pytest.FixtureRequest) -> None:
    limit_s = 2 * seconds_when_quiet()
    request.getfixturevalue("busy")
    ran = verdict(COMPUTES, limit_s=limit_s)
    assert isinstance(ran, Ran), describe(ran)
    assert ran.elapsed_ns / 1e9 > 1.5 * limit_s, "the machine was not busy enough for this test"


@linux
def test_an_endless_loop_is_a_timeout_on_a_busy_machine_too(busy: None) -> None:
    assert isinstance(verdict("loop { std::hint::spin_loop(); }", limit_s=0.3), Timeout)


@linux
def test_threads_that_wait_for_each_other_are_a_timeout(busy: None) -> None:
    spin = "|| loop { std::hint::spin_loop(); }"
    body = f"std::thread::scope(|s| {{ for _ in 0..8 {{ s.spawn({spin}); }} }})"
    assert isinstance(verdict(body, limit_s=0.3), Timeout)


@linux
def test_a_machine_that_gives_no_core_decides_nothing(busy: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "MOST_TIMES", 1.2)
    found = verdict("loop { std::hint::spin_loop(); }", limit_s=0.6)
    assert isinstance(found, Inconclusive), found
    assert "too busy" in describe(found)
    assert "correct" not in describe(found)


@linux
@pytest.mark.slow
@pytest.mark.parametrize(
    ("kernel", "kind"), [("wrong_from_the_2000th_call_on", Wrong), ("honest_ikj", type(None))]
)
def test_calls_are_counted_on_a_busy_machine_too(
    kernel: str, kind: type[Wrong | None], shared: SharedTools, judge_is_busy: None
) -> None:
    others = {oracle.name for oracle in REGISTRY if oracle.gate is Gate.CONDUCT} - {"call-count"}
    rejection = conduct_of(kernel, shared, *others)
    assert isinstance(rejection, kind), rejection
