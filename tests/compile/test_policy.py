"""The policy: honest sources of any style pass, tricks are refused by the right rule, and no input breaks it."""

# Rust text keeps its own lines.
# ruff: noqa: E501

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.compile import inspector_client as asking
from harness.compile import policy
from harness.compile.audit import AuditReport
from harness.compile.policy import PolicyReport
from harness.verdict import Gate, PolicyViolation
from tests.compile.honest_kernels import HONEST
from tests.compile.plain_kernel import PLAIN
from tests.compile.refused_sources import BROKEN, TRICKS
from tests.compile.support import inspector, through
from tests.compile.suspicious_but_allowed import HARMLESS


def check(source: str, tier: str = "unsafe") -> PolicyReport | PolicyViolation:
    return policy.check(source, "safe" if tier == "safe" else "unsafe", inspector())


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_kernel_passes_and_is_understood(name: str) -> None:
    report = check(HONEST[name])
    assert isinstance(report, PolicyReport), report
    assert report.notes == ()


@pytest.mark.parametrize("name", HARMLESS)
def test_text_that_only_looks_like_a_trick_passes(name: str) -> None:
    source = f"{HARMLESS[name]}\n{PLAIN}"
    report = check(source)
    assert isinstance(report, PolicyReport), report
    assert report.notes == ()
    # rustc agrees about what is never compiled, and the rest is valid Rust.
    assert isinstance(through(source), AuditReport)


@pytest.mark.parametrize(("rule", "trick"), TRICKS, ids=[f"{rule}-{i}" for i, (rule, _) in enumerate(TRICKS)])
def test_a_trick_is_refused_by_its_rule(rule: str, trick: str) -> None:
    verdict = check(f"{trick}\n{PLAIN}")
    assert isinstance(verdict, PolicyViolation), f"passed: {trick}"
    assert verdict.rule == rule
    assert verdict.at.gate is Gate.POLICY
    # The message contains the rule's reason, not only its id.
    assert asking.rules(inspector())[rule].reason in verdict.detail


@pytest.mark.parametrize(("rule", "trick"), TRICKS[:20])
def test_a_trick_is_refused_even_if_the_parser_fails(rule: str, trick: str) -> None:
    """The tokens alone must suffice: syntax newer than the parser must not be a way around the policy."""
    verdict = check(f"{trick}\nfn newer() {{ let = ~ ; }}\n{PLAIN}")
    assert isinstance(verdict, PolicyViolation)
    assert verdict.rule == rule


@pytest.mark.parametrize("source", BROKEN)
def test_a_broken_source_is_left_to_the_compiler(source: str) -> None:
    assert isinstance(check(source), PolicyReport)


def test_an_unreadable_source_with_a_dangerous_word_is_refused() -> None:
    verdict = check('fn f() { std::fs::read("x) }')
    assert isinstance(verdict, PolicyViolation)
    assert verdict.rule == "unreadable"


def test_the_message_names_the_line() -> None:
    verdict = check("\n\n// one\nuse std::fs;\n" + PLAIN)
    assert isinstance(verdict, PolicyViolation)
    assert verdict.line == 4


def test_text_that_no_file_can_hold_is_refused() -> None:
    verdict = check("\n// \ud800\n" + PLAIN)
    assert isinstance(verdict, PolicyViolation)
    assert (verdict.rule, verdict.line) == ("unreadable", 2)


def test_a_shebang_and_a_byte_order_mark_hide_nothing() -> None:
    verdict = check("\ufeff#!/bin/x [\nuse std::fs;\n" + PLAIN)
    assert isinstance(verdict, PolicyViolation)
    assert (verdict.rule, verdict.line) == ("files", 2)


def test_the_safe_tier_accepts_no_unsafe_code() -> None:
    source = HONEST["raw pointers, unchecked"]
    assert isinstance(check(source, "unsafe"), PolicyReport)
    verdict = check(source, "safe")
    assert isinstance(verdict, PolicyViolation)
    assert verdict.rule == "safe-tier"
    assert verdict.line is not None
    assert "unsafe" in source.splitlines()[verdict.line - 1]


def test_the_word_unsafe_in_comments_and_text_is_safe() -> None:
    assert isinstance(check('// unsafe { }\nconst X: &str = "unsafe";\n' + PLAIN, "safe"), PolicyReport)


def test_unsafe_is_counted_in_macros_too() -> None:
    report = check("macro_rules! u { ($e:expr) => { unsafe { $e } } }\nunsafe fn f() {}\n" + PLAIN)
    assert isinstance(report, PolicyReport)
    assert report.unsafe_blocks == 2


@pytest.mark.parametrize(
    "hostile",
    [
        "const X: bool = " + "!" * 300_000 + "true;",
        "fn f() { " + "if true {} else " * 60_000 + "{} }",
        "fn f(x: " + "&" * 200_000 + "u8) {}",
        "fn f(x: " + "Box<" * 100_000 + "u8" + ">" * 100_000 + ") {}",
        "{" * 200_000,
        "fn f() " + "{" * 100_000 + "}" * 100_000,
        "use std::" + "{" * 5_000 + "}" * 5_000 + ";",
        "m!" + "(" * 100_000 + ")" * 100_000,
        '"' * 99_999,
        "r" + "#" * 70_000 + '"',
        "\0" * 1000,
        "/*" * 100_000,
        "fn f() { " + "vec![" * 150 + "1," * 200_000 + "]" * 150 + "; }",
    ],
    ids=[
        "not",
        "else-if",
        "reference",
        "generic",
        "open",
        "blocks",
        "use",
        "macro",
        "quotes",
        "raw",
        "nul",
        "comments",
        "macros in macros",
    ],
)
def test_hostile_nesting_gets_a_verdict(hostile: str) -> None:
    """The inspector neither hangs nor crashes the harness; a refusal blames the source."""
    verdict = check(f"{hostile}\n{PLAIN}")
    assert isinstance(verdict, PolicyReport | PolicyViolation)
    if isinstance(verdict, PolicyViolation):
        assert verdict.rule in ("nesting", "unreadable", "computed-path")


@settings(max_examples=40)
@given(st.text(max_size=200))
def test_any_text_gets_a_report(text: str) -> None:
    assert isinstance(check(text), PolicyReport | PolicyViolation)


_WHITE = st.sampled_from([" ", "\n", "\t", "/* std */", "// fs\n", "  "])


@settings(max_examples=60)
@given(
    root=st.sampled_from(["std", "::std", "r#std", "s", "t", "q::s", "self::s", "crate::kernel::s"]),
    module=st.sampled_from(["fs", "net", "process", "env", "io", "r#fs", "path", "backtrace"]),
    white=st.lists(_WHITE, min_size=4, max_size=4),
    form=st.sampled_from(["use {p};", "use {p}::*;", "use {p} as z;", "use {{core::mem, {p}}};", "fn x() {{ {p}::f(); }}",
                          "macro_rules! w {{ () => {{ {p}::f() }} }}", "fn x() {{ vec![{p}::f()]; }}",
                          "fn x(y: impl {p}::T) {{}}", "type X = {p}::Y;", "#[doc = \"x\"] pub use {p} as _;"]),
)  # fmt: skip
def test_no_spelling_of_a_forbidden_module_passes(
    root: str, module: str, white: list[str], form: str
) -> None:
    path = f"{root}{white[0]}::{white[1]}{module}{white[2]}"
    source = (
        "use std as s; use s as t; mod q { pub use std as s; }\n"
        + form.format(p=path)
        + white[3]
        + "\n"
        + PLAIN
    )
    verdict = check(source)
    assert isinstance(verdict, PolicyViolation), source


@settings(max_examples=60)
@given(
    name=st.sampled_from(["fs", "net", "process", "env", "io", "path", "std", "print", "include", "link", "used", "asm"]),
    form=st.sampled_from(["fn x({n}: usize) -> usize {{ {n} + 1 }}", "struct X {{ {n}: u8 }} fn x(y: X) -> u8 {{ y.{n} }}",
                          "mod {n} {{ pub fn f() {{}} }} fn x() {{ {n}::f() }}", "// std::{n}!()", "const X: &str = \"std::{n}!\";",
                          "fn {n}() {{}} fn x() {{ {n}(); }}", "fn x<'{n}>(y: &'{n} u8) -> &'{n} u8 {{ y }}",
                          "fn x() {{ let {n} = 1; assert!({n} != 2, \"{{}}\", {n}); }}", "/* use std::{n}; */"]),
)  # fmt: skip
def test_a_harmless_use_of_a_forbidden_word_passes(name: str, form: str) -> None:
    if "::f()" in form and name in ("std",):
        form = "// std::{n}"
    verdict = check(form.format(n=name) + "\n" + PLAIN)
    assert isinstance(verdict, PolicyReport), (form.format(n=name), verdict)


def test_every_rule_has_a_reason_a_source_and_a_test() -> None:
    rules = asking.rules(inspector())
    assert all(rule.reason and rule.source for rule in rules.values())
    tested = {rule for rule, _ in TRICKS} | {"safe-tier", "unreadable"}
    assert tested == set(rules)
