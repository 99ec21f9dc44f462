"""Answers of today's models with their reasoning and special tokens, written after their documentation.

The last {} of each is where the answer stands.
"""

# Answers keep their own lines.
# ruff: noqa: E501

from __future__ import annotations

THOUGHTFUL: dict[str, str] = {
    "DeepSeek": "<think>\nA 6x16 tile {a: 2} …\n</think>\n\n{}",
    "Qwen, the beginning in the prompt": 'Okay, maybe {"a": 7}?\n</think>\n\n{}',
    "GLM, twice": '<think>short</think>\n<think>again {"a": 3}</think>\n{}',
    "EXAONE": "<thought>\nWe try {}.\n</thought>\n{}",
    "Magistral": '[THINK]The user wants {"a": 0}.[/THINK]{}',
    "Magistral, the beginning in the prompt": 'The user wants {"a": 0}.[/THINK]\n{}\n</s>',
    "Seed-OSS": "<seed:think>\nFirst {\n<seed:cot_budget_reflect>I have used 12 tokens.</seed:cot_budget_reflect>\n</seed:think>{}",
    "Kimi": "◁think▷So { the cache …◁/think▷{}",
    "Command A": '<|START_THINKING|>I need {"a": 5}.<|END_THINKING|><|START_RESPONSE|>{}<|END_RESPONSE|>',
    "Gemma 4": "<|channel>thought\nThe L2 is {large.\n<channel|>{}",
    "gpt-oss": '<|channel|>analysis<|message|>We answer {"a": 2}.<|end|><|start|>assistant<|channel|>final<|message|>{}<|return|>',
    "gpt-oss, constrained": "<|channel|>analysis<|message|>Hm {<|end|><|start|>assistant<|channel|>final <|constrain|>json<|message|>{}",
    "gpt-oss without special tokens": 'analysisWe answer {"a": 2}.assistantfinal{}',
    "Apertus": "<|inner_prefix|>{ maybe }<|inner_suffix|>{}",
    "ChatML's end": "{}<|im_end|>",
}
