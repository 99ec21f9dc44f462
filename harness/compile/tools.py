"""The tools for compiling a kernel, prepared once and passed on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.announce import Announce
from harness.caches import default_cache
from harness.compile import crates, toolchain
from harness.compile.crates import ExternCrates
from harness.compile.toolchain import Toolchain


@dataclass(frozen=True, slots=True)
class Tools:
    """Compiler, host, inspector and rayon. `sandboxed` False runs rustc outside of the jail; `kernels` is the cache."""

    toolchain: Toolchain
    host: Path
    inspector: Path
    externs: ExternCrates
    sandboxed: bool
    kernels: Path


def prepare(say: Announce, sandboxed: bool) -> Tools:
    """Find the toolchain and build what is not built yet; `say` gets one line per crate that is actually built.

    Raises ToolchainError, UserError (no network, no cache folder) or HarnessFaultError.
    """
    found = toolchain.find()
    kernels = default_cache() / "kernels"
    return Tools(
        toolchain=found,
        host=crates.host_binary(say),
        inspector=crates.inspector_binary(say),
        externs=crates.extern_crates(say),
        sandboxed=sandboxed,
        kernels=kernels,
    )
