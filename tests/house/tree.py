"""The checkout as data for the checks of its structure: modules, imports, names, comments."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

from tests.conftest import ROOT

PACKAGES = ("harness", "tests", "reference")


class Prose(NamedTuple):
    """A docstring, a comment or a paragraph of a page, and where it is."""

    path: Path
    line: int
    text: str


@lru_cache(maxsize=1)
def modules() -> dict[str, Path]:
    """Every Python module of the product and its tests, by dotted name."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def syntax(path: Path) -> ast.Module:
    """The parsed module."""
    return ast.parse(path.read_text(encoding="utf-8"))


@lru_cache(maxsize=1)
def imports() -> dict[str, frozenset[str]]:
    """The modules of `harness` that each one imports: at its top, inside functions, and under TYPE_CHECKING."""
    return {
        name: frozenset(_imported(syntax(path))) - {name}
        for name, path in modules().items()
        if name.startswith("harness")
    }


def _imported(tree: ast.Module) -> Iterator[str]:
    known = modules()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module in known:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in known else node.module


def source_files(*suffixes: str) -> list[Path]:
    """The files of the product and its tests with these suffixes."""
    return [
        path
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*"))
        if path.suffix in suffixes and "target" not in path.parts
    ]


def pages() -> list[Path]:
    """README, CONTRIBUTING, everything under docs/, and the README files of the host and the corpus."""
    readmes = [ROOT / "README.md", ROOT / "corpus" / "README.md", ROOT / "harness" / "host" / "README.md"]
    return [*readmes, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@lru_cache(maxsize=1)
def prose() -> tuple[Prose, ...]:
    """Every docstring and comment of Python, Rust, template and TOML files, and every line of the pages."""
    return (*_prose_of_python(), *_prose_of_other_files())


def _prose_of_python() -> Iterator[Prose]:
    for path in source_files(".py"):
        yield from _docstrings(path)
        for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline):
            if token.type == tokenize.COMMENT:
                yield Prose(path, token.start[0], token.string)


def _prose_of_other_files() -> Iterator[Prose]:
    marks = {".rs": "//", ".j2": "//", ".toml": "#"}
    toml = [ROOT / "pyproject.toml", *sorted((ROOT / "corpus").glob("*.toml"))]
    for path in [*source_files(*marks), *toml, *pages()]:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if path.suffix == ".md":
                yield Prose(path, number, line)
            elif marks[path.suffix] in line:
                yield Prose(path, number, line.partition(marks[path.suffix])[2])


def _docstrings(path: Path) -> Iterator[Prose]:
    for node in ast.walk(syntax(path)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node, clean=False)
            if text:
                yield Prose(path, getattr(node, "lineno", 1), text)


@lru_cache(maxsize=1)
def words() -> frozenset[str]:
    """Every identifier-like word in code and data of the checkout, outside of prose."""
    found: set[str] = set()
    for path in source_files(".py"):
        tree = syntax(path)
        for node in ast.walk(tree):
            if isinstance(node, ast.Name):
                found.add(node.id)
            elif isinstance(node, ast.Attribute):
                found.add(node.attr)
            elif isinstance(node, ast.arg | ast.keyword):
                found.add(node.arg or "")
            elif isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                found.add(node.name)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.update(re.findall(r"[\w-]+", node.value)) if not _is_docstring(node, tree) else None
        found.update(part for part in path.relative_to(ROOT).with_suffix("").parts)
    for path in source_files(".rs", ".j2", ".toml"):
        lines = path.read_text(encoding="utf-8").splitlines()
        found.update(re.findall(r"\w+", "\n".join(line.partition("//")[0] for line in lines)))
    for name in ("pyproject.toml", "Makefile", ".github/workflows/kernels.yml", ".pre-commit-config.yaml"):
        found.update(re.findall(r"[\w-]+", (ROOT / name).read_text(encoding="utf-8")))
    return frozenset(found)


@cache
def _docstring_nodes(tree: ast.Module) -> frozenset[int]:
    return frozenset(
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    )


def _is_docstring(node: ast.Constant, tree: ast.Module) -> bool:
    return id(node) in _docstring_nodes(tree)
