"""Real inference: a tiny GGUF written here, through llama.cpp in process and through a local server."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UserError
from harness.memory.kernels import open_memory
from harness.minds import gguf_file
from harness.minds.answers import find_object
from harness.minds.catalogue import open_minds, open_model
from harness.minds.protocol import Question
from harness.roundtable.agents.thinking import compact, countable
from harness.roundtable.schedule_adapter import ScheduleAdapter
from harness.schedule.model import Proposal
from harness.settings import AnswerProtocol
from tests.conftest import ROOT
from tests.minds import tiny_gguf
from tests.roundtable.support import AVX2, Scene

pytest.importorskip("gguf")
pytest.importorskip("llama_cpp")

PERSON = {
    "type": "object",
    "properties": {"age": {"type": "integer", "minimum": 3, "maximum": 9}, "kind": {"enum": ["a", "b"]}},
    "required": ["age", "kind"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_gguf.write(tmp_path_factory.mktemp("models") / "tiny.gguf")


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with open_memory(str(tmp_path / "memory")) as memory:
        yield Scene(tmp_path, memory)


def question(**changes: Any) -> Question:
    asked = Question("You are terse.", "How old?", seed=1, max_tokens=400, schema=countable(compact(PERSON)))
    return replace(asked, **changes)


def ask(model: str, scene: Scene, *questions: Question) -> list[Any]:
    mind: Any = open_model(model, scene.settings(), scene.said.append)

    async def all_of_them() -> list[Any]:
        try:
            return [await mind.ask(one, lambda tokens: None) for one in questions]
        finally:
            await mind.close()

    return asyncio.run(all_of_them())


def test_the_grammar_keeps_the_answer_in_the_schema_and_the_seed_repeats_it(tiny: Path, scene: Scene) -> None:
    answers = ask(str(tiny), scene, *(question(seed=seed) for seed in (1, 1, 2, 3, 4)))
    for answer in answers:
        person = json.loads(answer.text)
        assert 3 <= person["age"] <= 9
        assert person["kind"] in "ab"
        assert answer.finish == "stop"
        assert answer.prompt_tokens > 20
        assert answer.answer_tokens >= len('{"age":3,"kind":"a"}')
    assert answers[0].text == answers[1].text
    assert len({answer.text for answer in answers}) > 1


def test_the_whole_proposal_schema_becomes_a_grammar(tiny: Path, scene: Scene) -> None:
    schema = countable(compact(Proposal.model_json_schema()))
    answers = ask(str(tiny), scene, *(question(schema=schema, seed=s, max_tokens=3000) for s in range(4)))
    proposals = [find_object(answer.text) for answer in answers if answer.finish == "stop"]
    assert proposals
    assert all({"algorithm", "schedule"} <= set(proposal) for proposal in proposals)


def test_a_length_limit_and_a_time_limit_cut_the_answer_off(tiny: Path, scene: Scene) -> None:
    short, slow = ask(
        str(tiny),
        scene,
        question(schema=None, max_tokens=7),
        question(schema=None, max_tokens=9000, limit_s=0.2, user="x" * 3000),
    )
    assert (short.finish, short.answer_tokens) == ("length", 7)
    assert slow.finish == "length"
    assert slow.duration_s < 20


def test_a_model_that_was_cut_off_answers_the_next_question(tiny: Path, scene: Scene) -> None:
    cut, after = ask(str(tiny), scene, question(schema=None, max_tokens=9000, limit_s=0.05), question())
    assert cut.finish == "length"
    assert json.loads(after.text)["kind"] in "ab"


def test_tokens_are_counted_by_the_model_s_own_tokenizer_with_its_template(tiny: Path, scene: Scene) -> None:
    mind: Any = open_model(str(tiny), scene.settings(), scene.said.append)
    # The tiny model has one token per byte.
    assert mind.count("abc", "defgh" * 3) - mind.count("abc", "defgh") == 10
    counted = mind.count("abc", "defgh")
    assert counted > len("[system] abc\n[user] defgh\n[assistant] ")
    answer = asyncio.run(_ask_and_close(mind, question(system="abc", user="defgh")))
    assert answer.prompt_tokens == counted


async def _ask_and_close(mind: Any, asked: Question) -> Any:
    try:
        return await mind.ask(asked, lambda tokens: None)
    finally:
        await mind.close()
        await mind.close()


@pytest.mark.parametrize("template", [None, tiny_gguf.NO_SYSTEM])
def test_models_without_a_template_or_a_system_role_can_be_asked(
    tmp_path: Path, scene: Scene, template: str | None
) -> None:
    model = tiny_gguf.write(tmp_path / "other.gguf", template=template)
    (answer,) = ask(str(model), scene, question())
    assert json.loads(answer.text)["kind"] in "ab"


def test_the_trained_context_is_read_from_the_file_and_not_exceeded(tmp_path: Path, scene: Scene) -> None:
    model = tiny_gguf.write(tmp_path / "short.gguf", context=2048)
    assert gguf_file.trained_context(model) == 2048
    mind: Any = open_model(str(model), scene.settings(), scene.said.append)
    assert mind.context_tokens == 2048
    with pytest.raises(UserError, match="exceeds the context"):
        asyncio.run(_ask_and_close(mind, question(user="x" * 3000)))


def test_a_truncated_file_is_a_one_line_error(tmp_path: Path, tiny: Path, scene: Scene) -> None:
    half = tmp_path / "half.gguf"
    half.write_bytes(tiny.read_bytes()[:200_000])
    with pytest.raises(UserError, match=r"cannot load it") as error:
        open_model(str(half), scene.settings(), scene.said.append)
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_a_tiny_model_drives_a_whole_evolution_and_replay_repeats_it(tiny: Path, scene: Scene) -> None:
    schedules = ScheduleAdapter(AVX2, 1)

    def minds(seed: int) -> Any:
        return open_minds(
            scene.settings(models={"*": str(tiny)}, context_tokens=4096, protocol=AnswerProtocol.FULL),
            schedules.lanes(),
            scene.said.append,
            seed,
        )

    result = scene.run(generate=2, minds=minds)
    assert len({one.generation for one in result.candidates}) == 2
    assert result.tokens > 1000
    answers = [line for line in scene.lines("r1", "transcript") if line["what"] == "answer"]
    assert answers
    assert all(line["model"] == "tiny.gguf" and len(line["model_hash"]) == 16 for line in answers)
    again = scene.run(run_id="r2", generate=2, replay=scene.root / "results" / "r1" / "transcript.jsonl")
    assert scene.sources(again) == scene.sources(result)


@pytest.fixture(params=["", "--refuse-schema", "--plain", "--small"])
def server(request: pytest.FixtureRequest, tiny: Path) -> Iterator[str]:
    command = [
        sys.executable,
        "-m",
        "tests.minds.tiny_server",
        str(tiny),
        *([request.param] if request.param else []),
    ]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_a_local_server_drives_an_evolution(server: str, scene: Scene) -> None:
    pytest.importorskip("autogen_ext.models.openai")
    workshop = ScheduleAdapter(AVX2, 1)

    def minds(seed: int) -> Any:
        models = {"proposer": server}
        return open_minds(
            scene.settings(models=models, context_tokens=6000), workshop.lanes(), scene.said.append, seed
        )

    result = scene.run(generate=1, minds=minds, rejected_proposals=1)
    assert len(result.verdicts) == 1
    answers = [line for line in scene.lines("r1", "transcript") if line["what"] == "answer"]
    assert answers
    assert all(line["model"] == "tiny" and line["prompt_tokens"] > 100 for line in answers)


@pytest.mark.slow
def test_a_model_of_a_server_is_selected_by_name_and_an_unknown_name_is_refused(
    tiny: Path, scene: Scene
) -> None:
    pytest.importorskip("autogen_ext.models.openai")
    command = [sys.executable, "-m", "tests.minds.tiny_server", str(tiny)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        mind: Any = open_model(f"{url}#other", scene.settings(), scene.said.append)
        assert (mind.name, mind.context_tokens) == ("other", 8192)
        with pytest.raises(UserError, match="it serves tiny, other"):
            open_model(f"{url}#third", scene.settings(), scene.said.append)
        process.kill()
    start = time.monotonic()
    with pytest.raises(UserError, match="the server is gone"):
        asyncio.run(_ask_and_close(mind, question()))
    assert time.monotonic() - start < 60


def test_every_text_and_list_of_the_schema_is_bounded() -> None:
    bounds = {"string": {"maxLength", "pattern", "enum", "const"}, "array": {"maxItems"}}

    def unbounded(schema: Any, where: str = "") -> list[str]:
        if isinstance(schema, list):
            return [found for item in schema for found in unbounded(item, where)]
        if not isinstance(schema, dict):
            return []
        kind = schema.get("type")
        here = isinstance(kind, str) and kind in bounds and not bounds[kind] & set(schema)
        below = [found for key, item in schema.items() for found in unbounded(item, f"{where}.{key}")]
        return ([where] if here else []) + below

    schema = countable(compact(Proposal.model_json_schema()))
    assert unbounded(schema) == []
    limits = sorted(int(limit) for limit in re.findall(r'"maxLength": (\d+)', json.dumps(schema)))
    assert limits[-2] <= 200, "every text is short"
    assert limits[-1] == 400, "except a bilinear scheme in symbols; at 1500, llama.cpp overflows its stack"
    assert unbounded({"type": "string"}) == [""]


def test_a_small_model_that_would_talk_for_ever_ends_its_text(tiny: Path, scene: Scene) -> None:
    talk = {"type": "object", "properties": {"why": {"type": "string"}}, "required": ["why"]}
    schema = compact(talk | {"additionalProperties": False})
    for answer in ask(
        str(tiny), scene, *(question(schema=schema, seed=s, max_tokens=3000) for s in range(3))
    ):
        assert answer.finish == "stop"
        # The tiny model has one token per byte, and a character has up to four.
        assert answer.answer_tokens <= 4 * 200 + len('{"why": ""} ')
