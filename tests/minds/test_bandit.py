"""The bandit that shares proposals among minds: what minds earn, and who is asked next."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.minds.bandit import Outing, choose, earnings, reward

NAMES = ("a", "b")


def test_a_kernel_earns_the_share_of_earlier_ones_that_it_beats() -> None:
    assert reward(1.0, []) == 0.5
    assert reward(1.0, [0.9, 1.0, 1.1, 1.2]) == pytest.approx(1.5 / 4)


def test_earnings_count_rejections_as_nothing_and_improvements_of_the_best() -> None:
    told = [Outing("a", 1.0), Outing("b", 1.1), Outing("a", None), Outing("b", 1.05), Outing("gone", 2.0)]
    a, b = earnings(told, NAMES)
    assert (a.proposals, a.accepted, a.reward, a.gained, a.best) == (2, 1, 0.5, 0.0, 1.0)
    assert (b.proposals, b.accepted, b.best) == (2, 2, 1.1)
    assert b.reward == pytest.approx(1.0 + 0.5)
    assert b.gained == pytest.approx(0.0953, abs=1e-4)


def test_a_proposal_without_an_outcome_counts_as_one_half() -> None:
    a, _ = earnings([Outing("a", None, pending=True), Outing("a", 1.0)], NAMES)
    assert (a.proposals, a.accepted, a.reward, a.gained) == (2, 1, 1.0, 0.0)


def test_each_mind_is_asked_once_before_any_is_asked_again() -> None:
    assert choose(earnings([], NAMES), "1") == "a"
    assert choose(earnings([Outing("a", 1.0)], NAMES), "1") == "b"


def test_the_mind_that_earned_more_is_asked_more_and_the_other_one_still_is() -> None:
    told = [Outing("a", None), Outing("b", 1.0)]
    for number in range(60):
        name = choose(earnings(told, NAMES), str(number))
        told.append(Outing(name, 1.0 + number / 100 if name == "b" else 0.5))
    asked = Counter(outing.name for outing in told)
    assert asked["b"] > 3 * asked["a"] > 3


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.none() | st.floats(0.1, 2.0)), max_size=20), st.text())
def test_the_choice_follows_from_the_outings_and_the_seed(
    told: list[tuple[str, float | None]], seed: str
) -> None:
    earned = earnings([Outing(name, ratio) for name, ratio in told], NAMES)
    assert choose(earned, seed) == choose(earned, seed)
    assert all(0 <= one.reward <= one.proposals for one in earned)
