"""The checkups: each asks the code that a run would ask, and says what is there or which command brings it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path

from harness import caches, machine
from harness.announce import Announce
from harness.errors import HarnessFaultError, ToolchainError, UserError
from harness.packaged import folder_of
from harness.places import ROOT

INSTALL = "make install"
_DISTRIBUTION = "matmul-round-table"
# Below this, building tools and keeping kernels may fill the disk.
_LEAST_FREE_BYTES = 2 << 30


class Condition(StrEnum):
    """What a checkup found. Only `MISSING` keeps a run from starting; `UNKNOWN` can be told after a first build."""

    OK = "ok"
    MISSING = "MISSING"
    UNKNOWN = "unknown"
    OPTIONAL = "optional"


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer of one checkup: what was found, and the command or step that brings what is not there."""

    condition: Condition
    said: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Checkup:
    """A topic and the function that looks at it."""

    topic: str
    look: Callable[[], Finding]

    def finding(self) -> Finding:
        """The answer; an error that a run would report becomes a finding, so that all topics are told."""
        try:
            return self.look()
        except ImportError as error:
            return Finding(Condition.MISSING, f"{error.name or error} is not installed", INSTALL)
        except (UserError, HarnessFaultError) as error:
            said, _, remedy = str(error).rpartition("; ")
            return Finding(Condition.MISSING, said or str(error), remedy if said else "")


class NotBuiltError(Exception):
    """A tool is not in the cache, and nothing is to be built now; the text is the line that a build would announce."""


def checkups(results: Path, build: Announce | None) -> list[Checkup]:
    """Every checkup in the order printed. `build` gets one line per tool that is built; None builds nothing."""
    say = build or _refuse
    return [
        Checkup("python", _python),
        Checkup("packages", _packages),
        Checkup("machine", _machine),
        Checkup("load", _load),
        Checkup("toolchain", _toolchain),
        Checkup("cache", _cache),
        Checkup("tools", partial(_tools, say)),
        Checkup("sandbox", partial(_sandbox, say)),
        Checkup("limits", _limits),
        Checkup("BLAS", _blas),
        Checkup("results", partial(_results, results)),
        Checkup("memory", partial(_memory, results)),
        Checkup("models", _models),
        Checkup("training", _training),
        Checkup("embedders", _embedders),
    ]


def _refuse(line: str) -> None:
    raise NotBuiltError(line)


def _python() -> Finding:
    found = f"{platform.python_version()} on {platform.system()} {platform.release()} ({platform.machine()})"
    return Finding(Condition.OK, found)


def _packages() -> Finding:
    """The base dependencies: all there in a version that fits, and the versions of those that matter in a report."""
    from packaging.requirements import Requirement

    wrong, versions = [], {}
    for needed in map(Requirement, _requirements()):
        try:
            versions[needed.name] = importlib.metadata.version(needed.name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{needed.name} is not installed")
            continue
        if not needed.specifier.contains(versions[needed.name], prereleases=True):
            wrong.append(f"{needed.name} is {versions[needed.name]}, needed is {needed.specifier}")
    if wrong:
        return Finding(Condition.MISSING, ", ".join(wrong), INSTALL)
    told = ("pytest", "numpy", "chromadb", "autogen-core", "hypothesis", "optuna")
    return Finding(Condition.OK, ", ".join(f"{name} {versions[name]}" for name in told if name in versions))


def _requirements() -> list[str]:
    """The base requirements: those of the checkout, else those of the installed distribution."""
    project = ROOT / "pyproject.toml"
    if project.is_file():
        found: list[str] = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["dependencies"]
        return found
    return [one for one in importlib.metadata.requires(_DISTRIBUTION) or [] if "extra ==" not in one]


def _machine() -> Finding:
    here = machine.read()
    sizes = ", ".join(
        f"{name} {size >> 10} KiB"
        for name, size in (("L1d", here.l1d_bytes), ("L2", here.l2_bytes), ("L3", here.l3_bytes))
    )
    told = f"{here.description}; {sizes}; fingerprint {here.fingerprint}"
    if here.vector == "portable":
        return Finding(
            Condition.OPTIONAL, f"{told}; no vector unit with templates, kernels are plain Rust", ""
        )
    return Finding(Condition.OK, told)


def _load() -> Finding:
    load = machine.load()
    if load is None:
        return Finding(Condition.OPTIONAL, "this system does not report its load")
    said = f"{load:.2f} on {len(machine.read().cores)} cores (mean of a minute)"
    if machine.is_busy(load, machine.read()):
        return Finding(
            Condition.OPTIONAL,
            f"{said}: timings may be too noisy to count",
            "wait until the machine is quiet",
        )
    return Finding(Condition.OK, said)


def _toolchain() -> Finding:
    from harness.compile import toolchain

    found = toolchain.find()
    return Finding(
        Condition.OK,
        f"{found.fingerprint}, LLVM {found.llvm}, {found.cargo.name}, linker {found.linker.name}",
    )


def _cache() -> Finding:
    folder, notice = caches.usable_cache()
    caches.require_runnable(folder)
    place = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(place).free
    said = f"{_short(folder)}, {free / 2**30:.0f} GiB free" + (f"; {notice}" if notice else "")
    if free < _LEAST_FREE_BYTES:
        return Finding(
            Condition.OPTIONAL, said, "free some space, or set ROUNDTABLE_CACHE to a folder elsewhere"
        )
    return Finding(Condition.OK, said)


def _tools(say: Announce) -> Finding:
    from harness.compile import tools

    try:
        tools.prepare(say, sandboxed=True)
    except ToolchainError:
        return Finding(Condition.UNKNOWN, "they are built with the toolchain, which is missing")
    except NotBuiltError:
        return _unbuilt("not built yet; the first run builds them, about a minute, and fetches crates")
    return Finding(Condition.OK, "host, inspector and rayon are built for this toolchain")


def _sandbox(say: Announce) -> Finding:
    from harness.compile import crates
    from harness.judge.worker import sandbox

    try:
        sandbox.require(crates.host_binary(say))
    except ToolchainError:
        return Finding(Condition.UNKNOWN, "not known without the host, which the toolchain builds")
    except NotBuiltError:
        return _unbuilt("not known before the host is built")
    return Finding(Condition.OK, "Landlock and seccomp work")


def _unbuilt(said: str) -> Finding:
    return Finding(Condition.UNKNOWN, said, "python -m harness.doctor --build")


def _limits() -> Finding:
    from harness.pipeline import require_limits

    require_limits("default", machine.read().cores)
    return Finding(Condition.OK, "address space, open files, file size and memfd_create suffice")


def _blas() -> Finding:
    from harness.clock import baseline
    from harness.clock.baseline import Baseline
    from harness.clock.core_types import CoreTypes

    def not_now(kernels: Baseline) -> float:
        raise NotBuiltError(str(kernels))

    own = baseline.find(None)
    try:
        chosen = CoreTypes(
            own, machine.read(), caches.default_cache(), lambda line: None, not_now
        ).strongest()
    except NotBuiltError:
        return Finding(Condition.OK, f"{own}; the first run measures which of its core types is fastest here")
    return Finding(
        Condition.OK,
        f"{chosen} is the baseline" + (f"; its own choice: {own}" if str(chosen) != str(own) else ""),
    )


def _results(results: Path) -> Finding:
    from harness.roundtable.runlog import journal

    place = next(place for place in (results, *results.absolute().parents) if place.exists())
    if not os.access(place, os.W_OK | os.X_OK):
        return Finding(
            Condition.MISSING, f"{_short(results)} cannot be written", "pytest --generate 4 --results FOLDER"
        )
    runs = journal.newest(results)
    if not runs:
        return Finding(Condition.OK, f"{_short(results)}: no run yet")
    try:
        ended = journal.read(runs[0].parent).ended
    except UserError as error:
        return Finding(Condition.OK, f"{len(runs)} runs; the newest cannot be read: {error}")
    state = ended if ended is not None else "interrupted; to go on: pytest --generate N --resume"
    return Finding(
        Condition.OK, f"{_short(results)}: {len(runs)} runs, the newest {runs[0].parent.name} ({state})"
    )


def _memory(results: Path) -> Finding:
    folder = results / "memory"
    if not folder.is_dir():
        return Finding(Condition.OK, "no kernel remembered yet")
    from harness.memory.kernels import open_memory

    with open_memory(str(folder)) as memory:
        return Finding(Condition.OK, f"{memory.count()} accepted kernels in {_short(folder)}")


def _models() -> Finding:
    from harness.minds.catalogue import HISTOGRAMS, SMOLLM2, packaged_smollm2

    told = ["builtin (the tuner)", HISTOGRAMS, *_packaged(SMOLLM2, packaged_smollm2)]
    llama = _version("llama-cpp-python", "llama_cpp")
    told += [f"llama.cpp (llama-cpp-python {llama})"] if llama else []
    servers = _version("autogen-ext", "autogen_ext") if _version("openai", "openai") else ""
    told += [f"servers (autogen-ext {servers})"] if servers else []
    if llama and servers:
        return Finding(Condition.OK, ", ".join(told))
    return Finding(
        Condition.OPTIONAL, f"{', '.join(told)}; no other model", "pip install 'matmul-round-table[llm]'"
    )


def _training() -> Finding:
    from harness.learning.trainer import INSTALL, PACKAGES

    missing = [name for name in PACKAGES if folder_of(name) is None]
    if missing:
        return Finding(Condition.OPTIONAL, f"no adapters: {', '.join(missing)} not installed", INSTALL)
    return Finding(Condition.OK, "python -m harness.minds.learn has all that it needs")


def _embedders() -> Finding:
    from harness.store.embedders import MINILM, packaged_minilm

    found = _version("sentence-transformers", "sentence_transformers")
    if found:
        told = ["hashed n-grams", *_packaged(MINILM, packaged_minilm), f"sentence-transformers {found}"]
        return Finding(Condition.OK, ", ".join(told))
    return Finding(
        Condition.OPTIONAL, "hashed n-grams; no semantic search", "pip install 'matmul-round-table[semantic]'"
    )


def _packaged(name: str, find: Callable[[], Path]) -> list[str]:
    """The name of a model that is a Python package, if it is installed."""
    try:
        find()
    except UserError:
        return []
    return [name]


def _version(distribution: str, module: str) -> str:
    """The version of an optional package; empty when it is not there. It is not imported, which takes seconds."""
    if folder_of(module) is None:
        return ""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "of unknown version"


def _short(path: Path) -> str:
    """A path without the user's name, because findings are pasted into bug reports."""
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)
