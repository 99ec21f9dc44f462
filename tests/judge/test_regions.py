"""Secret shapes between the lists: which ranges of extents meet, and what two plans cover together."""

from __future__ import annotations

import itertools

import pytest

from harness.judge import regions
from harness.judge.examination import Examination
from harness.settings import Profile
from tests.judge.fakes import examination_for, honest


def examination(seed: int, profile: Profile = Profile.DEFAULT) -> Examination:
    return examination_for(honest, seed=seed, profile=profile)


@pytest.mark.parametrize("seed", range(6))
def test_any_two_short_ranges_meet_along_any_two_axes(seed: int) -> None:
    plans = (regions.regions, regions.other_regions)
    shapes = [shape for plan in plans for shape in plan(examination(seed))]
    short = [span for span in regions.RANGES if span[1] <= 130]
    for axis, one, other in itertools.product(range(3), short, short):
        met = [s for s in shapes if one[0] <= s[axis] <= one[1] and other[0] <= s[axis - 1] <= other[1]]
        assert met, (axis, one, other)
    assert sum(shape.flops for shape in shapes) < 1e9


@pytest.mark.parametrize("seed", range(20))
def test_few_rows_columns_or_terms_meet_two_moderate_extents(seed: int) -> None:
    shapes = list(regions.regions(examination(seed)))
    for axis in range(3):
        others = [(s[axis - 1], s[axis - 2]) for s in shapes if s[axis] <= regions.FEW[1]]
        assert any(min(pair) >= 131 and max(pair) <= 520 for pair in others)


@pytest.mark.parametrize("seed", range(20))
def test_two_plans_together_have_one_and_two_long_extents_along_every_axis(seed: int) -> None:
    plans = (regions.moderate, regions.other_moderate)
    shapes = [shape for plan in plans for shape in plan(examination(seed))]
    long = sorted(tuple(extent >= regions.LONG[0] for extent in shape) for shape in shapes)
    kinds = set(itertools.product((False, True), repeat=3)) - {(False,) * 3, (True,) * 3}
    assert long == sorted(kinds)


def test_the_quick_profile_has_few() -> None:
    assert len(list(regions.regions(examination(1, Profile.QUICK)))) == regions.QUICK
