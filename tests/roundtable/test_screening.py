"""Brief timings before a proposal: the fastest is judged, the others are remembered, and nothing is lost by Ctrl-C."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.memory.kernels import open_memory
from harness.roundtable.conversation.interfaces import RenderedKernel
from harness.shapes import Shape
from tests.roundtable.support import Scene, by_schedule


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with open_memory(str(tmp_path / "memory")) as memory:
        yield Scene(tmp_path, memory)


class ByDepth:
    """A screen for which a kernel is the faster the deeper its blocks are; knobs are read from the source."""

    def __init__(self) -> None:
        self.rounds: list[list[int]] = []

    def __call__(self, kernels: Sequence[RenderedKernel], shapes: Sequence[Shape]) -> list[float | None]:
        depths = [
            int(found[1]) if (found := re.search(r"kc = (\d+)", source)) else 0
            for source in (kernel.source for kernel in kernels)
        ]
        self.rounds.append(depths)
        return [None if depth == 0 else depth / 1024 for depth in depths]


def proposals(scene: Scene) -> list[dict[str, Any]]:
    contents = [line["message"]["content"] for line in scene.lines("r1", "journal") if "message" in line]
    return [content for content in contents if content["kind"] == "proposed"]


def test_the_fastest_of_the_shortlist_is_judged_and_the_others_are_kept(scene: Scene) -> None:
    screen = ByDepth()
    result = scene.run(screen=screen, shortlist=4)
    assert [len(depths) for depths in screen.rounds] == [4, 4]
    for found, depths in zip(proposals(scene), screen.rounds, strict=True):
        assert found["proposal"]["schedule"]["kc"] == max(depths)
        assert sorted(one["ratio"] * 1024 for one in found["screened"]) == sorted(depths)[:-1]
    assert len(result.candidates) == 2
    assert any(re.search(r"4 schedules timed briefly in \d+ s: ", line) for line in scene.said)


def test_what_was_timed_briefly_is_not_timed_again_and_is_no_parent(scene: Scene) -> None:
    screen = ByDepth()
    result = scene.run(generate=3, screen=screen, shortlist=5)
    keys = [str(found["proposal"]["schedule"]) for found in proposals(scene)]
    keys += [str(one["schedule"]) for found in proposals(scene) for one in found["screened"]]
    assert len(set(keys)) == len(keys) == 15
    names = {one.name for one in result.candidates}
    assert all(set(one.parents) <= names for one in result.candidates)


def test_one_schedule_is_proposed_without_timing(scene: Scene) -> None:
    screen = ByDepth()
    assert scene.run(screen=screen, shortlist=1).candidates
    assert screen.rounds == []


def test_a_kernel_that_cannot_be_timed_is_never_chosen_before_one_that_can(scene: Scene) -> None:
    def all_but_the_last(kernels: Sequence[RenderedKernel], shapes: Sequence[Shape]) -> list[float | None]:
        return [None] * (len(kernels) - 1) + [0.5]

    scene.run(generate=1, screen=all_but_the_last, shortlist=4)
    (found,) = proposals(scene)
    assert [one["ratio"] for one in found["screened"]] == [None] * 3


def test_ctrl_c_while_timing_ends_the_run_and_resume_goes_on(scene: Scene) -> None:
    def interrupted(kernels: Sequence[RenderedKernel], shapes: Sequence[Shape]) -> list[float | None]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scene.run(screen=interrupted, shortlist=3)
    result = scene.run(by_schedule, screen=ByDepth(), shortlist=3, resume=True)
    assert len(result.candidates) == 2
