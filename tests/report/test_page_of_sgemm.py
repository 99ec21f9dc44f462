"""The page of an evolution of sgemm: forms in place of shapes, and the operation in every command."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.operation.operations import OperationName
from harness.report.findings import findings
from harness.report.page import page
from harness.report.run_story import read_story
from harness.shapes import TimedForm
from tests.report.stories import accepted, story_of, write_run


def test_a_run_of_sgemm_shows_its_forms_and_keeps_the_operation_in_its_commands(tmp_path: Path) -> None:
    forms = [TimedForm(256, 768, 768, letters, letters == "tn") for letters in ("nt", "tn")]
    forms.append(TimedForm(64, 64, 64, "nt", alpha=0.125, leading=(2304, 2304, 64)))
    verdict = accepted(0.9)
    timings = [
        replace(one, shape=form) for one, form in zip(verdict.score.per_shape[-3:], forms, strict=True)
    ]
    verdict = replace(verdict, score=replace(verdict.score, per_shape=tuple(timings)))
    story = story_of(tmp_path, [verdict], operation=OperationName.SGEMM, suite="gpt2-train")
    text = page(story)
    assert all(text.count(str(form)) >= 2 for form in forms)
    assert "sgemm, suite gpt2-train" in text
    commands = [step.command for step in findings(story).steps]
    assert "pytest --generate 4 --operation sgemm --suite 64x64x64:nt*0.125/2304/2304/64" not in commands
    assert "pytest --generate 4 --operation sgemm --suite '64x64x64:nt*0.125/2304/2304/64'" in commands
    assert commands[-1] == "pytest --generate 8 --operation sgemm --suite gpt2-train"
    write_run(tmp_path, [accepted(1.0)], run="60j0f2", suite="gpt2-train")
    with pytest.raises(UserError, match="differ in machine, toolchain, operation or suite"):
        read_story([tmp_path / "60j0f1", tmp_path / "60j0f2"], tmp_path, tmp_path)
