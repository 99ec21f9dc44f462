"""How much memory and time an honest kernel may take: generous, because slow and wasteful are not wrong."""

from __future__ import annotations

import os
from collections.abc import Sequence

from harness.judge.worker.calls import WorkerLimits
from harness.shapes import Shape

# Packed panels, tables, the allocator's first arena.
BASE_BYTES = 256 << 20
# Recursive schemes that keep all seven products of several levels: (7/4)^5 of about four times A + B + C.
COPIES = 64
# glibc reserves 64 MiB (for a moment 128 MiB) of address space per thread, plus the thread's stack.
THREAD_BYTES = 192 << 20
# A kernel that starts one thread per row is silly and honest; its stacks are address space, hardly memory.
STACKS_BYTES = 1024 * (2 << 20)
# Leaves the machine alive when the formula asks for more than it has.
SHARE_OF_MACHINE = 0.5

# A textbook loop takes about 10 s at 1024³ on a slow day (2·1024³ flops), more per flop when nothing fits a cache.
NAIVE_FLOPS_PER_S = 2 * 1024**3 / 10
HEADROOM = 4.0
# A fast scheme that pads its operands to a square, its edge a power of two, does this many of the square's operations.
PADDED_FLOPS_PER_S = 1e9
# Beyond this edge a padded square takes minutes and gigabytes: there the judge forgives instead of waiting.
LARGEST_PADDED = 2048
# First call: pages, thread pools, a machine that is busy with something else.
FIRST_S = 3.0


def limits_for(shapes: Shape | Sequence[Shape], threads: int, cores: tuple[int, ...]) -> WorkerLimits:
    """WorkerLimits for a worker that computes products of these shapes, one at a time.

    The memory is address space beyond the regions and the host itself. It grows with the largest A + B + C and stays
    far below m·k·n floats for large cubes, so that keeping every single product is stopped.
    """
    every = [shapes] if isinstance(shapes, Shape) else list(shapes)
    largest = max((s.input_bytes + s.output_bytes for s in every), default=0)
    wanted = BASE_BYTES + COPIES * largest + THREAD_BYTES * threads + (STACKS_BYTES if threads > 1 else 0)
    least = BASE_BYTES + 4 * largest
    return WorkerLimits(max(least, min(wanted, int(SHARE_OF_MACHINE * _machine_bytes()))), cores, threads)


def time_limit_s(shape: Shape, calls: int = 1) -> float:
    """Wall-clock seconds for `calls` products of this shape: several times what slow honest kernels need."""
    return FIRST_S + HEADROOM * calls * slow_s(shape)


def slow_s(shape: Shape) -> float:
    """Seconds that a slow honest kernel takes: the naive loop, or a scheme that pads to a square of a power of two."""
    edge = 1 << (max(shape) - 1).bit_length() if shape.flops else 0
    padded_s = 2 * edge**3 / PADDED_FLOPS_PER_S if edge <= LARGEST_PADDED else 0.0
    return max(shape.flops / NAIVE_FLOPS_PER_S, padded_s)


def _machine_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
