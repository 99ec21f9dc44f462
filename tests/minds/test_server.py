"""Servers on a bad day: loading, failing, sending what is no answer. The schema is kept and the run goes on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from harness.errors import UserError
from harness.minds import patience
from harness.minds.protocol import Answer, NoAnswerError, Question
from tests.minds.odd_server import (
    BROKEN,
    EMPTY_STREAM,
    HTML,
    LOADING,
    NO_CHOICES,
    TORN_JSON,
    OddServer,
    Reply,
    failing,
    odd_server,
    streaming,
)

pytest.importorskip("autogen_ext")

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
GOOD = streaming('{"a": ', "1}")


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses in seconds that were made; nobody waits."""
    made: list[float] = []
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        made.append(seconds)
        await real(0)

    monkeypatch.setattr("harness.minds.server.asyncio.sleep", sleep)
    return made


def ask(
    script: Sequence[Reply], questions: int = 1, limit_s: float | None = None, later: Reply | None = None
) -> tuple[list[Answer | Exception], OddServer]:
    """What each question got: an answer or the error, and the server with the requests that it saw.

    After the first question the server replies with `later`.
    """
    from harness.minds.server import ServerMind

    async def all_of_them(mind: Any, server: OddServer) -> list[Answer | Exception]:
        got: list[Answer | Exception] = []
        for seed in range(questions):
            question = Question("Be brief.", "A number?", seed, 100, SCHEMA, limit_s)
            try:
                got.append(await mind.ask(question, lambda tokens: None))
            except (NoAnswerError, UserError) as error:
                got.append(error)
            server.script = [later] if later else server.script
        await mind.close()
        return got

    with odd_server(script) as server:
        mind = ServerMind.open(server.url, 4096, lambda line: None)
        return asyncio.run(all_of_them(mind, server)), server


def forms(server: OddServer) -> list[str | None]:
    """The form of requesting JSON in each request."""
    return [body.get("response_format", {}).get("type") for body in server.asked]


def test_a_model_that_loads_is_waited_for_with_growing_pauses_and_the_schema_stays(
    pauses: list[float],
) -> None:
    (answer,), server = ask([*[LOADING] * 6, GOOD])
    assert isinstance(answer, Answer)
    assert json.loads(answer.text) == {"a": 1}
    assert pauses == [1, 2, 4, 8, 15, 15]
    assert forms(server) == ["json_schema"] * 7


def test_a_model_that_never_loads_ends_with_what_to_do(
    pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "LOADING_S", 20.0)
    (error,), _ = ask([LOADING])
    assert isinstance(error, UserError)
    assert "Loading model" in str(error)
    assert "--resume" in str(error)
    assert 20 <= sum(pauses) < 40


def test_waiting_ends_with_the_time_of_the_question(pauses: list[float]) -> None:
    (error,), _ = ask([LOADING], limit_s=5.0)
    assert isinstance(error, UserError)
    assert sum(pauses) <= 5


def test_one_failure_is_repeated_and_the_schema_stays(pauses: list[float]) -> None:
    answers, server = ask([BROKEN, GOOD, GOOD], questions=2)
    assert all(isinstance(answer, Answer) for answer in answers)
    assert pauses == [1]
    assert forms(server) == ["json_schema"] * 3


def test_a_server_that_always_fails_costs_answers_and_not_the_run(pauses: list[float]) -> None:
    answers, server = ask([BROKEN], questions=3)
    assert all(isinstance(error, NoAnswerError) for error in answers)
    assert "the backend crashed" in str(answers[0])
    assert pauses == [1, 2, 4], "only the first question is asked patiently"
    assert forms(server)[-3:] == ["json_schema", "json_object", None], "each form is tried, none is given up"


def test_a_server_that_fails_on_a_form_gets_the_next_one_from_then_on(pauses: list[float]) -> None:
    answers, server = ask([*[BROKEN] * 4, GOOD, GOOD], questions=2)
    assert all(isinstance(answer, Answer) for answer in answers)
    assert forms(server) == ["json_schema"] * 4 + ["json_object"] * 2


@pytest.mark.parametrize(
    "refusal",
    [
        failing(400, "response_format is not supported"),
        failing(422, "unknown field response_format"),
        failing(500, "failed to parse grammar"),
    ],
)
def test_a_refused_form_is_replaced_at_once(refusal: Reply, pauses: list[float]) -> None:
    (answer,), server = ask([refusal, GOOD])
    assert isinstance(answer, Answer)
    assert not pauses
    assert forms(server) == ["json_schema", "json_object"]


@pytest.mark.parametrize(
    "nonsense",
    [HTML, NO_CHOICES, EMPTY_STREAM, TORN_JSON, Reply(200, b"\xff\xfe\x00"), Reply(200, b"[1, 2]")],
)
def test_what_is_no_answer_costs_one_retry_and_then_the_answer(nonsense: Reply, pauses: list[float]) -> None:
    (error, answer), _ = ask([nonsense], questions=2, later=GOOD)
    assert isinstance(error, NoAnswerError), error
    assert pauses == [1]
    assert isinstance(answer, Answer)


def test_a_prompt_that_is_refused_in_every_form_costs_an_answer() -> None:
    (error,), server = ask([failing(400, "no")])
    assert isinstance(error, NoAnswerError)
    assert "refused the prompt" in str(error)
    assert forms(server) == ["json_schema", "json_object", None, None]


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_only_a_person_can_mend_ends_the_run(status: int) -> None:
    (error,), _ = ask([failing(status, "no entry")])
    assert isinstance(error, UserError)
    assert "no entry" in str(error)


def test_half_a_surrogate_pair_does_not_reach_the_transcript() -> None:
    (answer,), _ = ask([streaming("{", '"a": 1} \ud83d')])
    assert isinstance(answer, Answer)
    assert answer.text.encode("utf-8") == b'{"a": 1} ?'


def test_reasoning_that_the_server_separates_is_no_part_of_the_answer() -> None:
    (answer,), _ = ask([streaming('{"a": 1}', thought='maybe {"a": 7}')])
    assert isinstance(answer, Answer)
    assert answer.text == '{"a": 1}'


def test_reasoning_up_to_the_limit_is_an_answer_that_was_cut_off(pauses: list[float]) -> None:
    (answer,), _ = ask([streaming(finish="length", thought="so many tiles")])
    assert isinstance(answer, Answer)
    assert (answer.text, answer.finish) == ("", "length")
    assert not pauses


def test_a_server_that_is_gone_is_asked_again_before_the_run_ends(pauses: list[float]) -> None:
    from harness.minds.server import ServerMind

    with odd_server([GOOD]) as server:
        mind = ServerMind.open(server.url, 4096, lambda line: None)
    question = Question("Be brief.", "A number?", 1, 100, SCHEMA)
    with pytest.raises(UserError, match=r"is gone.*--resume"):
        asyncio.run(mind.ask(question, lambda tokens: None))
    assert pauses == [1, 2, 4, 8]
