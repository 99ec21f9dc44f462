"""Checks a GGUF file before it is loaded: format, size compared with memory, identity."""

from __future__ import annotations

import hashlib
import math
import os
import struct
import sys
from collections.abc import Iterator
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
_MOST_KEYS, _MOST_TENSORS, _MOST_DIMENSIONS = 4096, 65536, 8
# What reading a header that is cut off or of another format may raise.
_TORN = (struct.error, KeyError, OSError, MemoryError, OverflowError)


# Bytes per parameter of the usual quantisations (4 to 5 bits), for files whose header does not tell the number.
_BYTES_PER_PARAMETER = 0.6


def architecture(path: Path) -> str:
    """The architecture in the file's header, such as "llama" or "qwen2"; empty when it is not stated."""
    try:
        with path.open("rb") as file:
            for name, value in _keys(file, _counts(file)[1]):
                if name == b"general.architecture" and isinstance(value, bytes):
                    return value.decode("utf-8", "replace")
    except _TORN:
        return ""
    return ""


def trained_context(path: Path) -> int | None:
    """The context length that the model was trained for, from the file's header; None when it is not stated."""
    try:
        with path.open("rb") as file:
            for name, value in _keys(file, _counts(file)[1]):
                if name.endswith(b".context_length") and isinstance(value, int):
                    return value
    except _TORN:
        return None
    return None


def parameters(path: Path) -> float:
    """The number of parameters: the elements of all tensors in the header, or an estimate from the file's size.

    Of a model that is split into several files, only the first one is counted.
    """
    try:
        with path.open("rb") as file:
            tensors, keys = _counts(file)
            for _ in _keys(file, keys):
                pass
            found = sum(_tensor_elements(file) for _ in range(tensors))
    except _TORN:
        found = 0
    return float(found or path.stat().st_size / _BYTES_PER_PARAMETER)


def _counts(file: BinaryIO) -> tuple[int, int]:
    """The numbers of tensors and of keys; afterwards the file is at the first key.

    Layout: magic, version u32, tensors u64, keys u64, then per key its name, a type u32 and the value, then the tensors
    (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
    """
    file.seek(len(MAGIC))
    _, tensors, keys = struct.unpack("<IQQ", file.read(20))
    return min(tensors, _MOST_TENSORS), min(keys, _MOST_KEYS)


def _keys(file: BinaryIO, count: int) -> Iterator[tuple[bytes, object]]:
    """The names and values of the header; afterwards the file is at the first tensor's description."""
    for _ in range(count):
        name = _string(file)
        yield name, _value(file, struct.unpack("<I", file.read(4))[0])


def _tensor_elements(file: BinaryIO) -> int:
    """The elements of one tensor: its name, dimensions u32, an extent u64 of each, a type u32 and an offset u64."""
    _string(file)
    (dimensions,) = struct.unpack("<I", file.read(4))
    extents = struct.unpack(f"<{min(dimensions, _MOST_DIMENSIONS)}Q", file.read(8 * dimensions))
    file.seek(12, os.SEEK_CUR)
    return math.prod(extents)


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
