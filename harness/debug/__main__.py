"""The command line: `python -m harness.debug rust | run`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.errors import HarnessFaultError, UserError

DEBUGGERS = ("rust-gdb", "gdb", "rust-lldb", "lldb", "none")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code, or 2 after one line on stderr."""
    parsed = _parser().parse_args(arguments)
    try:
        return _print_rust(parsed) if parsed.command == "rust" else _run(parsed)
    except (UserError, HarnessFaultError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m harness.debug", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    rust = commands.add_parser("rust", help="print the Rust that is generated from a schedule")
    rust.add_argument(
        "knobs",
        nargs="*",
        metavar="KNOB=VALUE",
        help="fields of Schedule, e.g. family=packed isa=avx2 mr=6 nr=16",
    )
    rust.add_argument(
        "--from",
        dest="folder",
        type=Path,
        metavar="FOLDER",
        help="start from the [proposal] of a candidate (default: the first schedule for this machine)",
    )
    run = commands.add_parser("run", help="build a candidate with debug info and run it under a debugger")
    run.add_argument("folder", type=Path, metavar="FOLDER", help="the candidate's folder")
    run.add_argument("--case", help="the data of a counterexample, SHAPE:SEED:ORACLE as printed in a verdict")
    run.add_argument("--shape", default="65x67x63", help="MxKxN for random reals (default: %(default)s)")
    run.add_argument("--seed", type=int, default=1, help="seed of the reals (default: %(default)s)")
    run.add_argument(
        "--debugger", choices=DEBUGGERS, default=None, help="default: the first that is installed"
    )
    run.add_argument(
        "--opt-level", choices="0123", default="3", help="3 is what the judge compiles (default: %(default)s)"
    )
    run.add_argument(
        "--unsandboxed",
        action="store_true",
        help="required: compiles and runs the candidate WITHOUT a sandbox, with your rights",
    )
    return parser


def _print_rust(parsed: argparse.Namespace) -> int:
    from harness.debug.generated import rust_of

    print(rust_of(parsed.knobs, parsed.folder), end="")
    return 0


def _run(parsed: argparse.Namespace) -> int:
    from harness.caches import default_cache
    from harness.debug.run import build, debugger_command, products_of, start
    from harness.settings import Settings

    if not parsed.unsandboxed:
        raise UserError(
            "a debugger needs the candidate outside of the sandbox, with your rights: add --unsandboxed if you "
            "trust this kernel"
        )
    products = products_of(parsed.case, parsed.shape, parsed.seed)
    folder = default_cache() / "debug"
    settings = Settings(root=Path.cwd(), cache=default_cache(), results=folder, memory="", unsandboxed=True)
    program = build(parsed.folder, products, int(parsed.opt_level), settings, folder)
    return start(debugger_command(program, parsed.debugger))


if __name__ == "__main__":
    sys.exit(main())
