"""The command `python -m harness.minds.learn`: from what the judge has decided to an adapter in a folder."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from harness import machine as machines
from harness.errors import UserError
from harness.learning import decided
from harness.learning.adapter_file import write_adapter
from harness.learning.drawing import Drawn, draw_fifty
from harness.learning.samples import LetterSamples, samples_of, shuffled
from harness.learning.training import CHECKPOINT, Course, TrainingState, train
from harness.minds import adapter, gguf_file
from harness.minds.adapter import AdapterManifest
from harness.minds.catalogue import model_file
from harness.minds.measured_table import is_environment, read_table
from harness.places import ROOT

# Memory for training relative to the parameters in f32: weights, a dequantised copy while loading, activations.
_BYTES_PER_PARAMETER, _ACTIVATION_BYTES = 8.0, 1.5 * 2**30
# An adapter is refused when more of its draws than this are training answers, or when it draws fewer different
# schedules than this share of what the base draws.
MOST_COPIES, LEAST_DISTINCT = 0.1, 0.5


@dataclass(frozen=True, slots=True)
class LearnSettings:
    """The settings of one round of training."""

    model: Path
    out: Path
    steps: int
    questions: int
    seed: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Train an adapter; returns 0, 1 when it is refused, 2 after one line about bad input, 130 on Ctrl-C."""
    parsed = _parser().parse_args(arguments)
    # transformers warns of its own future at every step.
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    try:
        return _learn(parsed)
    except UserError as error:
        print(f"error: {error}")
        return 2
    except KeyboardInterrupt:
        print(f"interrupted; the same command goes on from the last checkpoint in {parsed.out}")
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m harness.minds.learn",
        description="Trains a LoRA adapter of a small model on what the judge has decided: records and runs under "
        "results/local, and measured tables. Use it with --model MODEL+FOLDER. Each call trains from the base model on "
        "everything that is known then, so that repeated calls between evolutions are expert iteration.",
    )
    parser.add_argument(
        "--model", default="smollm2", help="smollm2, a .gguf file or hf:REPO:FILE (default: smollm2)"
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of the adapter, made or trained again"
    )
    parser.add_argument(
        "--table",
        type=Path,
        action="append",
        default=[],
        help="a measured table to learn from as well; repeatable",
    )
    parser.add_argument(
        "--suite",
        action="append",
        default=[],
        help="suites of the tables to learn from; repeatable (default: all that they have)",
    )
    parser.add_argument(
        "--half",
        action="store_true",
        help="learn from the half of the tables only that compare_minds does not use as its environment",
    )
    parser.add_argument(
        "--without-runs", action="store_true", help="learn from the tables only, not from results/local"
    )
    parser.add_argument(
        "--shuffle", action="store_true", help="shuffle the ratios: a control that must not learn anything"
    )
    parser.add_argument("--steps", type=int, default=60, help="most steps of training (default: 60)")
    parser.add_argument("--questions", type=int, default=40, help="questions to make (default: 40)")
    parser.add_argument("--seed", type=int, default=1, help="seed of samples and weights (default: 1)")
    parser.add_argument(
        "--root", type=Path, default=ROOT, help="checkout whose candidates and results/local are read"
    )
    return parser


def _learn(parsed: argparse.Namespace) -> int:
    if parsed.steps < 1 or parsed.questions < 1:
        raise UserError("--steps and --questions take 1 or more")
    model = gguf_file.check(model_file(parsed.model, print))
    settings = LearnSettings(model, parsed.out, parsed.steps, parsed.questions, parsed.seed)
    require_able(settings)
    evidence = gathered(parsed)
    if parsed.shuffle:
        evidence.decided, evidence.asked = shuffled(evidence.newest(), parsed.seed), []
    for note in evidence.notes:
        print(f"left out: {note}")
    samples = samples_of(evidence, parsed.questions, parsed.seed)
    return learn(settings, samples, lambda line: print(line, flush=True))


def require_able(settings: LearnSettings) -> None:
    """Raise UserError when this model cannot be trained here: packages, architecture, memory, folder."""
    from harness.learning.trainer import require_packages

    found = gguf_file.architecture(settings.model)
    if found not in adapter.ARCHITECTURES:
        raise UserError(
            f"--model {settings.model}: its architecture is {found or 'not stated'}, and adapters are made for "
            f"{', '.join(adapter.ARCHITECTURES)} only; use smollm2 or another model of that architecture"
        )
    need = gguf_file.parameters(settings.model) * _BYTES_PER_PARAMETER + _ACTIVATION_BYTES
    free = gguf_file.available_bytes()
    if free is not None and need > free:
        raise UserError(
            f"--model {settings.model}: training needs about {need / 2**30:.1f} GiB and {free / 2**30:.1f} GiB are "
            "free; take a smaller model, or close other programs"
        )
    require_packages()
    try:
        settings.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"--out {settings.out}: cannot be made ({error.strerror}); choose another folder"
        ) from None


def gathered(parsed: argparse.Namespace) -> decided.Evidence:
    """What the judge has decided: in the records and runs of a checkout, and in measured tables."""
    evidence = decided.Evidence()
    results = parsed.root / "results" / "local"
    if not parsed.without_runs:
        decided.from_records(results, parsed.root, evidence)
        decided.from_runs(results, decided.known_machines(results, machines.read()), evidence)
    for path in parsed.table:
        table = read_table(path)
        known = list(dict.fromkeys(name for one in table.sessions for name in one.suites))
        if unknown := set(parsed.suite) - set(known):
            raise UserError(f"--suite {', '.join(sorted(unknown))}: {path} has {', '.join(known)}")
        rows = [row for row in table.rows() if not (parsed.half and is_environment(row.key))]
        decided.from_table(table, parsed.suite or known, rows, evidence)
    return evidence


def learn(settings: LearnSettings, samples: LetterSamples, say: Callable[[str], None]) -> int:
    """Train, export and check an adapter; returns 0, or 1 when it is refused. An interrupted call goes on."""
    from harness.learning.tokens import encoder_of
    from harness.learning.trainer import ALPHA, LetterTrainer

    before = _earlier(settings.out)
    if before is not None and before.data_hash == samples.digest and before.seed == settings.seed:
        say(
            f"nothing new since round {before.round}: {settings.out} was trained on these {len(samples.keys)} "
            "schedules; evolve with it, and learn again"
        )
        return 0
    answers = sum(len(one.answers) for one in samples.training)
    say(f"{len(samples.keys)} schedules, {len(samples.training)} questions, {answers} answers to learn from")
    encode = encoder_of(settings.model)
    course = Course(
        [encode(one) for one in samples.training],
        [encode(one) for one in samples.validation],
        settings.steps,
        settings.seed,
        f"{gguf_file.identity(settings.model)}/{samples.digest}/{settings.steps}/{settings.seed}",
    )
    trainer = LetterTrainer(settings.model, encode.letters, settings.seed, say)
    state = train(trainer, course, settings.out, say)
    draft = settings.out / "draft.gguf"
    write_adapter(draft, trainer.weights(), trainer.heads, trainer.key_heads, ALPHA)
    del trainer
    return _taken_over(settings, samples, state, draft, before, say)


def _taken_over(
    settings: LearnSettings,
    samples: LetterSamples,
    state: TrainingState,
    draft: Path,
    before: AdapterManifest | None,
    say: Callable[[str], None],
) -> int:
    """Compare the draws of the new adapter with the base's, and put it in place unless it is refused."""
    question = samples.training[0]
    base = draw_fifty(settings.model, None, question, samples.keys, settings.seed)
    drawn = draw_fifty(settings.model, draft, question, samples.keys, settings.seed)
    say(
        f"of {drawn.asked} draws {drawn.distinct} are different (before: {base.distinct}), {drawn.copies} are "
        f"training answers (before: {base.copies})"
    )
    if refusal := refused(base, drawn):
        draft.unlink()
        say(f"refused: {refusal}; {settings.out} keeps what it had. More and more varied records help")
        return 1
    manifest = AdapterManifest(
        base=settings.model.name,
        base_hash=gguf_file.identity(settings.model),
        weights_hash=gguf_file.identity(draft),
        round=before.round + 1 if before else 1,
        seed=settings.seed,
        steps=state.best_step,
        data_hash=samples.digest,
        keys=tuple(sorted(samples.keys)),
        loss_before=state.loss_before,
        loss_after=state.best,
        distinct_of_50=drawn.distinct,
        distinct_before=base.distinct,
        copies=drawn.copies,
        versions=_versions(),
    )
    draft.replace(settings.out / adapter.WEIGHTS)
    adapter.write_manifest(settings.out, manifest)
    (settings.out / CHECKPOINT).unlink(missing_ok=True)
    say(f"use it: pytest --generate 4 --model {_named(settings.model)}+{settings.out}")
    return 0


def refused(before: Drawn, after: Drawn) -> str | None:
    """Why an adapter is refused, None when it is not: it repeats its training answers, or itself."""
    if after.copies > MOST_COPIES * after.asked:
        return f"{after.copies} of {after.asked} draws are training answers, and at most {MOST_COPIES:.0%} may be"
    if after.distinct < LEAST_DISTINCT * before.distinct:
        return f"it draws {after.distinct} different schedules, and the base {before.distinct}"
    return None


def _earlier(folder: Path) -> AdapterManifest | None:
    return adapter.read_manifest(folder) if (folder / adapter.MANIFEST).exists() else None


def _named(model: Path) -> str:
    from harness.minds.catalogue import SMOLLM2, packaged_smollm2

    try:
        return SMOLLM2 if model == packaged_smollm2() else str(model)
    except UserError:
        return str(model)


def _versions() -> dict[str, str]:
    found = {}
    for name in ("torch", "transformers", "peft", "gguf", "llama-cpp-python"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    return found
