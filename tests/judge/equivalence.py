"""A comparison that shares nothing with the judge: a plain separate process calls the library with ctypes.

Only for kernels of our own, namely mutants that the judge accepted: there is no sandbox here.
"""

from __future__ import annotations

import ctypes
import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np

from tests.conftest import ROOT

LIMIT_S = 300.0
EDGES = (0, 1, 2, 3, 4, 5, 7, 8, 9)
LARGER = (
    (31, 33, 32),
    (64, 64, 64),
    (65, 127, 66),
    (128, 256, 96),
    (3, 4099, 5),
    (700, 3, 9),
    (5, 6, 1500),
    (257, 263, 269),
)
WATCH = 64


def first_difference(library: Path, numerics: str = "componentwise") -> str | None:
    """The first difference from the product, in one line; None when there is none.

    With `numerics` "normwise", reals may have the error of a fast scheme with a few levels, and NaN may spread.
    """
    command = [sys.executable, "-m", "tests.judge.equivalence", str(library), numerics]
    try:
        answer = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
            cwd=ROOT,
        )
    except subprocess.TimeoutExpired:
        return f"not finished after {LIMIT_S:.0f} s"
    if answer.returncode != 0:
        return f"ended with status {answer.returncode}: {answer.stderr.strip()[-200:]}"
    return answer.stdout.strip() or None


def _compare(library: str, fast: bool) -> str:
    call = ctypes.CDLL(library).harness_matmul
    call.argtypes = [ctypes.c_size_t] * 3 + [ctypes.c_void_p] * 3
    rng = np.random.default_rng(7)
    for m, k, n in (*itertools.product(EDGES, repeat=3), *LARGER):
        for kind in ("integers", "reals", "special"):
            a, b = _data(rng, kind, m, k), _data(rng, kind, k, n)
            c = np.full(WATCH + m * n + WATCH, np.nan, np.float32)
            c[:WATCH] = c[WATCH + m * n :] = 12345
            call(m, k, n, a.ctypes.data, b.ctypes.data, c[WATCH:].ctypes.data)
            got = c[WATCH : WATCH + m * n].reshape(m, n)
            if not (c[:WATCH] == 12345).all() or not (c[WATCH + m * n :] == 12345).all():
                return f"writes beside C at {m}x{k}x{n}"
            if not _agree(kind, a, b, got, fast):
                return f"differs on {kind} at {m}x{k}x{n}"
    return ""


def _data(rng: np.random.Generator, kind: str, rows: int, cols: int) -> np.ndarray:
    if kind == "reals":
        return rng.standard_normal((rows, cols)).astype(np.float32)
    x = rng.integers(-9, 10, (rows, cols)).astype(np.float32)
    if kind == "special" and x.size:
        x.flat[rng.integers(x.size)] = rng.choice([np.nan, np.inf, -np.inf])
    return x


def _agree(kind: str, a: np.ndarray, b: np.ndarray, got: np.ndarray, fast: bool) -> bool:
    with np.errstate(all="ignore"):
        wide_a, wide_b = a.astype(np.float64), b.astype(np.float64)
        if kind != "reals":
            # One by one, because a BLAS may treat special values differently.
            want = np.zeros(got.shape)
            for p in range(a.shape[1]):
                want += wide_a[:, p : p + 1] * wide_b[p]
            spread = ~np.isfinite(got) if fast and kind == "special" else np.zeros(got.shape, bool)
            equal = (want == got) | (np.isnan(want) & np.isnan(got)) | spread
            return bool(equal.all())
        size = np.abs(wide_a) @ np.abs(wide_b)
        bound = 2.0**-24 * (a.shape[1] + 1) * size
        if fast and size.size:
            bound = np.full(size.shape, 2.0**-18 * size.max())
        return bool((np.abs(got - wide_a @ wide_b) <= bound).all())


if __name__ == "__main__":
    print(_compare(sys.argv[1], sys.argv[2] == "normwise"))
