"""The command line: `python -m harness.report [RUN ...]` writes the page of a run, its chart, or pictures of it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.errors import UserError


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page, or with --picture the chart; returns 0, or 2 after one line on stderr."""
    parsed = _parser().parse_args(arguments)
    from harness.durable import write_whole
    from harness.report.page import FILE, page
    from harness.report.picture import picture
    from harness.report.run_story import find_runs, read_story

    output = parsed.picture or parsed.output or parsed.results / FILE
    try:
        folders = find_runs(parsed.runs, parsed.results)
        story = read_story(folders, parsed.results, Path("candidates"))
        text = picture(story) if parsed.picture else page(story)
        write_whole(output, text, make_folder=True)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{output}: {len(text.encode()) / 1e6:.2f} MB, runs {', '.join(folder.name for folder in folders)}")
    return _screenshots(output, parsed.screenshots) if parsed.screenshots else 0


def _screenshots(page: Path, folder: Path) -> int:
    from harness.report.screenshots import screenshots

    try:
        files = screenshots(page, folder)
    except UserError as error:
        print(f"error: --screenshots: {error}", file=sys.stderr)
        return 2
    print("\n".join(f"{path}: {path.stat().st_size / 1e3:.0f} KB" for path in files))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m harness.report",
        description="Write one HTML page about evolution runs: what was found, every kernel, its parents and verdict. "
        "Call it in the checkout. The page loads nothing and can be sent to others as it is.",
    )
    parser.add_argument(
        "runs",
        nargs="*",
        metavar="RUN",
        help="ids of runs (folders in --results), or their folders; several must have the same machine, toolchain and "
        "suite (default: the newest run)",
    )
    parser.add_argument(
        "--results",
        type=Path,
        default=Path("results") / "local",
        metavar="FOLDER",
        help="where runs and records are (default: %(default)s)",
    )
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="the page to write (default: report.html in --results)"
    )
    pictures = parser.add_mutually_exclusive_group()
    pictures.add_argument(
        "--picture",
        type=Path,
        metavar="FILE.svg",
        help="write the chart of the ratio against the kernels judged as an SVG file, in place of the page "
        "(default: off)",
    )
    pictures.add_argument(
        "--screenshots",
        type=Path,
        metavar="FOLDER",
        help="also write the top of the page as page-light.png and page-dark.png into FOLDER; needs Chromium and "
        "playwright (default: off)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
