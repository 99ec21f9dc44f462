"""A sample of the campaign: mutants of honest kernels are rejected, or compute the product."""

from __future__ import annotations

from itertools import islice

import pytest

from harness.pipeline import SharedTools
from tests.conftest import shared_tools_in
from tests.judge.mutation import HONEST, SLIPS, SUITE, Fate, Mutant, judged, mutants, report

pytestmark = pytest.mark.slow

EVERY = list(mutants())
# Another prime gives another sample; the whole campaign is `python -m tests.judge.mutation`.
SAMPLE = list(islice(EVERY, 11, None, 71))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> SharedTools:
    return shared_tools_in(tmp_path_factory.mktemp("mutation"), suite=SUITE)


def test_the_generator_makes_hundreds_of_different_mutants_and_always_the_same() -> None:
    assert len(EVERY) >= 900
    assert len({mutant.source for mutant in EVERY} | set(HONEST.values())) == len(EVERY) + len(HONEST)
    assert list(mutants()) == EVERY
    assert {mutant.parent for mutant in EVERY} == set(HONEST)
    assert {mutant.name.split("/")[1] for mutant in EVERY} <= {slip for slip, _, _ in SLIPS}


@pytest.mark.parametrize("mutant", SAMPLE, ids=lambda mutant: mutant.name)
def test_a_slip_is_rejected_or_harmless(mutant: Mutant, shared: SharedTools) -> None:
    fate = judged(mutant, shared)
    assert fate.difference is None, f"accepted, but {fate.difference}"
    assert fate.verdict not in ("HarnessError", "Inconclusive"), fate.line


def test_the_comparison_outside_of_the_judge_sees_a_wrong_kernel(shared: SharedTools) -> None:
    from harness.compile.rustc import CompiledKernel, compile_kernel
    from tests.judge.equivalence import first_difference

    wrong = HONEST["rows"].replace("0..k", "0..k.min(4000)")
    for source, found in ((wrong, "differs on integers at 3x4099x5"), (HONEST["rows"], None)):
        built = compile_kernel(source, "unsafe", shared.tools)
        assert isinstance(built, CompiledKernel)
        assert first_difference(built.path) == found


def test_the_report_lists_accepted_and_rejected_mutants() -> None:
    fates = [
        Fate("rows/a/0", "Wrong", "shapes", "wrong at 1x1x1", 0.5),
        Fate("rows/b/0", "Accepted", "", "componentwise", 3.0),
        Fate("rows/c/0", "Accepted", "", "componentwise", 3.0, "differs on reals at 2x2x2"),
    ]
    page = report(fates, 9)
    assert "| shapes | Wrong | 1 | 0.5 |" in page
    assert "rows/b/0: computes the product" in page
    assert "rows/c/0: differs on reals" in page
    assert "rows/a/0: Wrong at shapes (wrong at 1x1x1)" in page
