"""The course of a training: steps, looks at the validation loss, checkpoints from which an interrupted one goes on."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.learning.trainer import EncodedQuestion, LetterTrainer

# Steps between two looks at the validation loss, and looks without a better one after which training ends.
LOOK_EVERY, PATIENCE = 5, 3
CHECKPOINT = "checkpoint.pt"


@dataclass(slots=True)
class TrainingState:
    """Where a training is: steps done, validation losses before and at the best step (None without validation
    questions), the step with the best one, looks since then, and the mean loss of the last steps.
    """

    step: int = 0
    loss_before: float | None = None
    best: float | None = None
    best_step: int = 0
    looks_since: int = 0
    recent: float = 0.0


@dataclass(frozen=True, slots=True)
class Course:
    """What to learn from and for how long. `name` identifies the data, steps and seed: a checkpoint of another
    course is not used.
    """

    training: Sequence[EncodedQuestion]
    validation: Sequence[EncodedQuestion]
    steps: int
    seed: int
    name: str


def train(trainer: LetterTrainer, course: Course, folder: Path, say: Callable[[str], None]) -> TrainingState:
    """Train until the validation loss no longer falls or the steps are done; the trainer then has the best weights.

    The state is stored in `folder` after every look; an interrupted training of the same course goes on from there.
    Raises UserError when the folder cannot be written.
    """
    path = folder / CHECKPOINT
    resumed = _resumed(trainer, path, course, say)
    state, best = resumed or (TrainingState(), trainer.adapter())
    if resumed is None and course.validation:
        state.loss_before = state.best = trainer.look(course.validation)
        say(f"validation loss before: {state.loss_before:.3f} nats per letter")
    losses: list[float] = []
    for number in _order(len(course.training), state.step, course):
        if state.looks_since >= PATIENCE:
            break
        losses.append(trainer.step(course.training[number]))
        state.step += 1
        if state.step % LOOK_EVERY and state.step != course.steps:
            continue
        state.recent, losses = sum(losses) / len(losses), []
        best = _looked(trainer, course, state, best, say)
        _store(trainer, path, course, state, best)
    trainer.use(best)
    return state


def _order(count: int, done: int, course: Course) -> Iterator[int]:
    """The questions of the steps after the first `done`: every epoch has an order of its own."""
    for step in range(done, course.steps):
        epoch, place = divmod(step, count)
        order = list(range(count))
        random.Random(f"{course.seed}/{epoch}").shuffle(order)
        yield order[place]


def _looked(
    trainer: LetterTrainer,
    course: Course,
    state: TrainingState,
    best: dict[str, Any],
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Look at the validation loss; returns the best weights so far. Without validation the last ones count as best."""
    if not course.validation:
        state.best_step = state.step
        say(f"step {state.step}: loss {state.recent:.3f}")
        return trainer.adapter()
    loss = trainer.look(course.validation)
    say(f"step {state.step}: loss {state.recent:.3f}, validation {loss:.3f}")
    if state.best is None or loss < state.best:
        state.best, state.best_step, state.looks_since = loss, state.step, 0
        return trainer.adapter()
    state.looks_since += 1
    return best


def _store(
    trainer: LetterTrainer, path: Path, course: Course, state: TrainingState, best: dict[str, Any]
) -> None:
    import torch

    draft = path.with_suffix(".tmp")
    try:
        torch.save(
            {
                "course": course.name,
                "state": asdict(state),
                "best": best,
                "adapter": trainer.adapter(),
                "optimizer": trainer.optimizer.state_dict(),
            },
            draft,
        )
        draft.replace(path)
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"{path}: cannot be written ({error}); free some space or choose another --out"
        ) from None


def _resumed(
    trainer: LetterTrainer, path: Path, course: Course, say: Callable[[str], None]
) -> tuple[TrainingState, dict[str, Any]] | None:
    """The state and the best weights of an interrupted training of this course; None where there is none."""
    import pickle

    import torch

    if not path.is_file():
        return None
    try:
        stored = torch.load(path, weights_only=True)
        if stored["course"] != course.name:
            return None
        state = TrainingState(**stored["state"])
        trainer.use(stored["adapter"])
        trainer.optimizer.load_state_dict(stored["optimizer"])
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, EOFError, pickle.UnpicklingError):
        say(f"{path}: cannot be read; the training begins anew")
        return None
    say(f"the interrupted training goes on after step {state.step}")
    return state, stored["best"]
