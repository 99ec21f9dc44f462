"""From `--model` to minds: builtin, a .gguf file, hf:REPO:FILE, or the URL of an OpenAI-compatible server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.announce import Announce
from harness.errors import UserError
from harness.minds.protocol import Mind, Minds
from harness.minds.tuner import BuiltinTuner
from harness.schedule.space import Space
from harness.settings import Settings

BUILTIN = "builtin"
# These agents compute or call the judge, so that a model would have nothing to decide.
COMPUTING = ("verifier", "tester")


def open_minds(settings: Settings, lanes: Sequence[Space], say: Announce, seed: int) -> Minds:
    """The minds that the settings name; a model that is named twice is loaded once.

    Raises UserError with one line: unknown model, missing extra or file, not a GGUF, too little memory, server down.
    """
    tuner = BuiltinTuner(lanes, seed)
    if settings.replay is not None:
        return Minds(tuner)
    opened: dict[str, Mind] = {BUILTIN: tuner}
    by_role: dict[str, Mind] = {}
    for role, model in settings.models.items():
        if role in COMPUTING:
            say(f"--model {role}={model} has no effect: the {role} computes and asks no model")
            continue
        if model not in opened:
            opened[model] = open_model(model, settings, say)
        by_role[role] = opened[model]
    return Minds(tuner, by_role)


def open_model(model: str, settings: Settings, say: Announce) -> Mind:
    """One language model; raises UserError when `model` does not name one or it cannot be opened."""
    if model.startswith(("http://", "https://")):
        from harness.minds.server import ServerMind

        return ServerMind.open(model, settings.context_tokens, say)
    if model.startswith("hf:"):
        from harness.minds.hub import fetch

        return _llama(fetch(model, say), settings, say)
    path = Path(model).expanduser()
    if model.lower().endswith(".gguf") or path.exists():
        return _llama(path, settings, say)
    raise UserError(
        f"--model {model}: unknown; allowed: builtin, a .gguf file, hf:REPO:FILE, or a local server's http://HOST:PORT/v1"
    )


def _llama(path: Path, settings: Settings, say: Announce) -> Mind:
    from harness.minds.llama import LlamaMind

    return LlamaMind.open(path, settings.context_tokens, settings.gpu_layers, say)
