"""Fast schemes that begin beyond the shapes at which the judging gates look: the clock examines them there."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.candidate import Candidate, Manifest
from harness.pipeline import Inspection
from harness.settings import Profile
from harness.shapes import Shape
from harness.verdict import Accepted, Gate, describe
from tests.conftest import shared_tools_in
from tests.gallery.test_gallery import GALLERY

BEYOND = Shape(1280, 1152, 1280)


@pytest.mark.slow
def test_a_scheme_that_begins_beyond_the_examined_shapes_is_accepted(tmp_path: Path) -> None:
    source = (GALLERY / "honest_strassen_with_peeled_edges.rs").read_text(encoding="utf-8")
    assert "const CUT: usize = 48;" in source
    source = source.replace("const CUT: usize = 48;", "const CUT: usize = 1100;")
    shared = shared_tools_in(tmp_path, suite=f"64x64x64,{BEYOND}", profile=Profile.QUICK, clock_budget_s=2.0)
    inspection = Inspection(Candidate("late", tmp_path, source, Manifest(tier="safe")), shared)
    inspection.through(Gate.CLOCK)
    assert isinstance(inspection.verdict, Accepted), describe(inspection.verdict)  # type: ignore[arg-type]
    assert inspection.as_rival().levels.at(BEYOND) == 1
    # The verdict must not say componentwise of a kernel that uses a fast scheme at a timed shape.
    assert inspection.verdict.numerics == inspection.numerics == "normwise"
