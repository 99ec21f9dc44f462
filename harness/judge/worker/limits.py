"""Memory and time limits of a call: generous, because a slow or wasteful kernel is not a wrong one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache

from harness.judge.worker.calls import WorkerLimits
from harness.shapes import Shape

# Packed panels, tables and the allocator's first arena.
BASE_BYTES = 256 << 20
# Copies of A + B + C for recursive schemes that keep all seven products of several levels: (7/4)^5 of about
# four each.
COPIES = 64
# Address space per thread: glibc reserves 64 MiB (for a moment 128 MiB), plus the thread's stack.
THREAD_BYTES = 192 << 20
# A kernel that starts one thread per row is slow but honest; the stacks use address space and hardly any
# memory.
STACKS_BYTES = 1024 * (2 << 20)
# Largest share of the machine's memory, so that the machine survives when the formula gives more.
SHARE_OF_MACHINE = 0.5

# Speed of a textbook loop on a slow day: about 10 s at 1024³ (2·1024³ flops), slower when nothing fits a cache.
NAIVE_FLOPS_PER_S = 2 * 1024**3 / 10
HEADROOM = 4.0
# Speed of a fast scheme that pads its operands to a square with a power of two as edge, in flops of the square
# per second.
PADDED_FLOPS_PER_S = 1e9
# Above this edge a padded square takes minutes and gigabytes; there the judge forgives a time-out instead of
# waiting.
LARGEST_PADDED = 2048
# Extra seconds of the first call for page faults, thread pools and a busy machine.
FIRST_S = 3.0


def limits_for(shapes: Shape | Sequence[Shape], threads: int, cores: tuple[int, ...]) -> WorkerLimits:
    """The WorkerLimits for products of these shapes, computed one at a time.

    The memory limit is address space beyond the regions and the host itself. It grows with the largest A + B + C and
    stays far below m·k·n floats for large cubes, so that a kernel cannot keep every single product.
    """
    every = [shapes] if isinstance(shapes, Shape) else list(shapes)
    largest = max((s.input_bytes + s.output_bytes for s in every), default=0)
    wanted = BASE_BYTES + COPIES * largest + THREAD_BYTES * threads + (STACKS_BYTES if threads > 1 else 0)
    least = BASE_BYTES + 4 * largest
    return WorkerLimits(max(least, min(wanted, int(SHARE_OF_MACHINE * _machine_bytes()))), cores, threads)


def time_limit_s(shape: Shape, calls: int = 1) -> float:
    """Seconds for `calls` products of this shape: several times what a slow honest kernel needs."""
    return FIRST_S + HEADROOM * calls * slow_s(shape)


@lru_cache(maxsize=1024)
def slow_s(shape: Shape) -> float:
    """Seconds that a slow honest kernel takes: the naive loop, or a scheme that pads to a square with a power of two as
    edge.
    """
    edge = 1 << (max(shape) - 1).bit_length() if shape.flops else 0
    padded_s = 2 * edge**3 / PADDED_FLOPS_PER_S if edge <= LARGEST_PADDED else 0.0
    return max(shape.flops / NAIVE_FLOPS_PER_S, padded_s)


def _machine_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
