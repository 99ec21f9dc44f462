"""The yardsticks: the crates matrixmultiply, gemm and faer behind the contract's symbol, judged like any kernel."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessFaultError
from harness.judge.worker.calls import Abi, Program
from harness.places import REFERENCE

FOLDER = REFERENCE / "yardsticks"
NAMES = ("matrixmultiply", "gemm", "faer")


@dataclass(frozen=True, slots=True)
class Yardstick:
    """A crate, its locked version, the library to run, and the thread classes that it supports."""

    name: str
    version: str
    program: Program
    thread_classes: tuple[str, ...] = ("1", "all")


def build(say: Callable[[str], None]) -> list[Yardstick]:
    """All yardsticks, built by Cargo from their lock files on first use (faer takes minutes) and cached.

    Their code is trusted: it is locked by checksum, and `gemm` runs lscpu, which the sandbox does not allow. Raises
    UserError when the crates cannot be downloaded, HarnessFaultError when one does not build.
    """
    return [one(name, say) for name in NAMES]


def one(name: str, say: Callable[[str], None]) -> Yardstick:
    """The yardstick `name` of NAMES, built on first use; raises like `build`."""
    from harness.compile import crates

    library = crates.dynamic_library(FOLDER / name, say)
    return Yardstick(name, locked_version(name), Program(library, "harness_matmul", Abi.KERNEL))


def locked_version(name: str) -> str:
    """The version of crate `name` in its yardstick's Cargo.lock."""
    lock = tomllib.loads((FOLDER / name / "Cargo.lock").read_text(encoding="utf-8"))
    for package in lock["package"]:
        if package["name"] == name:
            return str(package["version"])
    raise HarnessFaultError(f"{FOLDER / name / 'Cargo.lock'} does not name {name}")


def is_trusted(program: Program, cache: Path) -> bool:
    """Whether this is code of ours or of a locked crate, which needs no sandbox: it was built by Cargo under
    the cache.
    """
    if program.library is None:
        return False
    folder = program.library.resolve().parent
    return folder.parent == (cache / "tools").resolve() and folder.name.startswith("yardstick-")
