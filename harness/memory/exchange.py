"""Accepted kernels as JSON lines for exchange between machines, each with the fingerprint of the measuring machine."""

from __future__ import annotations

from pathlib import Path

from harness.durable import write_whole
from harness.errors import UserError
from harness.memory import kernel_record
from harness.memory.kernel_record import KernelRecord
from harness.memory.kernels import KernelMemory

MAX_EXPORT_BYTES = 1 << 30


def export_kernels(memory: KernelMemory, path: Path) -> int:
    """Write every kernel to `path`, one JSON object per line, in one step; returns the number of kernels."""
    kernels = memory.everything()
    write_whole(path, "".join(f"{kernel.to_json()}\n" for kernel in kernels))
    return len(kernels)


def read_kernels(path: Path) -> list[KernelRecord]:
    """Read an exported file; raises UserError with file and line for the first line that is not a kernel."""
    try:
        if path.stat().st_size > MAX_EXPORT_BYTES:
            raise UserError(f"{path}: larger than 1 GiB; an exported memory is expected")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); give a file written by export") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 (byte {error.start}); give a file written by export") from None
    # Only "\n": a JSON string may contain the other separators of splitlines().
    lines = enumerate(text.split("\n"), 1)
    return [kernel_record.parse(line, f"{path}:{number}") for number, line in lines if line.strip()]


def import_kernels(memory: KernelMemory, path: Path) -> int:
    """Import the kernels of `path` that are new or newer here; returns the number of new ones.

    Imports nothing unless every line is valid. Importing again changes nothing. Raises UserError as read_kernels does.
    """
    return memory.reconcile(read_kernels(path))
