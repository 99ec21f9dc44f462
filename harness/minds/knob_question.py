"""A question for a small model: one choice for each knob of a lane, answered by letters or by one line of values."""

from __future__ import annotations

import random
import string
from collections.abc import Sequence
from dataclasses import dataclass

from harness.schedule.model import Schedule
from harness.schedule.space import Choice, Knob, Space

LETTERS = string.ascii_uppercase


class NotAChoiceError(Exception):
    """An answer that names no schedule of the lane; the text says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class KnobQuestion:
    """The lane, its knobs with the choices in the order in which they are shown, and the keys (`Space.key`) of known
    schedules.

    `lead` is the beginning of the answer, which is put into the model's mouth. Picks are indices into the choices, one
    for each knob in the order of `knobs`.
    """

    lane: Space
    knobs: tuple[Knob, ...]
    known: frozenset[str]
    lead: str = ""

    @classmethod
    def of(cls, lane: Space, known: frozenset[str], seed: int, lead: str = "") -> KnobQuestion:
        """The question about a lane. The seed rotates the choices of each knob, because small models prefer A."""
        rng = random.Random(f"{seed}/choices")
        return cls(
            lane, tuple(_rotated(knob, rng.randrange(len(knob.choices))) for knob in lane.knobs), known, lead
        )

    def schedule(self, picks: Sequence[int]) -> Schedule | None:
        """The schedule of these picks, one for each knob; None for a combination that Schedule refuses."""
        chosen = {knob.name: knob.choices[pick] for knob, pick in zip(self.knobs, picks, strict=True)}
        return self.lane.built(chosen)

    def is_new(self, picks: Sequence[int]) -> bool:
        """Whether the picks are a valid schedule that is not known."""
        schedule = self.schedule(picks)
        return schedule is not None and self.lane.key(schedule) not in self.known

    def picks_of(self, schedule: Schedule) -> tuple[int, ...]:
        """The picks nearest to a schedule."""
        chosen = self.lane.choices_of(schedule)
        return tuple(knob.choices.index(chosen[knob.name]) for knob in self.knobs)

    @property
    def fits_letters(self) -> bool:
        """Whether there are letters enough for the choices of every knob."""
        return all(len(knob.choices) <= len(LETTERS) for knob in self.knobs)

    def table(self, lettered: bool) -> str:
        """One line per knob with its choices: "tile: A=6x16 B=4x24", or without the letters."""
        return "\n".join(f"{knob.name}: {_choices(knob, lettered)}" for knob in self.knobs)

    def letters(self, picks: Sequence[int]) -> str:
        """The answer of these picks as letters, "B A C"."""
        return " ".join(LETTERS[pick] for pick in picks)

    def line(self, picks: Sequence[int]) -> str:
        """The answer of these picks as values, "6x16 512 96"."""
        return " ".join(value_text(knob.choices[pick]) for knob, pick in zip(self.knobs, picks, strict=True))

    def read(self, answer: str, lettered: bool) -> Schedule:
        """The schedule of an answer. Raises NotAChoiceError for one that is no choice for every knob."""
        words = answer.split()
        if len(words) != len(self.knobs):
            raise NotAChoiceError(f"the answer has {len(words)} choices for {len(self.knobs)} knobs")
        picks = []
        for knob, word in zip(self.knobs, words, strict=True):
            known = list(LETTERS[: len(knob.choices)]) if lettered else [value_text(c) for c in knob.choices]
            if word not in known:
                raise NotAChoiceError(f"{knob.name} is '{word}'; allowed: {', '.join(known)}")
            picks.append(known.index(word))
        schedule = self.schedule(picks)
        if schedule is None:
            raise NotAChoiceError("these choices together are no valid schedule")
        return schedule

    def grammar(self) -> str:
        """The line of values as a GBNF grammar of llama.cpp."""
        rules = [
            f"k{number} ::= " + " | ".join(f'"{value_text(choice)}"' for choice in knob.choices)
            for number, knob in enumerate(self.knobs)
        ]
        root = " ".join(f'" " k{number}' for number in range(len(self.knobs)))
        return "\n".join([f"root ::= {root}", *rules]) + "\n"


def value_text(choice: Choice) -> str:
    """A choice as text without blanks: true and false in small letters."""
    return str(choice).lower()


def _rotated(knob: Knob, by: int) -> Knob:
    return Knob(knob.name, (*knob.choices[by:], *knob.choices[:by]))


def _choices(knob: Knob, lettered: bool) -> str:
    names = [value_text(choice) for choice in knob.choices]
    return " ".join(f"{LETTERS[i]}={name}" for i, name in enumerate(names)) if lettered else " ".join(names)
