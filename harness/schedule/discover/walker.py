"""The walker process: what it is given and what it says, in the terms of schemes."""

from __future__ import annotations

import os
import selectors
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import IO, TypeAlias

from harness.errors import HarnessFaultError
from harness.schedule.bilinear.scheme import Scheme
from harness.schedule.discover.formats import Format
from harness.schedule.discover.lines import FREE, Notation


@dataclass(frozen=True, slots=True)
class WalkLimits:
    """Flips after which a walk begins anew, flips without a reduction after which products are added, and how many
    products above its start a walk may go.
    """

    flips: int
    plus_after: int
    slack: int


# By the products that one flip changes alike; the second for orbits of three, of which a walk may add three.
LIMITS = {1: WalkLimits(10_000_000, 10_000, 2), 3: WalkLimits(20_000_000, 50_000, 7)}


@dataclass(frozen=True, slots=True)
class FlipCount:
    """Flips so far, and the lowest rank."""

    flips: int
    best: int


# A scheme with coefficients 0 and 1 that should hold modulo 2, or the progress.
News: TypeAlias = "Scheme | FlipCount"


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
            pass  # it has ended with a message; `batches` raises it

    def close(self) -> None:
        """End the program."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def lines(self, until_s: float) -> Iterator[str]:
        """What it says until the monotonic time `until_s`, or until it ends. HarnessFaultError when it fails."""
        for batch in self.batches(until_s):
            yield from batch

    def batches(self, until_s: float) -> Iterator[list[str]]:
        """Like `lines`, all that has come since the last time at once."""
        pipe = self._process.stdout
        assert pipe is not None
        rest, ended = b"", False
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            while not ended and (left_s := until_s - time.monotonic()) > 0:
                selector.select(min(left_s, 1.0))
                data = b""
                while not ended and selector.select(0):
                    part = os.read(pipe.fileno(), 1 << 16)
                    ended, data = not part, data + part
                *lines, rest = (rest + data).split(b"\n")
                if lines:
                    yield [line.decode("ascii", "replace") for line in lines]
        if ended and self._process.wait() != 0:
            raise HarnessFaultError(f"the walker ended: {self._last_words()}")

    def _last_words(self) -> str:
        pipe: IO[bytes] | None = self._process.stderr
        return pipe.read(400).decode("utf-8", "replace").strip() if pipe is not None else ""


class Walker:
    """A running search; a context manager that ends it."""

    def __init__(
        self,
        program: Path,
        starts: Sequence[Scheme],
        form: Format,
        seed: int,
        threads: int,
        notation: Notation = FREE,
    ) -> None:
        self.form, self._notation = form, notation
        products, limits = max(scheme.rank for scheme in starts), LIMITS[notation.symmetry]
        numbers = (form.blocks, products, threads, seed, *astuple(limits), notation.symmetry)
        self._process = WalkerProcess(
            program, [str(number) for number in numbers], list(map(notation.to_line, starts))
        )

    def __enter__(self) -> Walker:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.close()

    def news(self, until_s: float) -> Iterator[News]:
        """What the walker says until the monotonic time `until_s`, without what was outdated when it was read: progress
        and schemes of a higher rank than later ones. Raises HarnessFaultError when it ends by itself.
        """
        for batch in self._process.batches(until_s):
            yield from self._latest(batch)
        if time.monotonic() < until_s:
            raise HarnessFaultError("the walker ended without a reason")

    def _latest(self, lines: Iterable[str]) -> Iterator[News]:
        """The last progress, then the schemes of the lowest rank."""
        counts: list[str] = []
        schemes: dict[int, list[str]] = {}
        for line in lines:
            kind, _, text = line.partition(" ")
            rank, _, _ = text.partition(" ")
            if kind == "scheme" and rank.isdecimal():
                schemes.setdefault(int(rank), []).append(line)
            else:
                counts.append(line)
        lowest = schemes[min(schemes)] if schemes else []
        yield from (self._read(line) for line in (*counts[-1:], *lowest))

    def _read(self, line: str) -> News:
        kind, _, text = line.partition(" ")
        first, _, second = text.partition(" ")
        try:
            if kind == "flips":
                return FlipCount(int(first), int(second))
            if kind == "scheme":
                return self._notation.from_line(second, self.form, f"found_{self.form}")
        except ValueError:
            pass
        raise HarnessFaultError(f"the walker said {line[:80]!r}")
