"""Names of crates and modules, and untrusted text in Rust and Markdown."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from harness.compile.toolchain import find
from harness.errors import UserError
from harness.export.names import LONGEST, markdown, module_names, require_name, rust_text

GOOD = ["evolved-matmul", "a", "Matmul_2", "x" * LONGEST]
BAD = [
    "",
    "2fast",
    "-x",
    "_x",
    "a b",
    "a.b",
    "größe",
    "fn",
    "async",
    "test",
    "core",
    "std",
    "a/b",
    "a\n",
    "CON",
]


@pytest.mark.parametrize("name", GOOD)
def test_a_name_that_cargo_accepts_is_accepted(name: str, tmp_path: Path) -> None:
    require_name(name)
    assert cargo_new(name, tmp_path) == 0


@pytest.mark.parametrize("name", [*BAD, "x" * (LONGEST + 1), "rayon"])
def test_a_bad_name_is_one_line(name: str) -> None:
    with pytest.raises(UserError, match="cannot name a crate") as caught:
        require_name(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["2fast", "-x", "a b", "a.b", "fn", "async", "test", "a/b"])
def test_what_cargo_refuses_is_refused(name: str, tmp_path: Path) -> None:
    assert cargo_new(name, tmp_path) != 0
    with pytest.raises(UserError):
        require_name(name)


def cargo_new(name: str, folder: Path) -> int:
    command = [
        str(find().cargo),
        "new",
        "--quiet",
        "--vcs",
        "none",
        "--lib",
        f"--name={name}",
        str(folder / "new"),
    ]
    return subprocess.run(command, capture_output=True, check=False).returncode


def test_modules_are_distinct_and_no_keywords() -> None:
    found = module_names(["run5", "Run5", "run-5", "run_5", "5", "fn", "größe", "日本", "é"])
    assert found == [
        "run5",
        "run5__2",
        "run_5",
        "run_5__2",
        "kernel_5",
        "kernel_fn",
        "gr_e",
        "kernel",
        "kernel__2",
    ]


def test_a_name_is_a_rust_literal() -> None:
    assert rust_text('a"b\\{}') == '"a\\u{22}b\\u{5c}\\u{7b}\\u{7d}"'
    assert rust_text("日本 run-5") == '"\\u{65e5}\\u{672c} run-5"'


@pytest.mark.parametrize(
    "text", ["[a](http://x)", "<img>", "`x`", "# x", "a|b", "![x](y)", "*x*", "www.x.org", "&lt;", "a\nb"]
)
def test_markdown_sees_no_markup(text: str) -> None:
    from markdown_it import MarkdownIt

    found = MarkdownIt("gfm-like", {"linkify": False}).renderInline(markdown(text))
    assert "<" not in found.replace("&lt;", "")
    assert "\n" not in found
