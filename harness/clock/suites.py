"""The timed shapes: named suites and lists of MxKxN, hot or cold, checked before anything runs."""

from __future__ import annotations

import os
import re

from harness.errors import UserError
from harness.shapes import Shape

MAX_SHAPES = 64
MAX_EDGE = 1 << 20
# Copies of C in the parent: one product per side, and f64 copies during verification.
_COPIES = 6


def _square(*edges: int) -> tuple[Shape, ...]:
    return tuple(Shape(edge, edge, edge) for edge in edges)


def _linear(tokens: int, fan_in: int, fan_out: int) -> tuple[Shape, ...]:
    """One linear layer of llm.c: forward (X·W), gradient of the weights (Xᵀ·dY), gradient of the input (dY·Wᵀ)."""
    return (
        Shape(tokens, fan_in, fan_out),
        Shape(fan_in, tokens, fan_out),
        Shape(tokens, fan_out, fan_in),
    )


def _gpt2() -> tuple[Shape, ...]:
    """GPT-2 124M as trained by llm.c (width 768, vocabulary 50257), with B·T = 64 tokens, 16 for the logits."""
    layers = ((768, 2304), (768, 768), (768, 3072), (3072, 768))
    shapes = [shape for fan_in, fan_out in layers for shape in _linear(64, fan_in, fan_out)]
    shapes += _linear(16, 768, 50257)
    return tuple(dict.fromkeys(shapes))


SUITES: dict[str, tuple[Shape, ...]] = {
    "default": _square(64, 128, 256, 512, 1024),
    "square": _square(64, 128, 256, 512, 1024, 2048),
    "large": (*_square(1024, 2048, 4096, 8192), Shape(4096, 1024, 4096), Shape(8192, 2048, 8192)),
    "gpt2": _gpt2(),
    "skinny": tuple(
        Shape(*edges)
        for edges in (
            (1, 1024, 1024),
            (1024, 1024, 1),
            (8, 1024, 1024),
            (1024, 8, 1024),
            (1024, 1024, 8),
            (16, 4096, 16),
            (4096, 16, 16),
            (16, 16, 4096),
        )
    ),
    "odd": tuple(
        Shape(*edges)
        for edges in (
            (31, 31, 31),
            (67, 67, 67),
            (127, 129, 131),
            (255, 257, 253),
            (511, 509, 503),
            (1021, 1023, 1019),
            (97, 1031, 211),
        )
    ),
}


# Suffix as in "square:cold": more than the last-level cache lies between two uses of the same data, so every
# call reads memory.
COLD = ":cold"


def is_cold(text: str) -> bool:
    """Whether a suite asks for cold data: rotation through more than the last-level cache.

    Otherwise data is hot: every timed region uses the same buffers, with new values written just before.
    """
    return text.strip().endswith(COLD)


def parse(text: str, memory_bytes: int | None = None) -> tuple[Shape, ...]:
    """The shapes of `--suite text`: a name of SUITES, or "MxKxN" or "N" (a square) separated by commas, optionally with
    ":cold".

    `memory_bytes` is the memory that may be used (default: half of what is available now). Raises UserError for an
    unknown name, a shape that is not three positive numbers, repeats, too many shapes or too large ones.
    """
    word = text.strip().removesuffix(COLD)
    shapes = SUITES[word] if word in SUITES else tuple(_shape(part, text) for part in word.split(","))
    if len(shapes) > MAX_SHAPES:
        raise UserError(f"--suite: {len(shapes)} shapes; at most {MAX_SHAPES} are timed in one suite")
    repeated = {str(shape) for shape in shapes if shapes.count(shape) > 1}
    if repeated:
        raise UserError(f"--suite: {', '.join(sorted(repeated))} is listed twice; list each shape once")
    limit = available_memory_bytes() // 2 if memory_bytes is None else memory_bytes
    for shape in shapes:
        need = _COPIES * (shape.input_bytes + shape.output_bytes)
        if need > limit:
            raise UserError(
                f"--suite: {shape} needs {need / 2**30:.1f} GiB to be timed and verified, "
                f"{limit / 2**30:.1f} GiB can be used; choose a smaller shape"
            )
    return shapes


def _shape(part: str, text: str) -> Shape:
    names = ", ".join(SUITES)
    if re.fullmatch(r"\s*\d+(x\d+x\d+)?\s*", part, re.ASCII | re.IGNORECASE) is None:
        raise UserError(
            f"--suite {text!r}: {part.strip()!r} is neither a suite ({names}) nor a shape like 512x768x64"
        )
    if len(part.strip()) > 60:
        raise UserError(
            f"--suite: a shape with numbers of {len(part.strip())} digits; each is 1 to {MAX_EDGE}"
        )
    edges = [int(number) for number in part.lower().split("x")]
    if len(edges) == 1:
        edges *= 3
    if not all(1 <= edge <= MAX_EDGE for edge in edges):
        raise UserError(f"--suite: {part.strip()} cannot be timed; each of M, K, N is 1 to {MAX_EDGE}")
    return Shape(*edges)


def available_memory_bytes() -> int:
    """Bytes that can be used without swapping: MemAvailable on Linux, else half of the physical memory."""
    try:
        with open("/proc/meminfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) << 10
    except OSError:
        pass  # not Linux; answered below
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
