"""Several minds at one table: the bandit asks them, the lineage names them, and a restart asks the same ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import candidate as candidates
from harness.errors import UserError
from harness.memory.kernels import open_memory
from harness.minds.catalogue import open_minds, several
from harness.minds.protocol import Minds
from harness.roundtable.schedule_adapter import ScheduleAdapter
from tests.roundtable.support import AVX2, Scene, by_schedule

SHARED = "builtin,histograms"


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with open_memory(str(tmp_path / "memory")) as memory:
        yield Scene(tmp_path, memory)


def minds(scene: Scene, model: str = SHARED) -> Minds:
    settings = scene.settings(models={"*": model})
    return open_minds(settings, ScheduleAdapter(AVX2, 1).lanes(), scene.said.append, 1)


def asked(scene: Scene, run: str = "r1") -> list[str]:
    events = [line["message"]["content"] for line in scene.lines(run, "journal") if line["what"] == "event"]
    return [event["asked"] for event in events if event["kind"] == "proposed"]


def test_both_minds_are_asked_and_the_end_shows_what_each_earned(scene: Scene) -> None:
    result = scene.run(by_schedule, generate=6, minds=minds(scene))
    names = asked(scene)
    assert names[:2] == ["builtin", "histograms"]
    assert len(names) == 6
    manifests = [candidates.load(scene.root / "candidates" / one.name).manifest for one in result.candidates]
    assert [manifest.model for manifest in manifests] == names
    told = "\n".join(result.notices)
    assert "raised the best by" in told
    assert all(f"{name}  " in told for name in SHARED.split(","))


def test_minds_take_turns_within_a_generation_before_any_outcome_is_known(scene: Scene) -> None:
    scene.run(by_schedule, generate=2, population=4, minds=minds(scene))
    names = asked(scene)
    assert len(names) == 8
    assert names[:2] == ["builtin", "histograms"]
    assert set(names[4:]) <= {"builtin", "histograms"}


def test_a_run_with_one_mind_tells_nothing_about_shares(scene: Scene) -> None:
    result = scene.run(by_schedule, generate=1, minds=minds(scene, "builtin"))
    assert "raised the best" not in "\n".join(result.notices)
    assert asked(scene) == [""]


def test_a_resumed_run_asks_the_same_minds_as_an_uninterrupted_one(scene: Scene) -> None:
    whole = scene.run(by_schedule, run_id="r1", generate=6, minds=minds(scene))
    lines = (scene.root / "results" / "r1" / "journal.jsonl").read_text().splitlines(keepends=True)
    half = scene.root / "results" / "r2"
    half.mkdir()
    cut = next(i for i, line in enumerate(lines) if '"generation": 4' in line)
    (half / "journal.jsonl").write_text("".join(lines[:cut]).replace("r1", "r2"))
    (scene.root / "results" / "r1" / "journal.jsonl").rename(scene.root / "kept.jsonl")
    scene.run(by_schedule, run_id="r2", generate=6, minds=minds(scene), resume=True)
    (scene.root / "kept.jsonl").rename(scene.root / "results" / "r1" / "journal.jsonl")
    assert asked(scene, "r2") == asked(scene, "r1")
    assert len(whole.candidates) == 6


def test_several_minds_are_names_between_commas(tmp_path: Path) -> None:
    assert several("builtin,smollm2+x") == ["builtin", "smollm2+x"]
    assert several("http://localhost:1/v1#a,b") == ["http://localhost:1/v1#a,b"]
    odd = tmp_path / "a,b.gguf"
    odd.write_bytes(b"GGUF")
    assert several(str(odd)) == [str(odd)]
    for text in ("builtin,", "builtin,builtin"):
        with pytest.raises(UserError, match="different names between commas"):
            several(text)


def test_the_coder_has_one_model(scene: Scene) -> None:
    settings = scene.settings(models={"*": "builtin", "coder": SHARED})
    with pytest.raises(UserError, match="the coder has one model"):
        open_minds(settings, ScheduleAdapter(AVX2, 1).lanes(), scene.said.append, 1)
