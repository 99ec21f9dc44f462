"""Oracles that need real threads and cores: each rejects its kernel of the gallery; disabled, the kernel passes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.judge import examine
from harness.judge.examination import Examination
from harness.pipeline import Inspection, SharedTools
from harness.verdict import Cheat, Crash, Gate, Rejection, Wrong, describe
from tests.gallery.test_gallery import GALLERY, read

# Whether two cores compute at once shows only while nothing else uses them.
pytestmark = pytest.mark.alone


def conduct_of(kernel: str, shared: SharedTools, *disabled: str) -> Rejection | None:
    """The conduct gate's rejection of a kernel of the gallery; None when it finds nothing."""
    candidate, _ = read(Path(GALLERY, f"{kernel}.rs"))
    inspection = Inspection(candidate, shared)
    assert inspection.through(Gate.AUDIT)
    examination: Examination = replace(inspection.examination, disabled=frozenset(disabled))
    outcome = examine.conduct(examination)
    return None if isinstance(outcome, examine.Examined) else outcome


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kernel", "oracle", "kind"),
    [
        ("needs_four_mib_of_stack", "small-stack", Crash),
        ("wrong_where_two_cores_are_in_sight", "other-cores", Wrong),
        ("wrong_with_three_workers", "other-cores", Wrong),
        ("starts_threads_where_two_cores_are_in_sight", "idle-elsewhere", Cheat),
    ],
)
def test_an_oracle_of_surroundings_rejects_its_kernel_and_no_other_oracle_does(
    kernel: str, oracle: str, kind: type[Rejection], shared: SharedTools
) -> None:
    rejection = conduct_of(kernel, shared)
    assert isinstance(rejection, kind), rejection
    # These run on threads, too, or see other numbers of cores.
    also = ("at-once", "first-large", "long-stack", "thread-growth", "other-cores-large")
    allowed = conduct_of(kernel, shared, oracle, *also)
    assert allowed is None, describe(allowed)


@pytest.mark.slow
def test_two_callers_at_once_reveal_a_shared_scratch(shared: SharedTools) -> None:
    rejection = conduct_of("static_scratch_without_a_lock", shared)
    assert isinstance(rejection, Wrong | Crash), rejection
    allowed = conduct_of("static_scratch_without_a_lock", shared, "at-once")
    assert allowed is None, describe(allowed)
