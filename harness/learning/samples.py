"""From decided schedules to training samples: questions as the Proposer asks them, each with many answers.

The answers of one question share its prompt, so that the prompt is computed once for all of them. An answer begins
with the ratio that its kernel reached ("1.070 |"), as the Proposer's question begins it with the ratio that it
wants: the model learns what belongs to which speed (return conditioning, as in the Decision Transformer, Chen and
others 2021).
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass, replace

from harness.candidate import ThreadClass
from harness.errors import UserError
from harness.learning.decided import AskedByLetters, Decided, Evidence
from harness.minds.knob_question import LETTERS, KnobQuestion
from harness.roundtable.agents import choosing, prompt
from harness.schedule.families import FAMILIES
from harness.schedule.model import Schedule
from harness.schedule.space import Space, space

# At most so many kernels with the same tile and packing: otherwise the most frequent niche is learned by heart.
MOST_PER_NICHE = 6
# A group of fewer kernels than this teaches nothing about what is fast.
LEAST_GROUP = 8
# One key of so many is kept for validation.
VALIDATION_SHARE = 10
# Answers of one question, and the kernels among which the ones that it shows are the best.
_ANSWERS, _SEEN = 24, (4, 8, 16, 32)
# Characters of a prompt, more than any has: it is fitted to the model's context when it is tokenised.
_ANY_LENGTH = 1_000_000


@dataclass(frozen=True, slots=True)
class LetterAnswer:
    """One answer: its beginning, the index of the choice for each knob, and the schedule's key."""

    lead: str
    picks: tuple[int, ...]
    key: str


@dataclass(frozen=True, slots=True)
class LetterQuestion:
    """A prompt, the number of choices of each knob, and answers to it; `knobs` is None for a question of a run."""

    system: str
    user: str
    choices: tuple[int, ...]
    answers: tuple[LetterAnswer, ...]
    knobs: KnobQuestion | None = None

    def is_answer(self, picks: tuple[int, ...], keys: Set[str]) -> bool:
        """Whether the picks are one of the question's own answers, or a schedule with one of the keys."""
        if any(answer.picks == picks for answer in self.answers):
            return True
        schedule = None if self.knobs is None else self.knobs.schedule(picks)
        return schedule is not None and schedule.key() in keys


@dataclass(frozen=True, slots=True)
class LetterSamples:
    """Questions for training and for validation; `keys` are those of all answers to learn from."""

    training: tuple[LetterQuestion, ...]
    validation: tuple[LetterQuestion, ...]
    keys: frozenset[str]

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits over everything that is learned from."""
        told = [(one.system, one.user, one.answers) for one in (*self.training, *self.validation)]
        return hashlib.sha256(repr(told).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Group:
    """Kernels of one lane of one machine, timed at the same shapes: those to learn from, and all for the prompt."""

    lane: Space
    good: tuple[Decided, ...]
    every: tuple[Decided, ...]


def keys_hash(keys: Iterable[str]) -> str:
    """Sixteen hexadecimal digits over a set of keys."""
    return hashlib.sha256(" ".join(sorted(keys)).encode()).hexdigest()[:16]


def is_for_validation(key: str) -> bool:
    """Whether a schedule is kept for validation: decided by its key alone, so that every round decides the same."""
    return int(key[:8], 16) % VALIDATION_SHARE == 0


def samples_of(evidence: Evidence, questions: int, seed: int) -> LetterSamples:
    """About `questions` questions for training, spread evenly over the groups, and a few for validation.

    Raises UserError when there are too few accepted kernels.
    """
    groups = groups_of(evidence.newest())
    if not groups:
        raise UserError(
            f"not enough to learn from: {len(evidence.newest())} accepted schedules, and {LEAST_GROUP} of one machine, "
            "family and suite are needed; get some with pytest --generate 20, or name a measured table with --table "
            "(python -m harness.studies.schedule_table makes one)"
        )
    rng = random.Random(f"{seed}/samples")
    each = max(1, questions // len(groups))
    training = [_question(group, rng, False) for group in groups for _ in range(each)]
    validation = [_question(group, rng, True) for group in groups]
    training += [one for asked in evidence.asked if (one := _as_asked(asked)) is not None]
    kept = [one for one in training if one.answers]
    keys = frozenset(answer.key for one in kept for answer in one.answers)
    rng.shuffle(kept)
    return LetterSamples(tuple(kept), tuple(one for one in validation if one.answers), keys)


def shuffled(decided: Sequence[Decided], seed: int) -> list[Decided]:
    """The same schedules with the ratios of others of the same machine and shapes: a control that has nothing to
    teach.
    """
    rng = random.Random(f"{seed}/shuffled")
    found: list[Decided] = []
    for group in _by(decided, lambda one: (one.machine.fingerprint, one.shapes, one.schedule.family)):
        ratios = [(one.ratio, one.ratio_low) for one in group]
        rng.shuffle(ratios)
        found += [
            replace(one, ratio=ratio, ratio_low=low) for one, (ratio, low) in zip(group, ratios, strict=True)
        ]
    return found


def groups_of(decided: Sequence[Decided]) -> list[Group]:
    """The groups with enough kernels. Schedules with another scheme or with knobs outside of the lane are left out."""
    found = []
    apart = _by(
        [
            one
            for one in decided
            if one.schedule.bilinear is None
            and one.schedule.paths is None
            and FAMILIES[one.schedule.family].tiled
        ],
        lambda one: (one.machine.fingerprint, one.threads, one.shapes, one.schedule.family, one.schedule.isa),
    )
    for members in apart:
        lane = lane_of(members[0])
        inside = [one for one in members if _lies_in(lane, one.schedule)]
        if len(inside) >= LEAST_GROUP:
            found.append(Group(lane, tuple(_good(inside)), tuple(inside)))
    return found


def lane_of(one: Decided) -> Space:
    """The search space in which a schedule lies."""
    threads: ThreadClass = 1 if one.threads == 1 else "all"
    return space(one.machine, threads, one.schedule.family, one.schedule.isa)


def _lies_in(lane: Space, schedule: Schedule) -> bool:
    built = lane.built(lane.choices_of(schedule))
    return built is not None and built.key() == schedule.key()


def _good(members: Sequence[Decided]) -> list[Decided]:
    """Those above the median by the lower end of their interval, the best few of each niche."""
    ranked = sorted(members, key=lambda one: one.ratio_low, reverse=True)[: (len(members) + 1) // 2]
    taken: dict[tuple[str, str, str], int] = {}
    found = []
    for one in ranked:
        niche = (one.schedule.tile, one.schedule.pack_a, one.schedule.pack_b)
        taken[niche] = taken.get(niche, 0) + 1
        if taken[niche] <= MOST_PER_NICHE:
            found.append(one)
    return found


def _by(decided: Sequence[Decided], key: Callable[[Decided], object]) -> list[list[Decided]]:
    found: dict[object, list[Decided]] = {}
    for one in decided:
        found.setdefault(key(one), []).append(one)
    return list(found.values())


def _question(group: Group, rng: random.Random, validation: bool) -> LetterQuestion:
    """The question after some of the group's kernels were judged, with answers of the wanted kind."""
    first = group.every[0]
    known = [one for one in group.every if not is_for_validation(one.key)]
    seen = rng.sample(known, min(rng.choice(_SEEN), len(known)))
    shown = sorted(seen, key=lambda one: one.ratio, reverse=True)[: choosing.SHOWN]
    knobs = KnobQuestion.of(group.lane, frozenset(), rng.randrange(1 << 31))
    taken = {one.key for one in shown}
    able = [one for one in group.good if is_for_validation(one.key) == validation and one.key not in taken]
    answers = rng.sample(able, min(_ANSWERS, len(able)))
    parts = choosing.question_parts(
        first.machine,
        first.threads,
        first.shapes,
        knobs,
        [(one.ratio, one.schedule) for one in shown],
        lettered=True,
    )
    return LetterQuestion(
        choosing.system_text(lettered=True),
        prompt.fit(parts, len, _ANY_LENGTH).text,
        tuple(len(knob.choices) for knob in knobs.knobs),
        tuple(
            LetterAnswer(choosing.lead_of(one.ratio), knobs.picks_of(one.schedule), one.key)
            for one in answers
        ),
        knobs,
    )


def _as_asked(asked: AskedByLetters) -> LetterQuestion | None:
    """A question of a run, with the ratio that was reached in place of the one that was wanted; None when
    unreadable.
    """
    _, heading, table = asked.prompt.partition("Knobs:\n")
    lines = table.split("\n\n", 1)[0].splitlines() if heading else []
    choices = tuple(len(re.findall(r"(?:^| )[A-Z]=", line.partition(":")[2])) for line in lines)
    words = asked.answer.split()
    if len(words) != len(choices) or not all(word in LETTERS for word in words):
        return None
    picks = tuple(LETTERS.index(word) for word in words)
    if is_for_validation(asked.key) or any(pick >= count for pick, count in zip(picks, choices, strict=True)):
        return None
    answer = LetterAnswer(choosing.lead_of(asked.ratio), picks, asked.key)
    return LetterQuestion(asked.system, asked.prompt, choices, (answer,))
