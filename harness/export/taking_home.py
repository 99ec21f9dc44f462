"""From the command's arguments to a finished crate: refuse early, judge, assemble, write, check with Cargo."""

from __future__ import annotations

import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from harness.caches import require_runnable
from harness.compile.toolchain import Toolchain
from harness.errors import HarnessFaultError, UserError
from harness.export import folder as folders
from harness.export.assembly import CratePlan
from harness.export.drop_in import EVOLVED, DropIn
from harness.export.judging import judge, load_all, today
from harness.export.names import require_name
from harness.export.original import MATRIXMULTIPLY, OriginalCrate, fetch, require_version, version_in_lock
from harness.pipeline import SharedTools
from harness.verdict import one_line

CHECK_LIMIT_S = 600.0


@dataclass(frozen=True, slots=True)
class Replacement:
    """That the crate replaces matrixmultiply: in the version of a lock file, in one that is named, or in the newest."""

    lock: Path | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class ExportOrder:
    """What is asked for: candidates, the crate's folder and name, what is allowed, and whether it replaces another."""

    candidates: list[Path]
    folder: Path
    name: str
    allow_normwise: bool = False
    repository: str = ""
    replaces: Replacement | None = None


def take_home(order: ExportOrder, shared: SharedTools) -> CratePlan | DropIn:
    """Judge the candidates and write the crate; returns what was written.

    Raises UserError for bad arguments, before anything is judged, and `RefusedError` for a candidate that is not taken.
    """
    require_name(order.name)
    folders.require_ours(order.folder)
    candidates = load_all(order.candidates, order.allow_normwise)
    original = None if order.replaces is None else _original(order.replaces, shared)
    require_runnable(shared.settings.cache)
    shared.make_ready("the crate's README says so")
    kernels = [judge(candidate, shared, order.allow_normwise) for candidate in candidates]
    plan = CratePlan(
        name=order.name if original is None else EVOLVED,
        kernels=kernels,
        when=today(),
        machine=shared.machine.description,
        toolchain=shared.tools.toolchain.fingerprint,
        sandboxed=not shared.settings.unsandboxed,
        repository=order.repository,
    )
    written = plan if original is None else DropIn(plan, original, order.folder)
    folders.write(order.folder, written.files())
    check(order.folder, shared.tools.toolchain, may_fetch=original is not None)
    return written


def _original(wanted: Replacement, shared: SharedTools) -> OriginalCrate:
    """The crate to be replaced; raises UserError as `fetch` and `version_in_lock` do."""
    version = wanted.version
    if version is not None:
        require_version(version)
    if wanted.lock is not None:
        version = version_in_lock(wanted.lock)
    found = fetch(version, shared.tools.toolchain)
    shared.say(f"fetched {MATRIXMULTIPLY} {found.version}")
    return found


def check(folder: Path, toolchain: Toolchain, *, may_fetch: bool = False) -> None:
    """Let Cargo check the crate, without its dependency where that is not at hand and may not be fetched.

    Raises HarnessFaultError when the crate does not compile, UserError when it lies in a workspace without belonging to
    it.
    """
    environment = {
        key: value for key, value in os.environ.items() if key not in ("RUSTFLAGS", "RUSTC_WRAPPER")
    }
    complaint = ""
    for features in ("--all-features", "--no-default-features"):
        with tempfile.TemporaryDirectory() as target:
            command = [
                str(toolchain.cargo),
                "check",
                "--quiet",
                *([] if may_fetch else ["--offline"]),
                features,
                "--target-dir",
                target,
            ]
            done = subprocess.run(
                command, cwd=folder, env=environment | {"RUSTC": str(toolchain.rustc)}, stdin=subprocess.DEVNULL,
                capture_output=True, encoding="utf-8", errors="replace", timeout=CHECK_LIMIT_S, check=False,
            )  # fmt: skip
        if done.returncode == 0:
            return
        complaint = done.stderr
        if "no matching package named" not in complaint:
            break
    if "believes it's in a workspace" in complaint:
        raise UserError(
            f"{folder}: the crate is written, but lies within another Cargo workspace: add it to workspace.members of "
            "the Cargo.toml above it, or export to another folder"
        )
    raise HarnessFaultError(f"{folder}: the crate does not compile: {one_line(complaint, 1000)}")
