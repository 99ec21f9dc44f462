"""The timed shapes: named suites and lists of MxKxN, hot or cold, checked before anything runs."""

from __future__ import annotations

import os
import re

from harness.errors import UserError
from harness.operation.forms import CallForm
from harness.operation.operations import OperationName
from harness.shapes import Shape, TimedForm

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


def _gpt2_train() -> tuple[Shape, ...]:
    """The products of llm.c's train_gpt2.c for GPT-2 124M, 4 sequences of 64 tokens, in its layouts.

    For each linear layer: forward, inp (256xC) · Wᵀ; gradient of the input, added: dout · W; gradient of the weights,
    added: doutᵀ · inp. For each head of the attention: scores, values, gradient of the keys.
    The logits (N = 50304) are left out: 154 MB of weights in every call measure memory.
    """
    forms: list[Shape] = []
    for fan_in, fan_out in ((768, 2304), (768, 768), (768, 3072), (3072, 768)):
        forms += [
            TimedForm(256, fan_in, fan_out, "nt"),
            TimedForm(256, fan_out, fan_in, "nn", adds=True),
            TimedForm(fan_out, 256, fan_in, "tn", adds=True),
        ]
    return (
        *forms,
        TimedForm(64, 64, 64, "nt", alpha=0.125, leading=(2304, 2304, 64)),
        TimedForm(64, 64, 64, "nn", leading=(64, 2304, 768)),
        TimedForm(64, 64, 64, "tn", adds=True, alpha=0.125, leading=(64, 2304, 2304)),
    )


SUITES: dict[str, tuple[Shape, ...]] = {
    "default": _square(64, 128, 256, 512, 1024),
    "square": _square(64, 128, 256, 512, 1024, 2048),
    "large": (*_square(1024, 2048, 4096, 8192), Shape(4096, 1024, 4096), Shape(8192, 2048, 8192)),
    "gpt2": _gpt2(),
    "gpt2-train": _gpt2_train(),
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


# What the suite "default" means for an operation.
DEFAULT_SUITES = {OperationName.MATMUL: "default", OperationName.SGEMM: "gpt2-train"}

# Suffix as in "square:cold": more than the last-level cache lies between two uses of the same data, so every
# call reads memory.
COLD = ":cold"


def is_cold(text: str) -> bool:
    """Whether a suite asks for cold data: rotation through more than the last-level cache.

    Otherwise data is hot: every timed region uses the same buffers, with new values written just before.
    """
    return text.strip().endswith(COLD)


def name_for(text: str, operation: OperationName) -> str:
    """`--suite text` for one operation: the suite "default" is the operation's own, hot or cold."""
    cold = COLD if is_cold(text) else ""
    return DEFAULT_SUITES[operation] + cold if text.strip().removesuffix(COLD) == "default" else text


def require_operation(shapes: tuple[Shape, ...], operation: OperationName, text: str) -> None:
    """Raise UserError when the suite has layouts and the operation has none."""
    form = next((shape for shape in shapes if isinstance(shape, TimedForm)), None)
    if form is not None and operation is OperationName.MATMUL:
        raise UserError(
            f"--suite {text}: {form} has a layout, and matmul multiplies row-major matrices only; choose shapes like "
            f'{form.plain}, or kernels whose candidate.toml says operation = "sgemm"'
        )


def parse(text: str, memory_bytes: int | None = None) -> tuple[Shape, ...]:
    """The shapes of `--suite text`: a name of SUITES, or "MxKxN" or "N" (a square) separated by commas, each perhaps
    with the layout of a timed form, optionally with ":cold".

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
        need = _COPIES * _bytes(shape)
        if need > limit:
            raise UserError(
                f"--suite: {shape} needs {need / 2**30:.1f} GiB to be timed and verified, "
                f"{limit / 2**30:.1f} GiB can be used; choose a smaller shape"
            )
    return shapes


def _shape(part: str, text: str) -> Shape:
    names = ", ".join(SUITES)
    part, colon, form = part.partition(":")
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
    shape = Shape(*edges)
    if not colon:
        return shape
    try:
        return TimedForm.parse(shape, form.strip().lower())
    except ValueError as error:
        raise UserError(f"--suite: {shape}:{form.strip()[:60]} cannot be timed: {error}") from None


def _bytes(shape: Shape) -> int:
    """Bytes of A, B and C with the gaps between their rows."""
    form = CallForm.of(shape)
    return shape.input_bytes + shape.output_bytes if form is None else 4 * sum(form.spans(shape))


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
