"""Write a tiny GGUF model for real inference without a download: llama architecture, byte tokens, random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from harness.minds.knob_question import LETTERS

WIDTH, LAYERS, HEADS, FEED_FORWARD_WIDTH = 64, 2, 4, 128
CONTEXT_TOKENS = 65536
# Token types of the GGUF format.
_NORMAL, _UNKNOWN, _CONTROL, _BYTE = 1, 2, 3, 6
# A chat template that raises for a system role, as those of Gemma and Mixtral do.
NO_SYSTEM = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    "[{{ m.role }}] {{ m.content }}\n{% endfor %}[assistant] "
)
CHAT = "{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}[assistant] "


def write(
    path: Path,
    seed: int = 1,
    template: str | None = CHAT,
    context: int = CONTEXT_TOKENS,
    letters: bool = False,
) -> Path:
    """Write the model, about 0.4 MB; the same arguments give the same weights. `letters` adds a token per letter."""
    import gguf

    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_name("tiny")
    writer.add_context_length(context)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED_FORWARD_WIDTH)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_file_type(0)
    tokens, kinds = _vocabulary(letters)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    if template is not None:
        writer.add_chat_template(template)
    _add_weights(writer, len(tokens), np.random.default_rng(seed))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _vocabulary(letters: bool) -> tuple[list[str], list[int]]:
    """Three control tokens, then one token per byte, then one per letter after a blank."""
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    spelled = [f"\u2581{letter}" for letter in LETTERS] if letters else []
    kinds = [_UNKNOWN, _CONTROL, _CONTROL] + [_BYTE] * 256 + [_NORMAL] * len(spelled)
    return tokens + spelled, kinds


def _add_weights(writer: object, vocabulary: int, rng: np.random.Generator) -> None:
    def add(name: str, *shape: int, scale: float = 0.3) -> None:
        values = rng.standard_normal(shape, np.float32) * scale / np.sqrt(shape[-1])
        writer.add_tensor(name, values.astype(np.float32))  # type: ignore[attr-defined]

    def add_norm(name: str) -> None:
        writer.add_tensor(name, np.ones(WIDTH, np.float32))  # type: ignore[attr-defined]

    add("token_embd.weight", vocabulary, WIDTH, scale=8.0)
    for layer in range(LAYERS):
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            add(f"blk.{layer}.{part}.weight", WIDTH, WIDTH)
        add(f"blk.{layer}.ffn_gate.weight", FEED_FORWARD_WIDTH, WIDTH)
        add(f"blk.{layer}.ffn_up.weight", FEED_FORWARD_WIDTH, WIDTH)
        add(f"blk.{layer}.ffn_down.weight", WIDTH, FEED_FORWARD_WIDTH)
        add_norm(f"blk.{layer}.attn_norm.weight")
        add_norm(f"blk.{layer}.ffn_norm.weight")
    add_norm("output_norm.weight")
    add("output.weight", vocabulary, WIDTH, scale=2.0)
