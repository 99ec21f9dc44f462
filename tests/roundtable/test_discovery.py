"""`--discover`: the scheme that was found becomes the first search space of the tuner."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.memory.kernels import open_memory
from harness.minds.tuner import BuiltinTuner
from harness.roundtable import discovery
from harness.roundtable.schedule_adapter import ScheduleAdapter
from harness.schedule.bilinear import schemes
from harness.schedule.model import Schedule
from harness.schedule.render import render
from harness.schedule.space import recursive_space
from harness.shapes import Shape
from tests.conftest import shared_tools_in
from tests.roundtable.support import AVX2, Scene, proposal, scripted

LARGE = (Shape(512, 512, 512), Shape(2048, 2048, 2048))


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schemes, "FOUND", tmp_path / "schemes")
    monkeypatch.setattr(discovery, "SEARCH_S", 20.0)
    schemes.named.cache_clear()


@pytest.mark.slow
def test_a_scheme_is_found_and_kernels_are_proposed_from_it(tmp_path: Path) -> None:
    said: list[str] = []
    name = discovery.discover("2x2x2", shared_tools_in(tmp_path, seed=1), said.append)
    assert name == "found_2x2x2_7"
    assert said[-1].endswith("kernels are evolved from found_2x2x2_7")
    adapter = ScheduleAdapter(AVX2, 1, LARGE, name)
    listed = BuiltinTuner(adapter.lanes(), 1).shortlist([], 1, 0, 5)
    for tuned in listed:
        schedule = Schedule.model_validate(tuned.schedule)
        assert schedule.bilinear is not None
        assert schedule.bilinear.scheme == name
        assert adapter.objections({"algorithm": "x", "schedule": tuned.schedule}) == []
        assert "found_2x2x2_7 ⟨2,2,2;7⟩" in render(schedule, "x")
    assert len({Schedule.model_validate(tuned.schedule).key() for tuned in listed}) == 5
    schemes.named.cache_clear()


def test_every_choice_of_the_recursive_space_is_a_schedule() -> None:
    space = recursive_space(AVX2, 1, ("strassen", "laderman"), LARGE)
    for choices in itertools.product(*(knob.choices for knob in space.knobs)):
        chosen = dict(zip((knob.name for knob in space.knobs), choices, strict=True))
        schedule = space.build(chosen)
        assert schedule.bilinear is not None
        for knob in ("scheme", "cutoff", "levels"):
            assert getattr(schedule.bilinear, knob) == chosen[knob]
        assert space.choices_of(schedule)["cutoff"] == chosen["cutoff"]


def test_what_cannot_pay_or_be_searched_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot pay; choose larger shapes"):
        recursive_space(AVX2, 1, ("strassen",), (Shape(64, 64, 64), Shape(8, 4096, 4096)))
    with pytest.raises(UserError, match="too large for the search"):
        discovery.discover("9x9x9", shared_tools_in(tmp_path), lambda line: None)


def test_a_language_model_is_told_of_the_scheme(tmp_path: Path) -> None:
    with open_memory(str(tmp_path / "memory")) as memory:
        scene = Scene(tmp_path, memory)
        scene.run(generate=1, minds=scripted([proposal(mr=6, nr=16)]), scheme="strassen")
        plain = Scene(tmp_path / "plain", memory)
        plain.run(generate=1, minds=scripted([proposal(mr=6, nr=16, kc=192)]), run_id="r2")
    (asked,) = (line for line in scene.lines("r1", "transcript") if "prompt" in line)
    assert "The bilinear scheme strassen was found and proved" in asked["prompt"]
    (asked,) = (line for line in plain.lines("r2", "transcript") if "prompt" in line)
    assert "bilinear scheme" not in asked["prompt"]
