"""A candidate: a folder with kernel.rs and candidate.toml, read once, never imported, nothing else in it looked at."""

from __future__ import annotations

import hashlib
import os
import stat
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from harness.errors import CandidateError
from harness.verdict import Gate

KERNEL_FILE = "kernel.rs"
MANIFEST_FILE = "candidate.toml"
MAX_BYTES = 1 << 20

ThreadClass = Literal[1, "all"]
Tier = Literal["safe", "unsafe"]


class Claim(BaseModel):
    """The record that an accepted candidate claims; it holds for the machine that it names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    machine: str = ""
    toolchain: str = ""
    baseline: str = ""
    suite: str = ""
    ratio: float = Field(gt=0)
    ratio_low: float = Field(gt=0)
    ratio_high: float = Field(gt=0)


class Manifest(BaseModel):
    """candidate.toml; every key is optional, an unknown one is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    parent: str | None = None
    parents: list[str] = Field(default_factory=list)
    run: str | None = None
    generation: int | None = Field(default=None, ge=0)
    model: str | None = None
    prompt_hash: str | None = None
    title: str | None = None
    threads: ThreadClass = 1
    tier: Tier = "unsafe"
    expect: Literal["accepted", "rejected"] = "accepted"
    gate: Gate | None = None
    min_ratio: float | None = Field(default=None, gt=0)
    proposal: dict[str, Any] | None = None
    claim: Claim | None = None

    @model_validator(mode="after")
    def _gate_belongs_to_rejected(self) -> Manifest:
        if self.expect == "accepted" and self.gate is not None:
            raise ValueError('gate is only for expect = "rejected"')
        if self.expect == "rejected" and self.claim is not None:
            raise ValueError("a rejected exhibit cannot carry a claim")
        return self


@dataclass(frozen=True, slots=True)
class Candidate:
    """One kernel to be judged: its name, its folder, its source text and its manifest."""

    name: str
    folder: Path
    source: str
    manifest: Manifest

    @property
    def source_hash(self) -> str:
        """SHA-256 of kernel.rs, in hexadecimal."""
        return hashlib.sha256(self.source.encode()).hexdigest()


def load(folder: Path) -> Candidate:
    """Read `folder` as a candidate.

    Raises CandidateError when kernel.rs or candidate.toml is missing where it must not be, a symbolic link,
    not a regular file, over 1 MiB, not UTF-8, or when the manifest is malformed or has unknown keys.
    """
    source = _read(folder / KERNEL_FILE)
    manifest_path = folder / MANIFEST_FILE
    manifest = Manifest()
    if os.path.lexists(manifest_path):
        manifest = parse_manifest(_read(manifest_path), str(manifest_path))
    return Candidate(name=folder.name, folder=folder, source=source, manifest=manifest)


def parse_manifest(text: str, where: str) -> Manifest:
    """Parse candidate.toml; raises CandidateError that names the offending key and the allowed ones."""
    try:
        return Manifest.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise CandidateError(f"{where}: not valid TOML: {error}") from None
    except ValidationError as error:
        raise CandidateError(f"{where}: {_explain(error)}") from None


def _explain(error: ValidationError) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"]) or "the file"
    if first["type"] == "extra_forbidden":
        allowed = Claim.model_fields if first["loc"][0] == "claim" else Manifest.model_fields
        return f"unknown key '{key}'; allowed: {', '.join(sorted(allowed))}"
    return f"{key}: {first['msg']}"


def _read(path: Path) -> str:
    """The text of a small regular file that is not reached through a link; O_NOFOLLOW closes the race."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise CandidateError(f"{path}: not there; a candidate is a folder with a {KERNEL_FILE}") from None
    except OSError as error:
        if path.is_symlink():
            raise CandidateError(f"{path}: is a symbolic link; put the file itself there") from None
        raise CandidateError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            kind = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
            raise CandidateError(f"{path}: is {kind}; a regular file is expected")
        data = b""
        while len(data) <= MAX_BYTES and (block := os.read(descriptor, MAX_BYTES + 1 - len(data))):
            data += block
    finally:
        os.close(descriptor)
    if len(data) > MAX_BYTES:
        raise CandidateError(f"{path}: larger than 1 MiB; a candidate is one readable file")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CandidateError(f"{path}: not UTF-8 (byte {error.start}); save it as UTF-8") from None
