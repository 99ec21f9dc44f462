"""Which shapes are timed: named suites and lists of MxKxN, hot or cold, checked before anything runs."""

from __future__ import annotations

import os
import re

from harness.errors import UserError
from harness.shapes import Shape

MAX_SHAPES = 64
MAX_EDGE = 1 << 20
# The parent keeps one product of the candidate and one of the baseline, and f64 copies of it while it verifies.
_COPIES = 6


def _square(*edges: int) -> tuple[Shape, ...]:
    return tuple(Shape(edge, edge, edge) for edge in edges)


def _linear(tokens: int, fan_in: int, fan_out: int) -> tuple[Shape, ...]:
    """One linear layer of llm.c: forward (X·W), the gradient of the weights (Xᵀ·dY), that of the input (dY·Wᵀ)."""
    return (
        Shape(tokens, fan_in, fan_out),
        Shape(fan_in, tokens, fan_out),
        Shape(tokens, fan_out, fan_in),
    )


def _gpt2() -> tuple[Shape, ...]:
    """GPT-2 124M as trained by llm.c (768 wide, 50257 tokens of vocabulary), B·T = 64 tokens, 16 for the logits."""
    layers = ((768, 2304), (768, 768), (768, 3072), (3072, 768))
    shapes = [shape for fan_in, fan_out in layers for shape in _linear(64, fan_in, fan_out)]
    shapes += _linear(16, 768, 50257)
    return tuple(dict.fromkeys(shapes))


SUITES: dict[str, tuple[Shape, ...]] = {
    "default": _square(64, 128, 256, 512, 1024),
    "square": _square(64, 128, 256, 512, 1024, 2048),
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


# "square:cold": every call finds its data in memory, since more than the last cache lies between two uses of it.
COLD = ":cold"


def is_cold(text: str) -> bool:
    """Whether a suite asks for cold data: rotation through more than the last-level cache.

    Otherwise it is hot: the same buffers in every timed region, with new values that were written just before.
    """
    return text.strip().endswith(COLD)


def parse(text: str, memory_bytes: int | None = None) -> tuple[Shape, ...]:
    """The shapes of `--suite text`: a name of SUITES, or "MxKxN" or "N" (a square) separated by commas; ":cold" or not.

    `memory_bytes` is what may be used (default: half of what is available now).
    Raises UserError for an unknown name, a shape that is not three positive numbers, repeats, too many or too large.
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
    """Memory that can be used without swapping: MemAvailable on Linux, else half of what is built in."""
    try:
        with open("/proc/meminfo") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) << 10
    except OSError:
        pass  # not Linux: the line below answers
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
