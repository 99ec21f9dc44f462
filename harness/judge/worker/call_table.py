"""The table of calls: one call as words of 64 bits, the struct Call of harness/host/src/wire.rs."""

from __future__ import annotations

import struct

from harness.errors import HarnessFaultError
from harness.judge.worker.calls import Abi
from harness.judge.worker.shared_memory import PlacedSlot

# In the offset of B: B lies in the region of A.
SHARED_BIT = 1 << 63
_WORD = (1 << 64) - 1
_SCALARS = struct.Struct("<ff")


def call_words(slot: PlacedSlot, abi: Abi) -> tuple[int, ...]:
    """Shape, offsets in bytes, strides in elements (two's complement), and alpha and beta in one word.

    Raises HarnessFaultError for a form that a program of this ABI cannot be called in.
    """
    x, y, z = slot.offsets
    where = (*slot.shape, x, y | SHARED_BIT if slot.b_in_a else y, z)
    if slot.form is None:
        _, k, n = slot.shape
        return (*where, k, 1, n, 1, n, 1, _PLAIN)
    form = slot.form
    if abi is Abi.KERNEL and form != form.contiguous(slot.shape):
        raise HarnessFaultError("a matmul kernel has contiguous operands, alpha 1 and beta 0")
    if abi in (Abi.CBLAS32, Abi.CBLAS64) and not form.is_known_to_blas(slot.shape):
        raise HarnessFaultError(f"no BLAS knows the strides of {form} at {slot.shape}")
    strides = (stride & _WORD for matrix in (form.a, form.b, form.c) for stride in matrix)
    return (*where, *strides, _scalars(form.alpha, form.beta))


def _scalars(alpha: float, beta: float) -> int:
    return int.from_bytes(_SCALARS.pack(alpha, beta), "little")


# The scalars of a call without a form: alpha 1, beta 0.
_PLAIN = _scalars(1.0, 0.0)
