"""The kernel memory from the command line: `python -m harness.memory export FILE | import FILE | status`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from harness.memory.kernel_record import KernelRecord
from harness.store.command_line import add_memory_options, guarded


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns 0, or 2 after one line on stderr."""
    return guarded(_run, _parser().parse_args(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m harness.memory", description="The memory of accepted kernels."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what in (
        ("export", "write every kernel as JSON lines, with machine fingerprints"),
        ("import", "bring in kernels that another machine exported"),
    ):
        command = commands.add_parser(name, help=what, description=what)
        command.add_argument("file", type=Path, metavar="FILE")
        add_memory_options(command)
    add_memory_options(
        commands.add_parser("status", help="say what is remembered", description="say what is remembered")
    )
    return parser


def _run(parsed: argparse.Namespace) -> int:
    from harness.memory import exchange
    from harness.memory.kernels import open_memory
    from harness.store import embedders

    if parsed.command == "import":
        exchange.read_kernels(parsed.file)  # A bad file is reported before a store is opened or created.
    with open_memory(parsed.memory, embedders.make(parsed.embedder)) as memory:
        if parsed.command == "export":
            print(f"exported {exchange.export_kernels(memory, parsed.file)} kernels to {parsed.file}")
        elif parsed.command == "import":
            new = exchange.import_kernels(memory, parsed.file)
            print(f"imported {new} kernels from {parsed.file}; {memory.count()} are in the memory")
        else:
            _status(memory.everything(), parsed.memory)
    return 0


def _status(kernels: list[KernelRecord], where: str) -> None:
    print(f"{len(kernels)} accepted kernels in {where}")
    for machine_class in sorted({kernel.machine_class for kernel in kernels}):
        here = [kernel for kernel in kernels if kernel.machine_class == machine_class]
        best = max(here, key=lambda kernel: kernel.ratio_low)
        print(f"  {machine_class}: {len(here)}, best {best.name} {best.ratio:.3f} × BLAS")


if __name__ == "__main__":
    sys.exit(main())
