"""Search bilinear schemes of a format: `python -m harness.schedule.discover 3x3x3 --seconds 60`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from harness.compile.crates import walker_binary
from harness.errors import HarnessFaultError, UserError
from harness.machine import usable_cores
from harness.schedule.bilinear.schemes import FOUND
from harness.schedule.discover.cheapen import (
    MOST_PRODUCTS,
    Aim,
    CheapeningPlan,
    cheap_starts,
    fewest,
)
from harness.schedule.discover.cyclic import require_square
from harness.schedule.discover.formats import Format, parse
from harness.schedule.discover.found import Ring, load
from harness.schedule.discover.lines import CYCLIC, FREE
from harness.schedule.discover.search import Search, SearchRequest, Stage
from harness.visible import shown_in

_FIELDS = (Ring.Z2, Ring.TERNARY, Ring.INTEGERS)
_SYMMETRIES = {"none": FREE, "cyclic": CYCLIC}


def main(arguments: Sequence[str] | None = None) -> int:
    """Search; returns 0, 1 when no scheme better than the classical algorithm was found, 2 after bad input."""
    parsed = _parser().parse_args(arguments)
    try:
        return _search(parsed)
    except (UserError, HarnessFaultError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; what was found is kept, and the next call goes on from it", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m harness.schedule.discover",
        description="Search schemes that multiply MxK by KxN block matrices with fewer products than the classical "
        "algorithm, from 2x2x2 upwards. Each new best is proved and written at once.",
    )
    parser.add_argument("format", metavar="MxKxN", help="extents, for example 3x3x3")
    parser.add_argument(
        "--field",
        choices=[ring.value for ring in _FIELDS],
        default="integers",
        help="coefficients of the result: z2 (modulo 2, of no use for kernels), ternary (-1, 0, 1), integers "
        "(fractions as long as nothing better is found) (default: integers)",
    )
    parser.add_argument(
        "--seconds", type=float, default=120.0, help="limit for the whole search (default: 120)"
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of the walks (default: 1)")
    parser.add_argument("--target", type=int, metavar="R", help="stop at R products (default: go on)")
    parser.add_argument("--threads", type=int, help="threads (default: all usable cores)")
    parser.add_argument(
        "--symmetry",
        choices=list(_SYMMETRIES),
        default="none",
        help="cyclic: search only schemes of NxNxN that stay the same when A, B and the transposed C change places in "
        "a circle, from the classical algorithm, without smaller formats (default: none)",
    )
    parser.add_argument(
        "--from", type=Path, dest="start", metavar="FILE", help="a scheme of this format to start from, too"
    )
    parser.add_argument(
        "--cheapen",
        type=float,
        metavar="SECONDS",
        help="then search as long for a scheme of the same rank with fewer additions (coefficients -1, 0 and 1; file "
        "found_MxKxN_R_cheap.json) (default: do not)",
    )
    parser.add_argument(
        "--walks",
        type=int,
        metavar="N",
        help="at most N walks of --cheapen in each thread; with --threads 1 the same seed and N give the same result "
        "(default: as many as the time allows)",
    )
    parser.add_argument(
        "--results", type=Path, default=FOUND, help="folder of the schemes (default: results/schemes)"
    )
    return parser


def _search(parsed: argparse.Namespace) -> int:
    wanted = parse(parsed.format)
    threads = len(usable_cores()) if parsed.threads is None else parsed.threads
    limits = (
        ("--seconds", parsed.seconds),
        ("--threads", threads),
        ("--cheapen", parsed.cheapen),
        ("--walks", parsed.walks),
    )
    for option, value in limits:
        if value is not None and not value > 0:
            raise UserError(f"{option} {value:g}: more than 0 is needed")
    notation = _SYMMETRIES[parsed.symmetry]
    if notation is CYCLIC:
        require_square(wanted)
    if parsed.walks is not None and parsed.cheapen is None:
        raise UserError("--walks limits --cheapen SECONDS; name that, too")
    if parsed.cheapen is not None and parsed.field == Ring.Z2:
        raise UserError("--cheapen needs a scheme that holds over the integers; leave out --field z2")
    request = SearchRequest(
        wanted,
        Ring(parsed.field),
        parsed.seconds,
        parsed.seed,
        threads,
        parsed.results,
        parsed.target,
        load(parsed.start).scheme if parsed.start is not None else None,
        notation,
    )
    screen = _Screen()
    search = Search(request, walker_binary(print), screen.line, screen.progress)
    stage = search.run()
    outcome = _report(stage, wanted, parsed.results)
    if parsed.cheapen is not None:
        plan = CheapeningPlan(Aim.ADDITIONS, parsed.cheapen, parsed.seed, threads, parsed.walks or 0)
        _cheapen(stage, search, plan, screen)
    return outcome


def _cheapen(stage: Stage, search: Search, plan: CheapeningPlan, screen: _Screen) -> None:
    """Search fewer additions from all schemes of the lowest rank that are known, and tell the result."""
    request = search.request
    schemes = [*stage.proved, *([stage.best.scheme] if stage.best is not None else [])]
    starts = cheap_starts(schemes, request.wanted, request.folder) if schemes else []
    if not starts:
        screen.line(
            f"--cheapen: no scheme has coefficients -1, 0 and 1 only and at most {MOST_PRODUCTS} products; "
            "--field ternary searches for one"
        )
        return
    best = fewest(search.program, starts, plan, request.folder, screen.line, screen.cheapening)
    data = best.as_data()
    screen.line(
        f"{request.wanted}: {best.scheme.rank} products with {best.shared_additions} additions; error growth "
        f"{data['growth']}; proof: {data['proof']}"
    )
    screen.line(f"{shown_in(Path.cwd(), request.folder / f'{best.name}.json')} has its straight-line program")


class _Screen:
    """Prints lines; on a terminal also the progress below them."""

    def __init__(self) -> None:
        self._shown_s = 0.0

    def line(self, line: str) -> None:
        """Print a line for a person."""
        self._clear()
        print(line, flush=True)

    def progress(self, stage: Stage) -> None:
        """Show rank and speed of a stage, at most five times a second, and only on a terminal."""
        if not sys.stdout.isatty() or time.monotonic() - self._shown_s < 0.2:
            return
        self._shown_s = time.monotonic()
        best = "none" if stage.best is None else str(stage.best.scheme.rank)
        speed = f"{stage.flips_per_s / 1e6:.1f} M flips/s"
        line = f"{stage.form}: {stage.rank} modulo 2, {best} proved, {stage.seconds:.0f} s, {speed}"
        print(f"\r\x1b[K{line}", end="", flush=True)

    def cheapening(self, steps: int, best: int) -> None:
        """Show steps and the lowest count of additions, on a terminal only."""
        if sys.stdout.isatty():
            print(f"\r\x1b[K{steps / 1e6:.1f} M steps, {best} additions", end="", flush=True)

    def _clear(self) -> None:
        if sys.stdout.isatty():
            print("\r\x1b[K", end="")


def _report(stage: Stage, wanted: Format, folder: Path) -> int:
    if stage.flips:
        speed = f"{stage.flips_per_s / 1e6:.1f} M/s"
        print(f"{stage.form}: {stage.flips / 1e6:.0f} M flips in {stage.seconds:.1f} s ({speed})")
    best = stage.best
    if best is None or stage.rank < best.scheme.rank:
        print(
            f"modulo 2 there is a scheme of {stage.rank} products, for which no lift was found ({stage.tried} tried)"
        )
    if best is None:
        return 1
    data = best.as_data()
    additions = data["additions"]
    print(
        f"{wanted}: {best.scheme.rank} products instead of {wanted.products} ({best.ring}); {additions['plain']} "
        f"additions, {additions['shared']} with shared sums; error growth {data['growth']}"
    )
    print(f"proof: {data['proof']}")
    path = folder / f"{best.name}.json"
    print(f"{shown_in(Path.cwd(), path)}; its name in a schedule: {best.name}")
    return 0 if best.scheme.rank < wanted.products else 1


if __name__ == "__main__":
    raise SystemExit(main())
