"""The two kinds of minds: a tuner that chooses schedules, and a language model that answers a prompt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias, runtime_checkable

from harness.durable import JsonObject
from harness.errors import UserError
from harness.minds.knob_question import KnobQuestion
from harness.settings import AnswerProtocol
from harness.shapes import Shape

Progress: TypeAlias = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Trial:
    """One schedule that was judged: its ratio to BLAS, or None when it was rejected.

    `conclusive` is False when the timing could not be trusted: the schedule is not tried again, and nothing is learned
    from it. `judged` is False for a schedule that was only timed briefly: it is learned from, but is no parent.
    `by_shape` has the ratio at each timed shape, by the shape's text. It is empty where only the mean is known; what
    was timed at some shapes only has the mean over these at each, and as `ratio`.
    """

    name: str
    schedule: JsonObject
    ratio: float | None
    conclusive: bool = True
    judged: bool = True
    by_shape: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hint:
    """A schedule that was among the fastest on another machine, `machine` in words; it was not tried on this one."""

    schedule: JsonObject
    machine: str


@dataclass(frozen=True, slots=True)
class Tuned:
    """A schedule to try next: the trial that it is derived from (None for the analytical model) and a one-line
    reason.

    `shapes` are those at which it differs from the best so far, and at which it is timed briefly; empty for all.
    """

    schedule: JsonObject
    parent: str | None
    why: str
    shapes: tuple[Shape, ...] = ()


@runtime_checkable
class Tuner(Protocol):
    """Chooses the next schedules from the trials so far; never one that was tried."""

    @property
    def name(self) -> str:
        """The name in records."""
        ...

    def shortlist(
        self, trials: Sequence[Trial], generation: int, slot: int, count: int, hints: Sequence[Hint] = ()
    ) -> list[Tuned]:
        """Up to `count` different schedules for one proposal, the most promising first.

        They are timed briefly and the fastest is judged. Empty when everything in reach was tried.
        """
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What a language model said, without its reasoning; `finish` is "stop" or "length"."""

    text: str
    prompt_tokens: int
    answer_tokens: int
    finish: str
    duration_s: float


class NoAnswerError(Exception):
    """The model was reached but gave nothing that can be used; costs the agent one attempt, never the run."""


class PromptTooLongError(UserError):
    """The model has less context than assumed; its mind now knows the real size, so the prompt must be fitted again."""


class LanguageMind(Protocol):
    """A language model. It raises UserError for errors that only a person can fix, NoAnswerError when this one question
    got no usable answer, and nothing else.
    """

    @property
    def name(self) -> str:
        """The name in records: the file's name or the server's model."""
        ...

    @property
    def model_hash(self) -> str:
        """A hash that identifies the weights as far as they can be known."""
        ...

    @property
    def context_tokens(self) -> int:
        """Maximum tokens of prompt and answer together."""
        ...

    @property
    def protocol(self) -> AnswerProtocol:
        """How it is asked for proposals; never auto."""
        ...

    def count(self, system: str, user: str) -> int:
        """Tokens of the whole prompt including the chat template, by the model's own tokenizer where available."""
        ...

    async def ask(self, question: Question, progress: Progress) -> Answer:
        """Answer the question. `progress` is called with the number of tokens so far, from time to time."""
        ...

    async def close(self) -> None:
        """Free the model; safe to call twice."""
        ...


@dataclass(frozen=True, slots=True)
class Question:
    """One prompt: `schema` constrains the answer to JSON of that schema; `limit_s` cancels a slow answer.

    With `knobs`, the answer is one choice for each knob: letters when `lettered`, else a line of values. `temperature`
    is the client's own where it is None.
    """

    system: str
    user: str
    seed: int
    max_tokens: int
    schema: JsonObject | None = None
    limit_s: float | None = None
    knobs: KnobQuestion | None = None
    lettered: bool = False
    temperature: float | None = None


Mind: TypeAlias = "Tuner | LanguageMind"


@dataclass
class Minds:
    """The mind of each agent. `stand_in` is the tuner that takes over when a model has used up its attempts.

    `proposers` are the minds that share the Proposer's place, by the names that were typed; empty where there is one.
    """

    stand_in: Tuner
    by_role: Mapping[str, Mind] = field(default_factory=dict)
    proposers: Mapping[str, Mind] = field(default_factory=dict)

    def of(self, role: str) -> Mind:
        """The agent's own mind, else the one under "*", else the tuner."""
        return self.by_role.get(role) or self.by_role.get("*") or self.stand_in

    async def close(self) -> None:
        """Close every language model once."""
        every = (*self.by_role.values(), *self.proposers.values())
        for mind in {id(mind): mind for mind in every}.values():
            if not isinstance(mind, Tuner):
                await mind.close()
