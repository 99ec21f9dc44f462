"""Programs before and after matrixmultiply is replaced: ndarray's products, and a training step of a GPT-2 block.

    python -m harness.export candidates/NAME --as matrixmultiply --to FOLDER
    python -m harness.studies.taking_home FOLDER      writes results/taking-home.json and .md, in about five minutes

The program reference/programs/products is compiled twice, as Cargo compiles it for everybody: with matrixmultiply from
the registry, and with FOLDER in its place. Both libraries are loaded into one process, take turns on the same matrices,
and are timed by the CPU time of the thread.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.caches import default_cache
from harness.clock.baseline import Baseline
from harness.compile.crates import cargo_environment
from harness.compile.toolchain import Toolchain, find
from harness.durable import write_whole
from harness.errors import HarnessFaultError, UserError
from harness.judge.worker.calls import Abi
from harness.machine import read
from harness.pipeline import SharedTools
from harness.places import REFERENCE, ROOT
from harness.settings import Settings
from harness.studies.paired_calls import Interval

PROGRAM = REFERENCE / "programs" / "products"
BLOCK = ROOT / "harness" / "export" / "skeleton" / "examples" / "block"
SIZES = (64, 128, 256, 512, 1024, 2048)
BUILD_LIMIT_S = 900.0


@dataclass(frozen=True, slots=True)
class TakenHomeCell:
    """t_before / t_after of one form at one size."""

    form: str
    size: int
    before_gflops: float
    after_gflops: float
    ratio: Interval


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """Milliseconds of a training step with one library, and t_matrixmultiply / t_library."""

    library: str
    step_ms: float
    ratio: Interval


@dataclass(frozen=True, slots=True)
class TakenHome:
    """Everything that was measured."""

    cells: tuple[TakenHomeCell, ...]
    mean: Interval
    training: tuple[TrainingRow, ...]
    losses_agree: bool


def build(folder: Path, replacement: Path | None, toolchain: Toolchain) -> Path:
    """The program's library in `folder`, with the replacement if there is one. UserError when Cargo cannot build it."""
    place = folder / ("after" if replacement else "before")
    shutil.copytree(PROGRAM, place, ignore=shutil.ignore_patterns("target"))
    shutil.copytree(BLOCK, place / "src" / "block")
    command = [
        str(toolchain.cargo), "build", "--release", "--features", "train",
        "--target-dir", str(folder / "target" / place.name),
    ]  # fmt: skip
    if replacement:
        command += ["--config", f"patch.crates-io.matrixmultiply.path={json.dumps(str(replacement))}"]
    done = subprocess.run(
        command, cwd=place, env=cargo_environment(toolchain, []), stdin=subprocess.DEVNULL, capture_output=True,
        encoding="utf-8", errors="replace", timeout=BUILD_LIMIT_S, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise UserError(f"the program cannot be built: {' '.join(done.stderr.split())[-600:]}")
    if replacement and "was not used in the crate graph" in done.stderr:
        raise UserError(
            f"{replacement}: Cargo does not use it, because {PROGRAM.name}'s lock file names another version; export "
            f"with --lock {PROGRAM / 'Cargo.lock'}"
        )
    suffix = ".dylib" if sys.platform == "darwin" else ".so"
    return folder / "target" / place.name / "release" / f"libproducts{suffix}"


def require_drop_in(folder: Path) -> None:
    """Raise UserError unless the folder is a crate named matrixmultiply with the original beside it."""
    try:
        package = tomllib.loads((folder / "Cargo.toml").read_text(encoding="utf-8"))["package"]["name"]
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, TypeError):
        package = None
    if package != "matrixmultiply" or not (folder / "original" / "Cargo.toml").is_file():
        raise UserError(
            f"{folder}: is no replacement for matrixmultiply; make one with: python -m harness.export candidates/NAME "
            "--as matrixmultiply --to FOLDER"
        )


def measure(before: Path, after: Path, sizes: Sequence[int], pairs: int, blas: Baseline) -> TakenHome:
    """The figures, from a process of its own: with one thread of BLAS, and the kernels that `blas` names."""
    asked = {
        "before": str(before),
        "after": str(after),
        "sizes": list(sizes),
        "pairs": pairs,
        "blas": str(blas.path),
        "symbol": blas.symbol,
        "name": str(blas),
        "bits": 64 if blas.abi is Abi.CBLAS64 else 32,
    }
    core_type = {"OPENBLAS_CORETYPE": blas.core_type} if blas.core_type else {}
    done = subprocess.run(
        [sys.executable, "-m", "harness.studies.paired_calls"],
        input=json.dumps(asked),
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"} | core_type,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=False,
    )
    if done.returncode != 0:
        raise HarnessFaultError(f"the timing process ended with {done.returncode}")
    return _from_json(json.loads(done.stdout))


def _from_json(found: dict[str, Any]) -> TakenHome:
    cells = tuple(TakenHomeCell(**{**cell, "ratio": Interval(**cell["ratio"])}) for cell in found["cells"])
    rows = tuple(TrainingRow(**{**row, "ratio": Interval(**row["ratio"])}) for row in found["training"])
    return TakenHome(cells, Interval(**found["mean"]), rows, found["losses_agree"])


def report(found: TakenHome, machine: str, kernel: str, load: str) -> str:
    """The Markdown page."""
    sizes = sorted({cell.size for cell in found.cells})
    at = {(cell.form, cell.size): cell for cell in found.cells}
    forms = list(dict.fromkeys(cell.form for cell in found.cells))
    slower = [f"{cell.form} at {cell.size}" for cell in found.cells if cell.ratio.high < 1]
    lines = [
        "# Taking a kernel home",
        "",
        "`python -m harness.studies.taking_home FOLDER`, one thread. A program that multiplies through ndarray,",
        f"compiled with matrixmultiply from the registry and with a replacement around {kernel}",
        "(`python -m harness.export … --as matrixmultiply`); both in one process, in turns, on the same matrices.",
        "Figures are t_before / t_after in CPU time of the thread: medians of pairs with 95 % intervals of the median.",
        "~ marks an interval that reaches 1.",
        "",
        f"Machine: {machine}; {load}.",
        "",
        "| ndarray, n x n | " + " | ".join(map(str, sizes)) + " |",
        "|---" + "|---:" * len(sizes) + "|",
    ]
    lines += [
        f"| {form} | " + " | ".join(_shown(at[form, size].ratio) for size in sizes) + " |" for form in forms
    ]
    mean = found.mean
    lines += [
        "",
        f"Geometric mean of all cells: **{mean.middle:.3f}** [{mean.low:.3f}, {mean.high:.3f}]. Slower beyond the "
        f"interval: {', '.join(slower) or 'none'}.",
        "",
        "A, B: N as it lies, T the transpose of a row-major matrix. `dot` allocates C; the others write into one that",
        "exists.",
        "",
        "## A training step",
        "",
        "One block of GPT-2 (4 sequences of 64 tokens, 768 channels, 12 heads), forward, backward and update: the",
        "example train_step of an exported crate, with every product made by the library named. The rest (layer norms,",
        "softmax, GELU, update) is the same code.",
        "",
        "| products by | ms per step | t_matrixmultiply / t |",
        "|---|---:|---:|",
    ]
    lines += [f"| {row.library} | {row.step_ms:.1f} | {_shown(row.ratio)} |" for row in found.training]
    agree = "agree to 1e-4" if found.losses_agree else "DIFFER by more than 1e-4"
    return "\n".join([*lines, "", f"The losses of the three {agree}."]) + "\n"


def _shown(ratio: Interval) -> str:
    mark = "~" if ratio.low <= 1 <= ratio.high else ""
    return f"{mark}{ratio.middle:.2f} [{ratio.low:.2f}, {ratio.high:.2f}]"


def main(argv: list[str] | None = None) -> int:
    """Run the study; returns 0, or 2 after one line about bad input."""
    parser = argparse.ArgumentParser(prog="python -m harness.studies.taking_home", description=__doc__)
    parser.add_argument("folder", type=Path, help="an exported crate that replaces matrixmultiply")
    parser.add_argument("--size", action="append", type=int, help=f"may be repeated (default: {SIZES})")
    parser.add_argument(
        "--pairs", type=int, default=25, help="turns of each side per cell (default: %(default)s)"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "results", help="folder (default: results)")
    asked = parser.parse_args(argv)
    try:
        _study(asked)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _study(asked: argparse.Namespace) -> None:
    folder = asked.folder.expanduser().absolute()
    sizes = tuple(asked.size or SIZES)
    if asked.pairs < 6 or min(sizes) < 1:
        raise UserError("--pairs: at least 6, for an interval of 95 %; --size: at least 1")
    require_drop_in(folder)
    toolchain = find()
    with tempfile.TemporaryDirectory(prefix="taking-home-") as place:
        print("building the program before and after", flush=True)
        before, after = (build(Path(place), side, toolchain) for side in (None, folder))
        load_before = os.getloadavg()[0]
        settings = Settings(root=ROOT, cache=default_cache(), results=asked.out / "local", memory="")
        found = measure(before, after, sizes, asked.pairs, SharedTools(settings, print).clock.baseline)
    machine = read()
    load = (
        f"load average {load_before:.1f} before and {os.getloadavg()[0]:.1f} after, on {os.cpu_count()} cores"
    )
    kernel = _kernels_of(folder)
    facts = {
        "machine": machine.description,
        "toolchain": toolchain.fingerprint,
        "kernel": kernel,
        "load": load,
    }
    data = json.dumps(facts | asdict(found), indent=1) + "\n"
    if any(math.isnan(cell.ratio.middle) for cell in found.cells):
        raise HarnessFaultError("a ratio is no number")
    write_whole(asked.out / "taking-home.json", data, make_folder=True)
    page = report(found, f"{machine.description}; {toolchain.fingerprint}", kernel, load)
    write_whole(asked.out / "taking-home.md", page)
    print(page)


def _kernels_of(folder: Path) -> str:
    """The names of the kernels in the crate, from its provenance."""
    try:
        records = json.loads((folder / "evolved" / "provenance.json").read_text(encoding="utf-8"))
        return ", ".join(str(record.get("path")) for record in records)
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(f"{folder}: its provenance cannot be read: {error}; export it again") from None


if __name__ == "__main__":
    raise SystemExit(main())
