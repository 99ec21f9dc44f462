"""A candidate: a folder with kernel.rs and candidate.toml. Both are read once; nothing else in the folder is read."""

from __future__ import annotations

import hashlib
import math
import os
import stat
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from harness.errors import CandidateError
from harness.manifest_text import MAX_MANIFEST_BYTES, shape_problem, value_problem
from harness.operation.operations import OPERATIONS, Operation, OperationName
from harness.verdict import Gate, one_line
from harness.visible import misleads, readable, visible

KERNEL_FILE = "kernel.rs"
MANIFEST_FILE = "candidate.toml"
MAX_SOURCE_BYTES = 1 << 20

ThreadClass = Literal[1, "all"]
Tier = Literal["safe", "unsafe"]
# Range of a claimed ratio, in which quotients and logarithms stay finite.
LEAST_RATIO, LARGEST_RATIO = 1e-6, 1e6
# One extent of a declared scheme, in blocks.
Extent = Annotated[int, Field(ge=1, le=16, strict=True)]
ClaimedRatio = Annotated[float, Field(ge=LEAST_RATIO, le=LARGEST_RATIO, allow_inf_nan=False)]


class Claim(BaseModel):
    """The timing that candidate.toml claims; it holds for the machine that it names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    machine: str = ""
    toolchain: str = ""
    baseline: str = ""
    suite: str = ""
    ratio: ClaimedRatio
    ratio_low: ClaimedRatio
    ratio_high: ClaimedRatio

    @model_validator(mode="after")
    def _ratio_lies_in_its_interval(self) -> Claim:
        if not self.ratio_low <= self.ratio <= self.ratio_high:
            raise ValueError("the ratio must lie in its interval: ratio_low <= ratio <= ratio_high")
        return self


class DeclaredScheme(BaseModel):
    """The fast bilinear scheme that a kernel declares: products of blocks, applied recursively.

    `base` is (m, k, n) in blocks, each 1 … 16; `products` is the scheme's rank, the number of block products; `levels`
    is the number of recursive levels, 1 … 8. Nothing of it is measured or proved here.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: tuple[Extent, Extent, Extent]
    products: int = Field(ge=1, strict=True)
    levels: int = Field(ge=1, le=8, strict=True)

    @property
    def halvings(self) -> int:
        """How often one level halves the rows or columns of C."""
        return math.ceil(math.log2(max(self.base[0], self.base[2])))

    @model_validator(mode="after")
    def _products_can_be_a_rank(self) -> DeclaredScheme:
        m, k, n = self.base
        # The matrix multiplication tensor is concise: its three flattenings have the ranks mk, kn and mn, and a
        # tensor's rank is at least that of each (Bürgisser, Clausen and Shokrollahi 1997, chapter 14).
        least, textbook = max(m * k, k * n, m * n), m * k * n
        if least == textbook:
            raise ValueError(
                f"base {m}x{k}x{n} needs all {textbook} products; a fast scheme has extents of 2 or more"
            )
        if not least <= self.products < textbook:
            raise ValueError(
                f"products must be {least} to {textbook - 1} for base {m}x{k}x{n}; got {self.products}"
            )
        return self


class Manifest(BaseModel):
    """The content of candidate.toml. Every key is optional; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    parent: str | None = None
    parents: list[str] = Field(default_factory=list)
    run: str | None = None
    generation: int | None = Field(default=None, ge=0)
    model: str | None = None
    prompt_hash: str | None = None
    title: str | None = None
    operation: OperationName = OperationName.MATMUL
    threads: ThreadClass = 1
    tier: Tier = "unsafe"
    expect: Literal["accepted", "rejected"] = "accepted"
    gate: Gate | None = None
    min_ratio: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    proposal: dict[str, Any] | None = None
    claim: Claim | None = None
    scheme: DeclaredScheme | None = None

    @model_validator(mode="after")
    def _gate_belongs_to_rejected(self) -> Manifest:
        if self.expect == "accepted" and self.gate is not None:
            raise ValueError('gate is only for expect = "rejected"')
        if self.expect == "rejected" and self.claim is not None:
            raise ValueError("a rejected exhibit cannot carry a claim")
        return self


@dataclass(frozen=True, slots=True)
class Candidate:
    """One kernel to be judged: name, folder, source text and manifest."""

    name: str
    folder: Path
    source: str
    manifest: Manifest

    @property
    def source_hash(self) -> str:
        """SHA-256 of kernel.rs, in hexadecimal."""
        return hashlib.sha256(self.source.encode()).hexdigest()

    @property
    def operation(self) -> Operation:
        """What the kernel computes, and how it is called."""
        return OPERATIONS[self.manifest.operation]


def is_candidate_folder(path: Path) -> bool:
    """Whether the folder holds a candidate, even a broken one. Nothing else in such a folder is read or imported."""
    return os.path.lexists(path / KERNEL_FILE) or os.path.lexists(path / MANIFEST_FILE)


def load(folder: Path) -> Candidate:
    """Read `folder` as a candidate.

    Raises CandidateError when kernel.rs is missing; when either file is a symbolic link, not a regular file, too large
    or not UTF-8; when the manifest is malformed or has unknown keys; and when the folder's path has characters that a
    report cannot show.
    """
    shown = readable(str(folder))
    if misleads(shown):
        raise CandidateError(
            f"{visible(shown)}: the path holds control characters, characters that reorder text, or bytes "
            "that are not UTF-8; rename the folder with plain letters"
        )
    source = _read(folder / KERNEL_FILE, MAX_SOURCE_BYTES)
    manifest_path = folder / MANIFEST_FILE
    manifest = Manifest()
    if os.path.lexists(manifest_path):
        manifest = parse_manifest(_read(manifest_path, MAX_MANIFEST_BYTES), str(manifest_path))
    return Candidate(name=readable(folder.name), folder=folder, source=source, manifest=manifest)


def parse_manifest(text: str, where: str) -> Manifest:
    """Parse candidate.toml; raises CandidateError that names the offending key and the allowed ones."""
    problem = shape_problem(text)
    if problem is not None:
        raise CandidateError(f"{where}: {problem}")
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CandidateError(f"{where}: not valid TOML: {one_line(str(error))}") from None
    except ValueError:
        # Python refuses to convert decimal numbers of more than 4300 digits.
        raise CandidateError(f"{where}: an integer beyond 64 bits; TOML's integers have 64") from None
    except RecursionError:
        raise CandidateError(f"{where}: nested too deeply; nest less") from None
    problem = value_problem(values)
    if problem is not None:
        raise CandidateError(f"{where}: {problem}")
    try:
        return Manifest.model_validate(values)
    except ValidationError as error:
        raise CandidateError(f"{where}: {one_line(_explain(error), 1000)}") from None


# The tables of candidate.toml whose keys are fixed.
_TABLES: dict[str | int, type[BaseModel]] = {"claim": Claim, "scheme": DeclaredScheme}


def _explain(error: ValidationError) -> str:
    first = error.errors()[0]
    key = one_line(".".join(str(part) for part in first["loc"]), 80) or "the file"
    if first["type"] == "extra_forbidden":
        table = _TABLES.get(first["loc"][0], Manifest) if len(first["loc"]) > 1 else Manifest
        allowed = table.model_fields
        return f"unknown key '{key}'; allowed: {', '.join(sorted(allowed))}"
    return f"{key}: {first['msg']}"


def _read(path: Path, limit: int) -> str:
    """The text of a small regular file that is not a link; O_NOFOLLOW closes the race between check and open."""
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
        while len(data) <= limit and (block := os.read(descriptor, limit + 1 - len(data))):
            data += block
    finally:
        os.close(descriptor)
    if len(data) > limit:
        size = "1 MiB" if limit == MAX_SOURCE_BYTES else f"{limit >> 10} KiB"
        raise CandidateError(f"{path}: larger than {size}; a candidate is one readable file")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CandidateError(f"{path}: not UTF-8 (byte {error.start}); save it as UTF-8") from None
