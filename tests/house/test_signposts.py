"""No false signposts: every name and path that comments, docstrings and pages mention exists."""

from __future__ import annotations

import re

import pytest

from tests.conftest import ROOT
from tests.house.tree import Prose, modules, prose, words

# Names that no file here defines: the suffix of AVX-512 FP16 intrinsics.
ELSEWHERE = frozenset({"_sh"})
PRODUCTS = frozenset({"AsmLexer", "GitHub", "HashingVectorizer", "TextTiling"})
CAMEL_CASE = re.compile(r"\b[A-Z][a-z]+(?:[A-Z][a-z]+)+\b")
CODE = re.compile(r"`([^`\n]+)`")
FILE = re.compile(r"(?<![\w/.-])(?:harness|tests|reference|docs|corpus|results|candidates)/[\w./-]*[\w/]")
FILE_NAME = re.compile(r"[\w-]+\.(?:py|rs|md|toml|j2|yml)")
DOTTED = re.compile(r"\b(?:harness|tests)(?:\.[A-Za-z_]\w*)+")
WORD = re.compile(r"[A-Za-z_]\w*")


def exists(path: str) -> bool:
    """Whether a mentioned path exists, or is one that runs and users create."""
    bare = path.rstrip("/.")
    made_by_runs = ("results/local", "corpus/pdf", "corpus/own", "candidates/gen", "candidates/NAME")
    return bare.startswith(made_by_runs) or (ROOT / bare).exists() or (ROOT / "harness" / bare).exists()


def dotted_exists(name: str) -> bool:
    """Whether a dotted name is a module, or a module followed by names that occur in its file."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        path = modules().get(".".join(parts[:end]))
        if path is not None:
            text = path.read_text(encoding="utf-8")
            return all(re.search(rf"\b{part}\b", text) for part in parts[end:])
    return False


def described(found: Prose, what: str) -> str:
    return f"{found.path.relative_to(ROOT)}:{found.line}: {what}"


def test_every_path_that_is_mentioned_exists() -> None:
    missing = [
        described(item, path) for item in prose() for path in FILE.findall(item.text) if not exists(path)
    ]
    assert not missing, "\n".join(missing)


def test_every_file_name_in_backticks_exists() -> None:
    known = {path.name for path in ROOT.rglob("*") if not {".git", ".venv", "target"} & set(path.parts)}
    missing = [
        described(item, code)
        for item in prose()
        for code in CODE.findall(item.text)
        if FILE_NAME.fullmatch(code) and code not in known
    ]
    assert not missing, "\n".join(missing)


def test_every_dotted_name_that_is_mentioned_exists() -> None:
    missing = [
        described(item, name)
        for item in prose()
        for name in DOTTED.findall(item.text)
        if not dotted_exists(name)
    ]
    assert not missing, "\n".join(missing)


def looks_like_a_name(code: str) -> bool:
    """Whether text in backticks is one identifier, perhaps dotted or called, and not a word of prose or a command."""
    return bool(re.fullmatch(r"[A-Za-z_][\w.]*(\(\))?", code)) and (
        "_" in code or "." in code or code.endswith("()") or not code.islower()
    )


def test_every_name_in_backticks_exists() -> None:
    missing = [
        described(item, code)
        for item in prose()
        for code in CODE.findall(item.text)
        if looks_like_a_name(code) and not code.startswith(("std.", "harness.", "tests."))
        for part in WORD.findall(code)
        if part not in words() and part not in ELSEWHERE
    ]
    assert not missing, "\n".join(missing)


def test_every_type_that_is_mentioned_exists() -> None:
    missing = [
        described(item, name)
        for item in prose()
        for name in CAMEL_CASE.findall(item.text)
        if name not in words() and name not in PRODUCTS
    ]
    assert not missing, "\n".join(missing)


@pytest.mark.parametrize("name", ["harness.judge.bench", "harness.build", "harness.clock.duel.Runner"])
def test_a_name_that_is_gone_is_found(name: str) -> None:
    assert not dotted_exists(name)


@pytest.mark.parametrize("path", ["harness/build/policy.py", "harness/summary.py", "docs/nowhere.md"])
def test_a_path_that_is_gone_is_found(path: str) -> None:
    assert not exists(path)
