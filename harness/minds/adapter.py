"""An adapter of a small model, as a folder: adapter.gguf, and manifest.json, which says what it was trained on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from harness.durable import write_whole
from harness.errors import UserError
from harness.minds import gguf_file

WEIGHTS, MANIFEST = "adapter.gguf", "manifest.json"
FORMAT = 1
# Architectures whose adapters can be made: of others it is not known whether llama.cpp reorders rows of their weights.
ARCHITECTURES = ("llama",)


@dataclass(frozen=True, slots=True)
class AdapterManifest:
    """What an adapter is and where it comes from.

    base: the model file's name; base_hash, weights_hash: identities of model and adapter file. round: how many
    times this folder was trained, each time from the base. keys: the schedules whose answers were learned, by
    source. loss: mean negative log-likelihood of a letter, in nats, on the schedules kept for validation, before
    and after. distinct_of_50: different schedules among fifty draws; copies: those among them that were training
    answers.
    """

    base: str
    base_hash: str
    weights_hash: str
    round: int
    seed: int
    steps: int
    data_hash: str
    keys: tuple[str, ...]
    loss_before: float | None
    loss_after: float | None
    distinct_of_50: int
    distinct_before: int
    copies: int
    versions: Mapping[str, str] = field(default_factory=dict)
    format: int = FORMAT


def write_manifest(folder: Path, manifest: AdapterManifest) -> None:
    """Write manifest.json; raises UserError when it cannot be written."""
    write_whole(folder / MANIFEST, json.dumps(asdict(manifest), indent=1) + "\n", make_folder=True)


def read_manifest(folder: Path) -> AdapterManifest:
    """The manifest of an adapter's folder; raises UserError when there is none of this version."""
    try:
        plain = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        plain["keys"] = tuple(plain["keys"])
        manifest = AdapterManifest(**plain)
        if manifest.format == FORMAT:
            return manifest
    except FileNotFoundError:
        raise UserError(
            f"{folder}: no adapter in this folder (no {MANIFEST}); train one with "
            f"python -m harness.minds.learn --model smollm2 --out {folder}"
        ) from None
    except (OSError, ValueError, TypeError, KeyError):
        pass
    raise UserError(f"{folder / MANIFEST}: not a manifest of this version; train the adapter again")


def fitting(folder: Path, base: Path) -> Path:
    """The adapter's file, checked against the model that it shall change.

    Raises UserError when the folder has no whole adapter, or one of another model.
    """
    manifest = read_manifest(folder)
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise UserError(f"{folder}: {WEIGHTS} is missing; train the adapter again")
    gguf_file.check(weights)
    found = gguf_file.identity(base)
    # llama.cpp dies of a damaged adapter, so the bytes are compared before it reads them.
    if manifest.weights_hash != gguf_file.identity(weights):
        raise UserError(
            f"{weights}: not the file that {MANIFEST} describes (cut off?); train the adapter again"
        )
    if manifest.base_hash != found:
        raise UserError(
            f"{folder}: this adapter was trained for {manifest.base} ({manifest.base_hash}), and {base.name} is "
            f"{found}; use it with the same file, or train one for this model"
        )
    return weights


def named(base: Path, folder: Path | None) -> tuple[str, str]:
    """The name and the identity in records of a model with an adapter, or without one."""
    if folder is None:
        return base.name, gguf_file.identity(base)
    added = gguf_file.identity(folder / WEIGHTS)
    return f"{base.name}+{folder.name}", f"{gguf_file.identity(base)}+{added}"


def split(model: str) -> tuple[str, Path | None]:
    """The model and the adapter's folder of a text like "smollm2+my-adapter"; no folder where there is no "+"."""
    if model.startswith(("http://", "https://")) or Path(model).expanduser().is_file():
        return model, None
    base, sign, folder = model.rpartition("+")
    return (base, Path(folder).expanduser()) if sign and base and folder else (model, None)
