"""The walker process: what it is given and what it says, in the terms of schemes."""

from __future__ import annotations

import os
import selectors
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO, TypeAlias

from harness.errors import HarnessFaultError
from harness.schedule.bilinear.scheme import Factor, Scheme
from harness.schedule.discover.formats import Format

# Flips after which a walk begins anew, flips without a reduction after which a product is added, and how far above its
# start a walk may go.
FLIPS, PLUS_AFTER, SLACK = 10_000_000, 10_000, 2


@dataclass(frozen=True, slots=True)
class FlipCount:
    """Flips so far, and the lowest rank."""

    flips: int
    best: int


# A scheme with coefficients 0 and 1 that should hold modulo 2, or the progress.
News: TypeAlias = "Scheme | FlipCount"


def to_line(scheme: Scheme) -> str:
    """The scheme modulo 2 as the walker reads it: hexadecimal masks, bit i for block i in row-major order."""
    rows = zip(scheme.u, scheme.v, scheme.w, strict=True)
    return ";".join(",".join(f"{_mask(factor):x}" for factor in row) for row in rows)


def _mask(row: Sequence[Fraction]) -> int:
    return sum(1 << index for index, x in enumerate(row) if x.numerator % 2)


def from_line(line: str, form: Format, name: str) -> Scheme:
    """The scheme of a line, with coefficients 0 and 1. Raises ValueError for anything that is no such line."""
    rows = [[int(mask, 16) for mask in row.split(",")] for row in line.split(";")]
    m, k, n = form
    u, v, w = (_factor([row[at] for row in rows], size) for at, size in enumerate((m * k, k * n, m * n)))
    return Scheme(name, m, k, n, u, v, w)


def _factor(masks: Sequence[int], size: int) -> Factor:
    if any(mask >> size for mask in masks):
        raise ValueError("a mask has more bits than there are blocks")
    return tuple(tuple(Fraction(mask >> index & 1) for index in range(size)) for mask in masks)


class WalkerProcess:
    """The running program, in one of its modes; a context manager that ends it."""

    def __init__(self, program: Path, words: Sequence[str], lines: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            [str(program), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self._process.stdin is not None
        try:
            self._process.stdin.write("\n".join(lines).encode() + b"\n")
            self._process.stdin.close()
        except BrokenPipeError:
            pass  # it has ended with a message; `lines` raises it

    def close(self) -> None:
        """End the program."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def lines(self, until_s: float) -> Iterator[str]:
        """What it says until the monotonic time `until_s`, or until it ends. HarnessFaultError when it fails."""
        pipe = self._process.stdout
        assert pipe is not None
        rest = b""
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            while (left_s := until_s - time.monotonic()) > 0:
                if not selector.select(min(left_s, 1.0)):
                    continue
                data = os.read(pipe.fileno(), 1 << 16)
                if not data:
                    if self._process.wait() != 0:
                        raise HarnessFaultError(f"the walker ended: {self._last_words()}")
                    return
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    yield line.decode("ascii", "replace")

    def _last_words(self) -> str:
        pipe: IO[bytes] | None = self._process.stderr
        return pipe.read(400).decode("utf-8", "replace").strip() if pipe is not None else ""


class Walker:
    """A running search; a context manager that ends it."""

    def __init__(
        self, program: Path, starts: Sequence[Scheme], form: Format, seed: int, threads: int
    ) -> None:
        self.form = form
        products = max(scheme.rank for scheme in starts)
        numbers = (form.blocks, products, threads, seed, FLIPS, PLUS_AFTER, SLACK)
        self._process = WalkerProcess(
            program, [str(number) for number in numbers], list(map(to_line, starts))
        )

    def __enter__(self) -> Walker:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.close()

    def news(self, until_s: float) -> Iterator[News]:
        """What the walker says until the monotonic time `until_s`. Raises HarnessFaultError when it ends by itself."""
        for line in self._process.lines(until_s):
            yield self._read(line)
        if time.monotonic() < until_s:
            raise HarnessFaultError("the walker ended without a reason")

    def _read(self, line: str) -> News:
        kind, _, text = line.partition(" ")
        first, _, second = text.partition(" ")
        try:
            if kind == "flips":
                return FlipCount(int(first), int(second))
            if kind == "scheme":
                return from_line(second, self.form, f"found_{self.form}")
        except ValueError:
            pass
        raise HarnessFaultError(f"the walker said {line[:80]!r}")
