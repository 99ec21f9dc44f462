"""What a kernel's source says outside of comments: the CPU features that its code needs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

# A comment, a string, a raw string or a character; a lifetime is none of them.
_TOKEN = re.compile(
    r"""(?P<line>//[^\n]*)|(?P<block>/\*)|(?P<raw>\b(?:br|cr|r)(?P<hashes>\#*)")|(?P<string>"(?:\\.|[^"\\])*")"""
    r"""|(?P<char>'(?:\\(?:u\{[^}]*\}|x..|.)|[^'\\])')""",
    re.DOTALL,
)
_ENABLED = re.compile(r'target_feature\s*\(\s*enable\s*=\s*"([^"]*)"')
_DETECTED = re.compile(r'is_\w+_feature_detected!\s*[(\[{]\s*"([^"]*)"')
_AT_COMPILE_TIME = re.compile(r"\bcfg(?:_attr)?!?\s*\([^;{]*?\btarget_feature\s*=")
_VECTOR_CODE = re.compile(r"\b(?:core|std)\s*::\s*arch\b|\basm!")
# Instructions and types that betray a feature.
_BETRAYED = (
    (re.compile(r"\b_mm512_|\b__m512|\bzmm\d"), "avx512f"),
    (re.compile(r"\b_mm256_|\b__m256|\bymm\d"), "avx"),
    (re.compile(r"\b_mm256_\w+_epi\d"), "avx2"),
    (re.compile(r"\b_mm\w*_fn?m(?:add|sub)\w*|\bvfn?m(?:add|sub)"), "fma"),
)
_AARCH64 = frozenset(
    {"neon", "sve", "sve2", "sme", "fp16", "fhm", "bf16", "i8mm", "dotprod", "rdm", "fcma", "jsconv"}
)


class Masked(NamedTuple):
    """A source of the same length: `uncommented` with spaces for comments, `bare` also with spaces for strings."""

    uncommented: str
    bare: str


def masked(source: str) -> Masked:
    """The source without comments, and without comments and strings."""
    uncommented, bare, at = [], [], 0
    while found := _TOKEN.search(source, at):
        end, is_comment = found.end(), found["line"] is not None
        if found["block"]:
            end, is_comment = _end_of_comment(source, found.start()), True
        elif found["raw"]:
            closing = source.find('"' + found["hashes"], end)
            end = len(source) if closing < 0 else closing + 1 + len(found["hashes"])
        before, token = source[at : found.start()], source[found.start() : end]
        blank = re.sub(r"[^\n]", " ", token)
        uncommented += [before, blank if is_comment else token]
        bare += [before, blank]
        at = end
    return Masked("".join([*uncommented, source[at:]]), "".join([*bare, source[at:]]))


def _end_of_comment(source: str, start: int) -> int:
    """The end of a block comment, in which further ones may stand."""
    depth = 0
    for mark in re.finditer(r"/\*|\*/", source[start:]):
        depth += 1 if mark[0] == "/*" else -1
        if depth == 0:
            return start + mark.end()
    return len(source)


@dataclass(frozen=True, slots=True)
class CpuNeeds:
    """The features without which a kernel's code must not run, by architecture; empty for portable code.

    `at_compile_time`: some of its code depends on the features for which it is compiled.
    """

    features: Mapping[str, tuple[str, ...]]
    at_compile_time: bool


def cpu_needs(source: str, judged_with: Mapping[str, tuple[str, ...]]) -> CpuNeeds:
    """Every feature that the source enables, asks for or betrays by the name of an instruction.

    Vector code that asks for nothing was right on the machine that judged it; so it needs all vector features of that
    machine, `judged_with`.
    """
    text = masked(source).uncommented
    asked = {name.strip() for names in _ENABLED.findall(text) for name in names.split(",")}
    detected = set(_DETECTED.findall(text))
    named = asked | detected | {feature for pattern, feature in _BETRAYED if pattern.search(text)}
    features = {
        arch: tuple(sorted(found))
        for arch, found in (("x86_64", named - _AARCH64), ("aarch64", named & _AARCH64))
        if found - {""}
    }
    if _VECTOR_CODE.search(text) and not detected and not asked:
        features = {
            arch: tuple(sorted({*features.get(arch, ()), *names})) for arch, names in judged_with.items()
        }
    return CpuNeeds(features, _AT_COMPILE_TIME.search(text) is not None)
