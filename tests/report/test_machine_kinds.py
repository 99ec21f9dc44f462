"""The page of a run that several kinds of machine judged: a column and a best kernel for each, and one crate."""

from __future__ import annotations

import re
from pathlib import Path

from harness.report.findings import findings
from harness.report.machine_kinds import machine_kinds
from harness.report.page import page
from harness.report.run_story import RunStory, read_story
from tests.report.stories import HEAD, REJECTIONS, RUN, WIDE, accepted, judged_elsewhere, story_of, write_run
from tests.report.test_page import HOSTILE

ONE, TWO, THREE = (f"gen-{RUN}-{number:03d}" for number in (1, 2, 3))


def of_two_kinds(results: Path) -> RunStory:
    write_run(results, [accepted(1.1), accepted(1.2), REJECTIONS[1]])
    judged_elsewhere(results, ONE, accepted(0.7))
    judged_elsewhere(results, ONE, accepted(1.5))
    judged_elsewhere(results, TWO, accepted(1.3))
    judged_elsewhere(results, THREE, REJECTIONS[1])
    judged_elsewhere(results, "gen-other-001", accepted(9.0))
    return read_story([results / RUN], results, results / "candidates")


def test_each_kind_has_its_column_and_its_best_kernel(tmp_path: Path) -> None:
    home, wide = machine_kinds(of_two_kinds(tmp_path))
    assert (home.label, home.about, home.best) == ("avx2-0123", HEAD.machine, TWO)
    assert (wide.label, wide.about, wide.best) == ("avx512-fedc", "a wider CPU / x86_64 avx512", ONE)
    assert [wide.found[name].shown for name in (ONE, TWO, THREE)] == [
        "1.500 [1.485, 1.515]",
        "1.300 [1.287, 1.313]",
        "rejected",
    ]
    assert set(wide.found) == {ONE, TWO, THREE}, "kernels of other runs are no part of this one"


def test_the_page_shows_them_with_the_command_that_exports_all(tmp_path: Path) -> None:
    story = of_two_kinds(tmp_path)
    text = page(story)
    section = re.search(r'<section id="kinds">.*?</section>', text, re.DOTALL)
    assert section is not None
    command = f"python -m harness.export candidates/{TWO} candidates/{ONE} --to FOLDER"
    assert f"<code>{command}</code>" in section[0]
    assert "<strong>1.500 [1.485, 1.515], best</strong>" in section[0]
    assert "<strong>1.200 [1.188, 1.212], best</strong>" in section[0]
    told = findings(story)
    assert f"On avx512-fedc the best is {ONE}: 1.500 times as fast as BLAS." in told.found
    assert command in [step.command for step in told.steps]


def test_with_one_kind_of_machine_the_page_is_as_it_was(tmp_path: Path) -> None:
    story = story_of(tmp_path, [accepted(1.1)])
    assert machine_kinds(story) == []
    assert 'id="kinds"' not in page(story)
    assert findings(story).steps[1].command == f"python -m harness.export candidates/{ONE} --to FOLDER"


def test_timings_with_all_cores_are_not_those_of_another_machine(tmp_path: Path) -> None:
    """With --threads all the journal names the machine with its number of cores, its records do not."""
    folder = write_run(tmp_path, [accepted(1.2)], fingerprint=f"{HEAD.fingerprint}-8")
    assert read_story([folder], tmp_path, tmp_path / "candidates").elsewhere == ()


def test_a_machine_may_be_called_what_it_likes(tmp_path: Path) -> None:
    write_run(tmp_path, [accepted(1.1)])
    judged_elsewhere(
        tmp_path, ONE, accepted(1.5), machine={"cpu": HOSTILE, "arch": HOSTILE, "vector": HOSTILE}
    )
    judged_elsewhere(tmp_path, ONE, REJECTIONS[0], fingerprint="00", machine=[])  # type: ignore[arg-type]
    story = read_story([tmp_path / RUN], tmp_path, tmp_path / "candidates")
    assert HOSTILE[0] not in page(story)
    assert [one.best for one in machine_kinds(story)] == [ONE, ONE, None]
    assert WIDE["cpu"] not in page(story)
