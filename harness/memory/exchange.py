"""Accepted kernels as JSON lines: shared between machines, each with the fingerprint of the one that measured it."""

from __future__ import annotations

from pathlib import Path

from harness.durable import write_whole
from harness.errors import UserError
from harness.memory import kernel_record
from harness.memory.kernel_record import KernelRecord
from harness.memory.kernels import KernelMemory

MAX_BYTES = 1 << 30


def export_kernels(memory: KernelMemory, path: Path) -> int:
    """Write every kernel to `path`, one JSON object per line, the whole file or nothing; says how many."""
    kernels = memory.everything()
    write_whole(path, "".join(f"{kernel.to_json()}\n" for kernel in kernels))
    return len(kernels)


def read_kernels(path: Path) -> list[KernelRecord]:
    """Read an exported file; raises UserError with file and line for the first line that is not a kernel."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UserError(f"{path}: larger than 1 GiB; an exported memory is expected")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); give a file written by export") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 (byte {error.start}); give a file written by export") from None
    # Only "\n": the other separators that splitlines knows may stand inside a JSON string.
    lines = enumerate(text.split("\n"), 1)
    return [kernel_record.parse(line, f"{path}:{number}") for number, line in lines if line.strip()]


def import_kernels(memory: KernelMemory, path: Path) -> int:
    """Bring in what `path` has newer or more; nothing unless every line is good. Says how many were new.

    Can be repeated: what is already there stays as it is. Raises UserError as read_kernels does.
    """
    return memory.reconcile(read_kernels(path))
