"""Finds the BLAS baseline: the library, its cblas_sgemm symbol, 32- or 64-bit integers, version and kernel
architecture.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.judge.worker.calls import Abi, Program
from harness.places import ROOT

# Names under which BLAS builds export cblas_sgemm: plain, scipy-openblas, ILP64, new Accelerate.
SYMBOLS = tuple(
    f"{prefix}cblas_sgemm{suffix}"
    for suffix in ("64_", "$NEWLAPACK$ILP64", "_64", "$NEWLAPACK", "")
    for prefix in ("scipy_", "")
)
ACCELERATE = Path("/System/Library/Frameworks/Accelerate.framework/Accelerate")
_PROBE_S = 60.0


@dataclass(frozen=True, slots=True)
class Baseline:
    """A library with cblas_sgemm: what to call, and its description for records."""

    path: Path
    symbol: str
    abi: Abi
    name: str
    version: str
    architecture: str
    # The core type that was chosen for OpenBLAS; empty where it chooses itself.
    core_type: str = ""

    @property
    def program(self) -> Program:
        """The baseline as a program for the host."""
        return Program(self.path, self.symbol, self.abi, self.core_type)

    def __str__(self) -> str:
        parts = (self.name, self.version, f"({self.architecture})" if self.architecture else "")
        return " ".join(part for part in parts if part)

    def as_record(self, threads: int) -> dict[str, Any]:
        """The baseline in plain JSON types."""
        return asdict(self) | {"path": self.path.name, "threads": threads}


def find(chosen: Path | None, option: str = "--baseline") -> Baseline:
    """The BLAS that numpy ships, or the library at `chosen`, which the user named with `option`.

    Raises UserError when there is no such file, it cannot be loaded, or it exports none of SYMBOLS.
    """
    if chosen is not None:
        return _from_file(chosen.expanduser(), option)
    return _numpy()


def with_other_integers(baseline: Baseline) -> Baseline:
    """The same library with the other integer width, to be tried when the first does not give a product."""
    return replace(baseline, abi=Abi.CBLAS32 if baseline.abi is Abi.CBLAS64 else Abi.CBLAS64)


def _numpy() -> Baseline:
    import numpy as np  # noqa: F401  (loads its BLAS, which threadpoolctl then sees)
    import threadpoolctl  # type: ignore[import-untyped]

    libraries = [entry for entry in threadpoolctl.threadpool_info() if entry.get("user_api") == "blas"]
    # Prefer numpy's own BLAS when scipy or torch have loaded others into this process.
    libraries.sort(key=lambda entry: "numpy" not in entry["filepath"])
    for entry in libraries:
        path = Path(entry["filepath"])
        symbol = _symbol(ctypes.CDLL(str(path)))
        if symbol is not None:
            return _describe(path, symbol, entry)
    if sys.platform == "darwin":
        symbol = _symbol(ctypes.CDLL(str(ACCELERATE)))
        if symbol is not None:
            return _describe(ACCELERATE, symbol, {"internal_api": "accelerate"})
    raise UserError(
        "numpy's BLAS does not export cblas_sgemm (looked in "
        f"{', '.join(entry['filepath'] for entry in libraries) or 'no library: numpy has none loaded'}); "
        "name a library that does with --baseline PATH"
    )


def _from_file(path: Path, option: str) -> Baseline:
    framework = sys.platform == "darwin" and ".framework/" in str(path)
    if not framework and not path.is_file():
        what = "is a folder" if path.is_dir() else "is not there"
        raise UserError(f"{option} {path}: {what}; name a shared library that exports cblas_sgemm")
    return _describe(path.resolve(), *_ask(path, option))


def with_core_type(baseline: Baseline, core_type: str) -> Baseline:
    """The same OpenBLAS with the kernels of another core type, as this build has them: Zen may give Haswell's.

    Raises UserError when the library is no OpenBLAS or cannot be loaded.
    """
    if baseline.name != "OpenBLAS":
        raise UserError(f"--core-type {core_type}: {baseline} is no OpenBLAS and has no core types")
    if core_type == baseline.architecture:
        return replace(baseline, core_type=core_type)
    _, info = _ask(baseline.path, core_type=core_type)
    return replace(baseline, architecture=str(info.get("architecture") or ""), core_type=core_type)


def _ask(path: Path, option: str = "--baseline", core_type: str = "") -> tuple[str, dict[str, Any]]:
    """The symbol of a library and what is known about it.

    In a separate process: loading a library runs its code, and a second BLAS would slow down numpy's in this one.
    """
    command = [sys.executable, "-m", "harness.clock.baseline", str(path.resolve())]
    try:
        answer = subprocess.run(
            command,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_PROBE_S,
            check=False,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            env=dict(os.environ) | ({"OPENBLAS_CORETYPE": core_type} if core_type else {}),
        )
    except subprocess.TimeoutExpired:
        raise UserError(
            f"{option} {path}: still loading after {_PROBE_S:.0f} s; choose another library"
        ) from None
    lines = answer.stdout.splitlines()
    if answer.returncode != 0 or not lines:
        raise UserError(f"{option} {path}: loading it kills the process (exit {answer.returncode})")
    report = json.loads(lines[-1])
    if "error" in report:
        raise UserError(f"{option} {path}: cannot be loaded: {report['error']}")
    if report["symbol"] is None:
        raise UserError(f"{option} {path}: has no cblas_sgemm (looked for {', '.join(SYMBOLS)})")
    return report["symbol"], report["info"]


def _probe(path: str) -> dict[str, Any]:
    """Load `path` in this process and describe it; runs in the process that _from_file starts."""
    import threadpoolctl

    try:
        library = ctypes.CDLL(path)
    except OSError as error:
        return {"error": str(error)}
    entries = threadpoolctl.threadpool_info()
    real = str(Path(path).resolve())
    info: dict[str, Any] = next(
        (entry for entry in entries if str(Path(entry["filepath"]).resolve()) == real), {}
    )
    config = getattr(library, "openblas_get_config", None)
    if config is not None:
        config.restype = ctypes.c_char_p
        info["config"] = (config() or b"").decode(errors="replace")
    return {"symbol": _symbol(library), "info": info}


def _symbol(library: ctypes.CDLL) -> str | None:
    return next((name for name in SYMBOLS if hasattr(library, name)), None)


def _describe(path: Path, symbol: str, info: dict[str, Any]) -> Baseline:
    hints = f"{path.name} {info.get('config', '')}".lower()
    wide = symbol.endswith(("64_", "_64", "ILP64")) or any(hint in hints for hint in ("ilp64", "use64bitint"))
    names = {
        "openblas": "OpenBLAS",
        "mkl": "MKL",
        "blis": "BLIS",
        "flexiblas": "FlexiBLAS",
        "accelerate": "Accelerate",
    }
    api = str(info.get("internal_api", ""))
    return Baseline(
        path=path,
        symbol=symbol,
        abi=Abi.CBLAS64 if wide else Abi.CBLAS32,
        name=names.get(api, api or path.name),
        version=str(info.get("version") or ""),
        architecture=str(info.get("architecture") or ""),
    )


if __name__ == "__main__":
    print(json.dumps(_probe(sys.argv[1])))
