"""Writes LoRA weights as a GGUF adapter, the format that llama.cpp loads.

The wheel gguf has no converter. llama.cpp stores the query and key rows of a llama model in another order than
transformers: each head's two halves of the rotary embedding are interleaved. The rows of B of these two adapters are
reordered in the same way (`permute` in convert_hf_to_gguf.py of llama.cpp); without that the file loads and is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import UserError

Floats = NDArray[np.float32]

# transformers' names of the seven projections, and those of GGUF.
PROJECTIONS = {
    "q_proj": "attn_q",
    "k_proj": "attn_k",
    "v_proj": "attn_v",
    "o_proj": "attn_output",
    "gate_proj": "ffn_gate",
    "up_proj": "ffn_up",
    "down_proj": "ffn_down",
}
_NAME = re.compile(r"\.layers\.(\d+)\.\w+\.(\w+)\.lora_([AB])\.")


def permuted(rows: Floats, heads: int) -> Floats:
    """The rows (heads × d, any) with each head's halves interleaved: row i of the first half, then of the second."""
    count, width = rows.shape
    return rows.reshape(heads, 2, count // heads // 2, width).swapaxes(1, 2).reshape(count, width)


def write_adapter(
    path: Path,
    weights: Mapping[str, Floats],
    heads: int,
    key_heads: int,
    alpha: float,
    permute: bool = True,
) -> int:
    """Write the weights, named as in peft's state_dict, each lora_A (rank × in) and lora_B (out × rank).

    Returns the number of tensors. `permute` is False only in the test that shows what happens then. Raises
    UserError for a name that is none of the seven projections.
    """
    import gguf

    # Typed poorly: the wheel's functions have no annotations.
    writer: Any = gguf.GGUFWriter(str(path), "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", alpha)
    for name, values in weights.items():
        found = _NAME.search(name)
        if found is None or found[2] not in PROJECTIONS:
            raise UserError(f"{name}: not an adapter of one of {', '.join(PROJECTIONS)}")
        layer, projection, side = found.groups()
        out = np.ascontiguousarray(values, dtype=np.float32)
        if permute and side == "B" and projection in ("q_proj", "k_proj"):
            out = permuted(out, heads if projection == "q_proj" else key_heads)
        writer.add_tensor(
            f"blk.{layer}.{PROJECTIONS[projection]}.weight.lora_{side.lower()}", np.ascontiguousarray(out)
        )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return len(weights)
