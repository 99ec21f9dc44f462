"""Checks a GGUF file before it is loaded: format, size compared with memory, identity."""

from __future__ import annotations

import hashlib
import os
import struct
import sys
from pathlib import Path
from typing import BinaryIO

from harness.errors import UserError

MAGIC = b"GGUF"
_EDGE = 1 << 20
# Memory relative to the file size: weights, key-value cache and compute buffers of a usual context.
_OVERHEAD = 1.1


def check(path: Path) -> Path:
    """The path, checked; raises UserError when the file is missing, not a GGUF, or larger than the free memory."""
    try:
        with path.open("rb") as file:
            magic = file.read(4)
        size = path.stat().st_size
    except FileNotFoundError:
        raise UserError(
            f"--model {path}: no such file; give a .gguf file, hf:REPO:FILE, a server's URL or builtin"
        ) from None
    except OSError as error:
        raise UserError(f"--model {path}: cannot be read: {error.strerror}") from None
    if magic != MAGIC:
        hint = " (a Git LFS pointer: run `git lfs pull`)" if magic == b"vers" else ""
        raise UserError(
            f"--model {path}: not a GGUF file{hint}; models for llama.cpp begin with the bytes GGUF"
        )
    free = available_bytes()
    if free is not None and size * _OVERHEAD > free:
        raise UserError(
            f"--model {path}: needs about {size * _OVERHEAD / 2**30:.1f} GiB and {free / 2**30:.1f} GiB are free; "
            "take a smaller model or quantisation (Q4_K_M), or close other programs"
        )
    return path


def available_bytes() -> int | None:
    """Bytes available without swapping; None where the system does not report it."""
    if sys.platform == "linux":
        try:
            for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines():
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) << 10
        except (OSError, ValueError):
            return None
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None


def identity(path: Path) -> str:
    """Sixteen hexadecimal digits over size, head and tail: hashing 30 GB would take a minute."""
    digest = hashlib.sha256(str(path.stat().st_size).encode())
    with path.open("rb") as file:
        digest.update(file.read(_EDGE))
        file.seek(max(0, path.stat().st_size - _EDGE))
        digest.update(file.read(_EDGE))
    return digest.hexdigest()[:16]


# GGUF value types by number: the struct format of fixed-size types; 8 is a string, 9 an array.
_FIXED = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_MOST_KEYS = 4096


def trained_context(path: Path) -> int | None:
    """The context length that the model was trained for, from the file's header; None when it is not stated.

    Layout: magic, version u32, tensors u64, keys u64, then per key its name, a type u32 and the value
    (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
    """
    try:
        with path.open("rb") as file:
            file.seek(len(MAGIC))
            _, _, keys = struct.unpack("<IQQ", file.read(20))
            for _ in range(min(keys, _MOST_KEYS)):
                name = _string(file)
                value = _value(file, struct.unpack("<I", file.read(4))[0])
                if name.endswith(b".context_length") and isinstance(value, int):
                    return value
    except (struct.error, KeyError, OSError, MemoryError, OverflowError):
        return None
    return None


def _string(file: BinaryIO) -> bytes:
    return file.read(struct.unpack("<Q", file.read(8))[0])


def _value(file: BinaryIO, kind: int) -> object:
    """One value; elements of arrays are skipped, because they may be a vocabulary of 200,000 words."""
    if kind == _STRING:
        return _string(file)
    if kind == _ARRAY:
        inner, count = struct.unpack("<IQ", file.read(12))
        if inner in _FIXED:
            file.seek(count * struct.calcsize(_FIXED[inner]), os.SEEK_CUR)
        else:
            for _ in range(count):
                _value(file, inner)
        return None
    form = "<" + _FIXED[kind]
    value: object = struct.unpack(form, file.read(struct.calcsize(form)))[0]
    return value
