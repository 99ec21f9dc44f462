"""Candidates run0 to run3, from the original experiment: each behaves as its doc comment says."""

from __future__ import annotations

import numpy as np
import pytest

from harness import candidate, machine
from harness.compile import policy
from harness.judge.worker.calls import Placement
from harness.schedule import analytical
from harness.schedule.render import render
from harness.shapes import Shape
from harness.verdict import Gate
from tests.conftest import ROOT
from tests.schedule.support import F32, assert_product, build, check_shapes, fill, hosted, prepared, run
from tests.schedule.test_model import MACHINES

CANDIDATES = ROOT / "candidates"
CORES = len(machine.read().cores)


def product_of(name: str, shape: Shape) -> tuple[F32, F32, F32]:
    """A, B, and C after a call of the candidate on a C filled with NaN."""
    exhibit = candidate.load(CANDIDATES / name)
    library = build(exhibit.source, exhibit.manifest.tier)
    with hosted(library, [shape]) as worker:
        (slot,) = slots = worker.slots([shape], Placement.ALIGNED)
        fill(slots, np.random.default_rng(11))
        run(worker, slots)
        return slot.a.copy(), slot.b.copy(), slot.c.copy()


def test_run0_writes_only_the_diagonal_blocks() -> None:
    a, b, c = product_of("run0", Shape(60, 40, 60))
    assert np.isnan(c[:30, 30:]).all()
    assert np.isnan(c[30:, :30]).all()
    for block in (slice(0, 15), slice(45, 60)):  # on its diagonal blocks the recursion is right
        right = ~np.isnan(c[block, block])
        assert right.any()
        np.testing.assert_allclose(
            c[block, block][right], (a[block] @ b[:, block])[right], rtol=1e-3, atol=1e-4
        )


def test_run2_writes_every_tile_to_the_first_tile_of_c() -> None:
    a, b, c = product_of("run2", Shape(64, 48, 64))
    assert np.isnan(c[8:]).all()
    assert np.isnan(c[:8, 8:]).all()
    assert_product(a[-8:], b[:, -8:], c[:8, :8])  # the last tile, stored where the first belongs


@pytest.mark.parametrize("name", ["run1", "run3"])
def test_run1_and_run3_are_right(name: str) -> None:
    exhibit = candidate.load(CANDIDATES / name)
    threads = 1 if exhibit.manifest.threads == 1 else min(2, CORES)
    shapes = [Shape(m, k, n) for m in (0, 1, 4, 9) for k in (0, 1, 3) for n in (0, 1, 16, 33)]
    shapes += [Shape(127, 127, 127), Shape(300, 165, 200), Shape(2, 700, 2500)]
    check_shapes(build(exhibit.source, exhibit.manifest.tier), shapes, threads=threads)


def test_the_manifests_expect_the_verdicts_of_the_original_experiment() -> None:
    manifests = {
        name: candidate.load(CANDIDATES / name).manifest for name in ("run0", "run1", "run2", "run3")
    }
    assert {name: (m.expect, m.gate) for name, m in manifests.items()} == {
        "run0": ("rejected", Gate.SHAPES),
        "run1": ("accepted", None),
        "run2": ("rejected", Gate.SHAPES),
        "run3": ("accepted", None),
    }
    assert [m.threads for m in manifests.values()] == [1, 1, 1, "all"]
    assert [m.tier for m in manifests.values()] == ["safe", "safe", "safe", "unsafe"]
    source = (CANDIDATES / "run3" / "kernel.rs").read_text()
    assert 'target_arch = "aarch64"' in source
    assert 'is_x86_feature_detected!("avx")' in source


@pytest.mark.parametrize("name", sorted(MACHINES))
@pytest.mark.parametrize("threads", [1, "all"])
def test_kernels_for_other_machines_pass_the_source_policy(name: str, threads: object) -> None:
    schedule = analytical.first(MACHINES[name], 1 if threads == 1 else "all")
    report = policy.check(render(schedule, "elsewhere"), schedule.tier, prepared().inspector)
    assert isinstance(report, policy.PolicyReport), report


def test_kernels_for_another_architecture_fall_back_to_portable_rust() -> None:
    elsewhere = "Zen 4" if machine.read().arch == "aarch64" else "M1"
    schedule = analytical.first(MACHINES[elsewhere])
    library = build(render(schedule, "fallback"), schedule.tier)
    check_shapes(library, [Shape(0, 3, 3), Shape(3, 0, 3), Shape(17, 33, 65), Shape(64, 64, 64)])
