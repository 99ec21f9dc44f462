"""Calls in other surroundings: small stacks, two at once, one slice as A and B, a parent that is paused."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import numpy as np
import pytest

from harness.judge.worker.calls import Placement, Ran, Surroundings
from harness.judge.worker.procfs import glance
from harness.shapes import Shape
from harness.verdict import Crash
from tests.host.support import AT, fill, worker

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, uses signals")


@pytest.mark.parametrize("surroundings", list(Surroundings))
def test_every_call_is_made_in_any_surroundings(surroundings: Surroundings) -> None:
    shapes = [Shape(7 + i, 20, 9) for i in range(9)]
    with worker(shapes=shapes) as w:
        slots = w.slots(shapes, Placement.ALIGNED)
        fill(slots)
        ran = w.run(slots, at=AT, limit_s=20, surroundings=surroundings)
        assert isinstance(ran, Ran)
        assert ran.fp_env_restored
        for slot in slots:
            np.testing.assert_array_equal(slot.c, slot.a @ slot.b)


@pytest.mark.parametrize(("n", "skip"), [(6, 0), (4, 0), (4, 5), (4, 8)])
def test_one_slice_is_passed_as_a_and_b(n: int, skip: int) -> None:
    apart = "unsafe { b.as_ptr().offset_from(a.as_ptr()) }"
    body = f"if {apart} == {skip} {{ right(m, k, n, a, b, c) }} else {{ c.fill(-1.0) }}"
    with worker(body, shapes=[Shape(6, 4, n)]) as w:
        slot = w.shared(Shape(6, 4, n), skip)
        slot.a[...] = np.arange(24, dtype=np.float32).reshape(6, 4)
        assert isinstance(w.run([slot], at=AT, limit_s=20), Ran)
        np.testing.assert_array_equal(
            slot.c, slot.a @ np.arange(skip, skip + 4 * n, dtype=np.float32).reshape(4, n)
        )


STACK = "let mut x = [1u8; {}]; std::hint::black_box(&mut x); right(m, k, n, a, b, c)"


@pytest.mark.parametrize(("mebibytes", "dies"), [(1, False), (3, True)])
def test_a_thread_has_two_mebibytes_of_stack(mebibytes: int, dies: bool) -> None:
    shape = Shape(4, 4, 4)
    with worker(STACK.replace("{}", str(mebibytes << 20)), shapes=[shape]) as w:
        slots = w.slots([shape], Placement.ALIGNED)
        fill(slots)
        assert isinstance(w.run(slots, at=AT, limit_s=20), Ran)
        ran = w.run(slots, at=AT, limit_s=20, surroundings=Surroundings.THREAD)
        assert isinstance(ran, Crash if dies else Ran), ran


x86 = pytest.mark.skipif(os.uname().machine != "x86_64", reason="x86-64 flags")


@x86
@pytest.mark.parametrize("left", ["std", "fld1", "stc"])
@pytest.mark.parametrize("surroundings", list(Surroundings))
def test_flags_and_x87_registers_left_behind_are_noticed(left: str, surroundings: Surroundings) -> None:
    body = f'right(m, k, n, a, b, c); std::arch::asm!("{left}")'
    shapes = [Shape(4, 4, 4)] * 2
    with worker(body, shapes=shapes) as w:
        slots = w.slots(shapes, Placement.ALIGNED)
        for _ in range(2):
            fill(slots)
            ran = w.run(slots, at=AT, limit_s=20, surroundings=surroundings)
            assert isinstance(ran, Ran)
            # The carry flag may hold anything.
            assert ran.fp_env_restored is (left == "stc")


@linux
def test_time_in_which_the_parent_is_paused_is_told_and_extends_the_limit() -> None:
    spin = "let t = std::time::Instant::now(); while t.elapsed().as_millis() < 700 {} right(m, k, n, a, b, c)"
    shape = Shape(4, 4, 4)
    with worker(spin, shapes=[shape], sandboxed=False) as w:
        slots = w.slots([shape], Placement.ALIGNED)
        fill(slots)
        quiet = w.run(slots, at=AT, limit_s=20)
        pause = f"sleep 0.3; kill -STOP {os.getpid()}; sleep 1.5; kill -CONT {os.getpid()}"
        with subprocess.Popen(["sh", "-c", pause]) as pausing:
            began = time.monotonic()
            paused = w.run(slots, at=AT, limit_s=1.2)
            assert time.monotonic() - began > 1.5
            pausing.wait()
    assert isinstance(quiet, Ran)
    assert quiet.stalled_ns < 500_000_000
    assert isinstance(paused, Ran)
    assert paused.stalled_ns > 1_000_000_000


@linux
def test_private_memory_of_a_worker_is_read() -> None:
    with worker() as w:
        assert glance(w.pid).data_bytes > 0
