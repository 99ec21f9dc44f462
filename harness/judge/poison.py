"""The content of C before a call, which a kernel must not read."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from harness.judge.worker.calls import F32

POISON_NAN, POISON_FINITE, PAYLOAD = np.uint32(0x7FC00000), np.uint32(0x7A000000), 0x3FFFFF


def poison(c: F32, salt: int, kind: int) -> None:
    """Fill C (m×n) with pseudo-random values; `kind`, 0 … 9, says which: see `KernelRunner`. The salt has 22 bits."""
    if kind == 7 and np.isfinite(c).all() and c.any():
        c[...] = c[::-1, ::-1].copy()
        return
    match kind:
        case 1:
            c[...] = 0
        case 2 | 7:
            c[...] = (_payloads(c, salt) % 8191 + 0.37) / 100
        case 3:
            c[...] = _payloads(c, salt) % 97
        case _:
            sort = POISON_FINITE if kind in (0, 5) else POISON_NAN
            # Payload and sort have no bit in common, so that one operation sets both.
            np.bitwise_xor(_numbers(c), sort | np.uint32(salt), out=c.view(np.uint32))


def _payloads(c: F32, salt: int) -> NDArray[np.uint32]:
    """A number of 22 bits for each element, which differs from element to element and from call to call."""
    return np.bitwise_xor(_numbers(c), np.uint32(salt))


def _numbers(c: F32) -> NDArray[np.uint32]:
    """The number of each element of C in row-major order, modulo 2^22, read-only."""
    return _numbers_up_to(max(c.size - 1, 0).bit_length())[: c.size].reshape(c.shape)


@cache
def _numbers_up_to(bits: int) -> NDArray[np.uint32]:
    """2^bits of these numbers."""
    numbers = np.arange(1 << bits, dtype=np.uint32)
    numbers &= np.uint32(PAYLOAD)
    numbers.flags.writeable = False
    return numbers
