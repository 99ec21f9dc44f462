"""Turns the end of a worker into a verdict: crash, panic, time-out, out-of-memory, or a cheat."""

from __future__ import annotations

import os
import re
import signal
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from harness.judge.worker.process import Death
from harness.judge.worker.shared_memory import PlacedSlot
from harness.verdict import (
    At,
    Cheat,
    Crash,
    HarnessError,
    Inconclusive,
    OutOfMemory,
    Panic,
    PolicyViolation,
    Rejection,
    Timeout,
    one_line,
)

# The struct LastWords of wire.rs: kind, signal, address, stack pointer, system call, access, length of text,
# three base addresses.
_WORDS = struct.Struct("=IIQQqIIQQQ")
_TEXT_BYTES = 512
_SIGNALLED, _VIOLATION = 1, 2
_GUARD_BYTES = 16 << 20
_STACK_REACH_BYTES = 64 << 20
_HOST_FAULTS = (122, 123, 124, 125)
_NOT_LOADED = 124
_HOST_SAYS = "roundtable-host: "
_NO_MEMORY = re.compile(r"memory allocation of \d+ bytes failed|Cannot allocate memory|OutOfMemory")
# Panic messages of std for a lack of memory: spawning a thread, or an unwrapped try_reserve.
_NO_MEMORY_IN_PANIC = re.compile(
    r"failed to spawn thread: Os \{ code: 1[12]\b|Os \{ code: 12, kind|AllocError \{"
)
# Messages of glibc's loader for a library that is larger than the address space left (elf/dl-map-segments.h).
_NO_ROOM_TO_LOAD = re.compile(
    r"failed to map segment|cannot map zero-fill pages|[Cc]annot (allocate|create TLS)"
)
_PANIC = re.compile(r"panicked at [^\n]*\n?(?P<message>[^\n]*)")


@dataclass(frozen=True, slots=True)
class WorkerEnd:
    """How the worker ended: where, under which limits, with which products, and its page of last words.

    `loaded` says whether the library's own code had already run. From then on, an exit code may be the candidate's.
    """

    at: At
    limit_s: float
    memory_bytes: int
    slots: Sequence[PlacedSlot]
    words: bytes
    loaded: bool


@dataclass(frozen=True, slots=True)
class LastWords:
    """What the host's signal handlers recorded. The candidate can write there too, so it only affects the wording of a
    rejection.
    """

    kind: int
    address: int
    stack_pointer: int
    writing: bool
    bases: tuple[int, int, int]
    text: str


def verdict(death: Death, case: WorkerEnd) -> Rejection:
    """The rejection for a dead worker. Death always means rejection; forged last words only change its wording."""
    words = _read(case.words)
    if death.starved_s:
        noise = f"the machine is too busy: the kernel waited {death.starved_s:.0f} s for a core"
        return Inconclusive(noise, case.at)
    if death.late:
        return Timeout(case.limit_s, case.at)
    if death.trick:
        return Cheat(death.trick, death.evidence, case.at)
    if words.kind == _VIOLATION:
        return Cheat("sandbox violation", one_line(words.text), case.at)
    if os.WIFEXITED(death.status):
        return _exited(os.WEXITSTATUS(death.status), death.output, case)
    return _killed(os.WTERMSIG(death.status), death.output, words, case)


def _exited(code: int, said: str, case: WorkerEnd) -> Rejection:
    if not case.loaded and code in _HOST_FAULTS and _HOST_SAYS in said:
        detail = one_line(said.rpartition(_HOST_SAYS)[2])
        return _unloadable(detail, case) if code == _NOT_LOADED else HarnessError(detail, case.at)
    return Cheat("left the process", f"exit with code {code} in the middle of a call", case.at)


def _unloadable(detail: str, case: WorkerEnd) -> Rejection:
    """The loader refused the candidate's library. A BLAS is loaded before the sandbox closes and never gets here."""
    if _NO_ROOM_TO_LOAD.search(detail):
        return OutOfMemory(case.memory_bytes, case.at)
    if "cannot open shared object file" in detail:
        return HarnessError(detail, case.at)
    return PolicyViolation("unloadable", detail, None, case.at)


def _killed(number: int, said: str, words: LastWords, case: WorkerEnd) -> Rejection:
    match number:
        case signal.SIGSYS:
            evidence = "a forbidden system call while signals were blocked, as when a program is started"
            return Cheat("sandbox violation", evidence, case.at)
        case signal.SIGKILL:
            return OutOfMemory(case.memory_bytes, case.at)
        case signal.SIGXCPU:
            return Timeout(case.limit_s, case.at)
        case signal.SIGABRT:
            return _aborted(said, case)
        case signal.SIGSEGV | signal.SIGBUS:
            return _bad_access(number, words, case)
        case _:
            return Crash(number, case.at, one_line(said[-300:]))


def _aborted(said: str, case: WorkerEnd) -> Rejection:
    panic = _PANIC.search(said)
    # The candidate controls its panic message, so only the first line counts, and only if std itself would
    # print it.
    failed = _NO_MEMORY.search(said) if panic is None else _NO_MEMORY_IN_PANIC.search(panic["message"])
    if failed:
        return OutOfMemory(case.memory_bytes, case.at)
    if panic is not None:
        return Panic(one_line(panic["message"] or panic[0]), case.at)
    return Crash(signal.SIGABRT, case.at, one_line(said[-300:]))


def _bad_access(number: int, words: LastWords, case: WorkerEnd) -> Rejection:
    if words.kind != _SIGNALLED:
        return Crash(number, case.at, "without last words: most likely a thread's stack overflowed")
    where = _locate(words, case.slots)
    if where is not None:
        index, place = where
        verb = "wrote to" if words.writing else "touched"
        if words.writing and index < 2:
            return Cheat("input tampering", f"{verb} {place}, which is read-only", case.at)
        return Crash(number, case.at, f"{verb} {place}")
    below = words.stack_pointer - words.address
    if -(64 << 10) <= below <= _STACK_REACH_BYTES:
        return Crash(number, case.at, "stack overflow")
    if words.address < 1 << 16:
        return Crash(number, case.at, f"null pointer (address {words.address:#x})")
    return Crash(number, case.at, f"accessed unmapped address {words.address:#x}")


def _locate(words: LastWords, slots: Sequence[PlacedSlot]) -> tuple[int, str] | None:
    """The matrix (0 = A) that an address belongs to, and the position in it or beside it."""
    best: tuple[int, int, str] | None = None
    for slot in slots:
        for index, (offset, length) in enumerate(slot.extents()):
            start = words.bases[0 if index == 1 and slot.b_in_a else index] + offset
            after = words.address - (start + length)
            before = start - words.address
            name = "ABC"[index]
            if before <= 0 and after < 0:
                found = (0, index, f"element {-before // 4} of {name}")
            elif after >= 0:
                found = (after, index, f"{name} {after} bytes past its end")
            else:
                found = (before, index, f"{name} {before} bytes before its start")
            if found[0] < _GUARD_BYTES and (best is None or found < best):
                best = found
    return None if best is None else best[1:]


def _read(page: bytes) -> LastWords:
    kind, _, address, stack_pointer, _, access, length, *bases = _WORDS.unpack_from(page)
    text = page[_WORDS.size : _WORDS.size + min(length, _TEXT_BYTES)].decode("utf-8", "replace")
    a, b, c = bases
    return LastWords(kind, address, stack_pointer, access == 1, (a, b, c), text)
