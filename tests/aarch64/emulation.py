"""Compiling for aarch64-linux, and running what was compiled under QEMU's user-mode emulation."""

from __future__ import annotations

import functools
import json
import shutil
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from harness.caches import default_cache
from harness.candidate import ThreadClass
from harness.compile.crates import EXTERNS_CRATE, HOST_CRATE, cargo_environment
from harness.compile.toolchain import find
from harness.judge.examination import Examination
from harness.judge.launch import prepare_examination
from harness.judge.worker.calls import Abi, Program
from harness.judge.worker.limits import time_limit_s
from harness.machine import read
from harness.operation.operations import MATMUL, Operation
from harness.settings import Profile, Settings
from tests.conftest import LEAN_CARGO

TARGET = "aarch64-unknown-linux-gnu"
LINKER, EMULATOR, LOADER = "aarch64-linux-gnu-gcc", "qemu-aarch64-static", Path("/lib/ld-linux-aarch64.so.1")
BUILD_LIMIT_S = 900.0
# An emulated call takes up to a hundred times as long.
SLOWER = 100.0


@functools.cache
def compiler() -> Path | None:
    """A rustc whose standard library for aarch64-linux is there: rustup's, or Debian's rustc-web."""
    for rustc in (find().rustc, Path("/usr/bin/rustc")):
        if rustc.is_file():
            asked = [str(rustc), "--print", "target-libdir", "--target", TARGET]
            done = subprocess.run(asked, capture_output=True, encoding="utf-8", check=False)
            if done.returncode == 0 and list(Path(done.stdout.strip()).glob("libstd-*")):
                return rustc
    return None


def missing() -> str:
    """What is not there, as one line with what brings it; empty if everything is."""
    lacking = [name for name in (LINKER, EMULATOR) if shutil.which(name) is None]
    lacking += [str(LOADER)] if not LOADER.exists() else []
    lacking += [f"Rust's standard library for {TARGET}"] if compiler() is None else []
    return f"no {', no '.join(lacking)}: docs/export.md names the packages" if lacking else ""


def cargo(folder: Path, target: Path, *arguments: str) -> str:
    """Run Cargo for aarch64 with the emulator as runner; returns its output. Fails the test when Cargo fails."""
    own = f"CARGO_TARGET_{TARGET.upper().replace('-', '_')}"
    environment = (
        cargo_environment(find(), [])
        | LEAN_CARGO
        | {
            "RUSTC": str(compiler()),
            f"{own}_LINKER": LINKER,
            f"{own}_RUNNER": EMULATOR,
        }
    )
    done = subprocess.run(
        [str(find().cargo), *arguments, "--target", TARGET, "--target-dir", str(target)],
        cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8",
        errors="replace", timeout=BUILD_LIMIT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


def host(folder: Path) -> Path:
    """The host for aarch64, behind a script in `folder` that starts it in the emulator. The cache keeps the build:
    Cargo locks it and builds again what has changed.
    """
    target = default_cache() / "tests" / "aarch64"
    cargo(HOST_CRATE, target, "build", "--release", "--locked")
    script = folder / "emulated-host"
    built = target / TARGET / "release" / "roundtable-host"
    script.write_text(f'#!/bin/sh\nexec {shutil.which(EMULATOR)} {built} "$@"\n', encoding="utf-8")
    script.chmod(script.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return script


def library(name: str, source: str, folder: Path, operation: Operation = MATMUL) -> Path:
    """The kernel behind its operation's own wrapper, as a library for aarch64. Builds share `folder`'s target."""
    crate = folder / name
    (crate / "src").mkdir(parents=True)
    (crate / "src" / "lib.rs").write_text(operation.wrapper(safe=False), encoding="utf-8")
    (crate / "src" / "kernel.rs").write_text(source, encoding="utf-8")
    manifest = (EXTERNS_CRATE / "Cargo.toml").read_text(encoding="utf-8")
    manifest = manifest.replace('name = "roundtable-externs"', f'name = "{name}"')
    manifest = manifest.replace('path = "src/lib.rs"', 'path = "src/lib.rs"\ncrate-type = ["cdylib"]')
    (crate / "Cargo.toml").write_text(manifest, encoding="utf-8")
    shutil.copy2(EXTERNS_CRATE / "Cargo.lock", crate / "Cargo.lock")
    told = cargo(crate, folder / "target", "build", "--release", "--message-format=json-render-diagnostics")
    made = [path for path in _made(told) if path.suffix == ".so"]
    assert len(made) == 1, made
    return made[0]


def _made(messages: str) -> Iterator[Path]:
    for line in messages.splitlines():
        if line.startswith("{"):
            yield from map(Path, json.loads(line).get("filenames", []))


def examination(
    host: Path, built: Path, threads: ThreadClass, folder: Path, operation: Operation = MATMUL
) -> Examination:
    """The examination of an emulated kernel: no sandbox, more time, the quick profile."""
    settings = Settings(
        root=folder,
        cache=folder,
        results=folder,
        memory="",
        profile=Profile.QUICK,
        unsandboxed=True,
        seed=1,
    )
    found = prepare_examination(
        Program(built, operation.symbol, Abi(operation.abi)),
        host=host,
        settings=settings,
        machine=read(),
        threads=threads,
        timed_shapes=(),
        database_key="",
        operation=operation,
    )
    return replace(found, time_limit_s=lambda shape: SLOWER * time_limit_s(shape))
