"""The lightest scheme of an orbit: proved, never worse, and back from a heavy basis."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.schedule.bilinear import compose, schemes
from harness.schedule.bilinear.scheme import Proof, Scheme, exact, prove
from harness.schedule.bilinear.scheme_cost import growth
from harness.schedule.discover.found import nonzero
from harness.schedule.discover.orbit import lightest


def elementary(size: int, row: int, column: int, times: int) -> compose.Matrix:
    return exact(
        [[1 if i == j else times if (i, j) == (row, column) else 0 for j in range(size)] for i in range(size)]
    )


def turned(scheme: Scheme, rng: random.Random, changes: int) -> Scheme:
    """The scheme after `changes` random elementary changes of each of its bases."""
    for _ in range(changes):
        bases = [
            elementary(size, *rng.sample(range(size), 2), rng.choice((-1, 1)))
            for size in (scheme.m, scheme.k, scheme.n)
        ]
        scheme = compose.change_basis(scheme, *bases)
    return scheme


@settings(max_examples=8)
@given(st.sampled_from(["strassen", "winograd", "hopcroft_kerr_2x3x3"]), st.integers(0, 1 << 32))
def test_the_result_is_proved_and_never_worse(name: str, seed: int) -> None:
    rng = random.Random(seed)
    heavy = turned(schemes.named(name), rng, 2)
    light = lightest(heavy, rng)
    assert isinstance(prove(light), Proof)
    assert (nonzero(light), growth(light)) <= (nonzero(heavy), growth(heavy))
    assert (light.m, light.k, light.n, light.rank) == (heavy.m, heavy.k, heavy.n, heavy.rank)


def test_strassens_scheme_is_found_again_from_heavy_bases() -> None:
    for seed in range(3):
        heavy = turned(schemes.named("strassen"), random.Random(seed), 4)
        assert nonzero(heavy) > 36
        light = lightest(heavy, random.Random(seed))
        assert (nonzero(light), growth(light)) == (36, 12)


def test_winograds_variant_has_strassens_scheme_in_its_orbit() -> None:
    light = lightest(schemes.named("winograd"), random.Random(1))
    assert (nonzero(light), growth(light)) == (36, 12)


@pytest.mark.parametrize("name", ["strassen", "laderman"])
def test_a_scheme_that_is_lightest_stays_the_same(name: str) -> None:
    scheme = schemes.named(name)
    assert lightest(scheme, random.Random(1)) is scheme


def test_a_scheme_with_fractions_is_left_as_it_is() -> None:
    half = exact([[1, "1/2"], [0, 1]])
    scheme = compose.change_basis(schemes.named("strassen"), half, half, half)
    assert isinstance(prove(scheme), Proof)
    assert lightest(scheme, random.Random(1)) is scheme
