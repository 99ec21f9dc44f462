"""The command line: `python -m harness.export candidates/NAME ... --to FOLDER` makes a crate of accepted kernels."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import HarnessFaultError, UserError

if TYPE_CHECKING:
    from harness.export.drop_in import DropIn
    from harness.export.taking_home import Replacement


def main(arguments: Sequence[str] | None = None) -> int:
    """Make one crate. Returns 0, 1 for a candidate that is not taken, 2 for bad usage, 3 for a fault of the harness."""
    from harness.export.judging import RefusedError

    parsed = _parser().parse_args(arguments)
    try:
        for line in _export(parsed):
            print(line)
    except RefusedError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except HarnessFaultError as error:
        print(f"error: the harness failed: {error}", file=sys.stderr)
        return 3
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m harness.export", description=__doc__)
    parser.add_argument("candidates", nargs="+", type=Path, metavar="CANDIDATE", help="a candidate's folder")
    parser.add_argument(
        "--to",
        required=True,
        type=Path,
        metavar="FOLDER",
        help="the crate's folder: new, or an earlier export",
    )
    parser.add_argument("--name", help="the crate's name (default: that of the folder)")
    parser.add_argument(
        "--as",
        dest="replaces",
        choices=["matrixmultiply"],
        help="make a crate that replaces this one through [patch.crates-io]; the original is fetched by Cargo",
    )
    version = parser.add_mutually_exclusive_group()
    version.add_argument(
        "--lock",
        type=Path,
        metavar="FILE",
        help="with --as: the Cargo.lock of the program, which names the version to replace",
    )
    version.add_argument("--version", help="with --as: the version to replace (default: the newest)")
    parser.add_argument(
        "--allow-normwise",
        action="store_true",
        help="take fast schemes too; their error bound is documented (default: refuse them)",
    )
    parser.add_argument("--repository", default="", metavar="URL", help="for Cargo.toml (default: none)")
    parser.add_argument(
        "--suite", default="default", help="the shapes that are timed, as for pytest (default: %(default)s)"
    )
    parser.add_argument(
        "--clock-budget",
        type=_seconds,
        default=6.0,
        metavar="SECONDS",
        help="time for timing each kernel, as for pytest (default: %(default)s)",
    )
    parser.add_argument(
        "--unsandboxed",
        action="store_true",
        help="judge WITHOUT a sandbox, with your rights; the README says so (default: off)",
    )
    return parser


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < 86400:
        raise argparse.ArgumentTypeError("seconds above 0 and below a day are expected")
    return seconds


def _export(parsed: argparse.Namespace) -> list[str]:
    from harness.caches import usable_cache
    from harness.export.drop_in import DropIn
    from harness.export.taking_home import ExportOrder, take_home
    from harness.pipeline import SharedTools
    from harness.places import RESULTS, ROOT
    from harness.settings import Settings

    cache, notice = usable_cache()
    if notice:
        _say(notice)
    settings = Settings(
        root=ROOT,
        cache=cache,
        results=RESULTS / "local",
        memory="",
        suite=parsed.suite,
        unsandboxed=parsed.unsandboxed,
        clock_budget_s=parsed.clock_budget,
    )
    folder = parsed.to.expanduser().absolute()
    replaces = _replacement(parsed)
    name = folder.name if parsed.name is None and replaces is None else parsed.name or parsed.replaces
    order = ExportOrder(parsed.candidates, folder, name, parsed.allow_normwise, parsed.repository, replaces)
    written = take_home(order, SharedTools(settings, _say))
    plan = written.kernels if isinstance(written, DropIn) else written
    lines = [f"{parsed.to}: crate {written.name}, kernels in the order of preference:"]
    lines += [f"    {entry.label}: {entry.needs_text}{entry.extra_text}" for entry in plan.entries]
    if isinstance(written, DropIn):
        return [*lines, *_after_drop_in(written)]
    lines += ["    fallback: every CPU; safe Rust without vector instructions of its own"]
    return [*lines, f"next: cd {parsed.to} && cargo test && cargo bench && cargo publish --dry-run"]


def _replacement(parsed: argparse.Namespace) -> Replacement | None:
    """What the crate replaces, if anything; raises UserError for options that do not go together."""
    from harness.export.taking_home import Replacement

    if parsed.replaces is None:
        if parsed.lock or parsed.version:
            raise UserError("--lock and --version name what is replaced; add --as matrixmultiply")
        return None
    if parsed.name:
        raise UserError("--as and --name: the replacement has the name of what it replaces; leave --name out")
    return Replacement(parsed.lock, parsed.version)


def _after_drop_in(written: DropIn) -> list[str]:
    return [
        f"    elsewhere, and for f64 and complex numbers: matrixmultiply {written.original.version} itself",
        written.served_text,
        written.threading_text,
        "next, in the Cargo.toml of your program's workspace:",
        "    [patch.crates-io]",
        f'    matrixmultiply = {{ path = "{written.folder}" }}',
        "and `cargo tree -i matrixmultiply` shows the folder",
    ]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
