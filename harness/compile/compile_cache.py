"""The content-addressed cache of compiled kernels: whole entries only, verified before use, least recently used
removed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from harness.verdict import CompileError

LIBRARY_FILE = "kernel.so"
RECORD_FILE = "record.json"
# Key name changed, so that older entries are ignored: they held rustc's output with control characters.
REFUSAL = "does_not_compile"
# About 0.6 GiB of kernels at half a megabyte each. Entries used within the last hour may still be loaded
# somewhere.
ENTRIES_KEPT = 1200
YOUNG_S = 3600.0


@dataclass(frozen=True, slots=True)
class CompiledKernel:
    """A compiled kernel: file, symbol to call, SHA-256 of source and binary in hexadecimal.

    `warnings` are rustc's about the candidate, one line each; `compile_s` is the wall time of its compilation; `cached`
    says whether that happened in an earlier call.
    """

    path: Path
    symbol: str
    source_hash: str
    binary_hash: str
    warnings: tuple[str, ...]
    compile_s: float
    cached: bool


def load(entry: Path, symbol: str) -> CompiledKernel | CompileError | None:
    """The content of `entry`; None when it is absent, torn or modified."""
    try:
        record = json.loads((entry / RECORD_FILE).read_text(encoding="utf-8"))
        if REFUSAL in record:
            refusal = record[REFUSAL]
            found: CompiledKernel | CompileError = CompileError(refusal["summary"], refusal["diagnostics"])
        else:
            path = entry / LIBRARY_FILE
            if file_hash(path) != record["binary_hash"]:
                return None
            found = CompiledKernel(
                path=path,
                symbol=symbol,
                source_hash=record["source_hash"],
                binary_hash=record["binary_hash"],
                warnings=tuple(record["warnings"]),
                compile_s=float(record["compile_s"]),
                cached=True,
            )
        os.utime(entry)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found


def store_error(entry: Path, error: CompileError) -> None:
    """Store that the source does not compile."""
    _publish(entry, {REFUSAL: {"summary": error.summary, "diagnostics": error.diagnostics}}, None)


def store_library(entry: Path, made: Path, library: CompiledKernel) -> None:
    """Store `library`, whose file is at `made`; returns it with its path in `entry`."""
    record = {
        "source_hash": library.source_hash,
        "binary_hash": library.binary_hash,
        "warnings": list(library.warnings),
        "compile_s": library.compile_s,
    }
    _publish(entry, record, made)


def file_hash(path: Path) -> str:
    """SHA-256 of a file, hexadecimal. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _publish(entry: Path, record: dict[str, object], made: Path | None) -> None:
    entry.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=entry.parent))
    try:
        if made is not None:
            shutil.copyfile(made, fresh / LIBRARY_FILE)
            (fresh / LIBRARY_FILE).chmod(0o555)
        (fresh / RECORD_FILE).write_text(json.dumps(record), encoding="utf-8")
        _replace(fresh, entry)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    _prune(entry.parent)


def _replace(fresh: Path, entry: Path) -> None:
    """Rename `fresh` to `entry`. A folder cannot be renamed onto a non-empty one, so the old one is moved aside.

    An equivalent old entry stays: another process has compiled the same source and may be about to use it.
    """
    for _ in range(8):
        try:
            fresh.rename(entry)
            return
        except OSError:
            if load(entry, "") is not None:
                return
            if not entry.exists():
                raise
        aside = Path(tempfile.mkdtemp(prefix=".old-", dir=entry.parent))
        try:
            entry.rename(aside / "entry")
        except FileNotFoundError:
            pass  # moved by another process
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    raise OSError(f"{entry}: other processes keep replacing it")


def _prune(folder: Path) -> None:
    """Remove the entries unused for longest, and leftovers of killed processes that are more than an hour old."""
    now = time.time()
    aged: list[tuple[float, Path]] = []
    for path in folder.iterdir():
        try:
            age = now - path.stat().st_mtime
        except FileNotFoundError:
            continue
        if not path.name.startswith("."):
            aged.append((age, path))
        elif age > YOUNG_S:
            shutil.rmtree(path, ignore_errors=True)
    for age, path in sorted(aged, reverse=True)[: max(0, len(aged) - ENTRIES_KEPT)]:
        if age > YOUNG_S:
            shutil.rmtree(path, ignore_errors=True)
