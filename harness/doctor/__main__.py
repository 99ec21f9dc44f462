"""The command line: `python -m harness.doctor` says what is there, what is missing and which command brings it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from harness.doctor.checkups import Condition, Finding, checkups
from harness.visible import visible


def main(arguments: Sequence[str] | None = None) -> int:
    """Print every finding; returns 0 when `pytest --generate 4` has all that it needs, else 1."""
    parsed = _parser().parse_args(arguments)
    missing = []
    for checkup in checkups(parsed.results, _say if parsed.build else None):
        finding = checkup.finding()
        for line in told(checkup.topic, finding):
            print(line, flush=True)
        if finding.condition is Condition.MISSING:
            missing.append(checkup.topic)
    print(verdict(missing))
    return 1 if missing else 0


def told(topic: str, finding: Finding) -> Iterator[str]:
    """The lines of a finding: condition, topic, what was found; the remedy on a line of its own."""
    yield f"{finding.condition:8} {topic:10} {visible(finding.said)}"
    if finding.remedy:
        yield f"{'':8} {'':10}   -> {visible(finding.remedy)}"


def verdict(missing: Iterable[str]) -> str:
    """The last line."""
    names = ", ".join(missing)
    return f"not ready: {names}" if names else "ready: pytest --generate 4"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m harness.doctor",
        description="Say what of machine, toolchain, sandbox, BLAS, models, embedders, memory and cache is there, "
        "what is missing and the command that brings it. Exit code 0: everything that pytest --generate 4 needs is "
        "there; 1: something is missing. Paste the output into a bug report.",
    )
    parser.add_argument(
        "--build",
        action="store_true",
        help="build the judge's tools when they are not built yet (about a minute), to know whether the sandbox works",
    )
    parser.add_argument(
        "--results",
        type=Path,
        default=Path("results") / "local",
        metavar="FOLDER",
        help="where runs and the memory are (default: %(default)s)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
