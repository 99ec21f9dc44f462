"""Reading a model's answer: JSON and Rust among reasoning, prose, small mistakes and partial blocks."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.minds.answers import NotJsonError, find_object, without_thoughts
from harness.roundtable.agents import regions
from harness.roundtable.agents.rust_answer import NoKernelError, blocks, whole_file
from tests.minds.thoughtful import THOUGHTFUL

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
MATMUL = "pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {}\n"


@given(st.dictionaries(st.text(max_size=8), JSON_VALUES, min_size=1, max_size=4), st.integers(0, 3))
def test_an_object_is_found_in_any_surrounding_text(value: dict[str, Any], indent: int) -> None:
    text = json.dumps(value, indent=indent or None)
    assert find_object(text) == value
    assert find_object(f"<think>maybe {{}} or {{'a': 1}}</think>Sure!\n```json\n{text}\n```\nDone.") == value


@pytest.mark.parametrize(
    "slip",
    [
        '{"a": 1, "b": [1, 2,],}',
        '{"a": 1, // the first\n "b": [1, 2]}',
        'first {"a": 9} then {"a": 1, "b": [1, 2]}',
        'thoughts that were never opened </think> {"a": 1, "b": [1, 2]}',
        'a set {x} and {"a": 1, "b": [1, 2]}',
        'for i in 0..m { is the loop over rows; {"a": 1, "b": [1, 2]}',
        'the tile {6, 16 does not fit, { neither: {"a": 1, "b": [1, 2]} and so } on',
        "{'a': 1, 'b': [1, 2]}",
        '{"a": 1 /* rows */, "b": [1, 2]}',
        '{"a": 1 "b": [1, 2]}',
    ],
)
def test_common_mistakes_are_corrected(slip: str) -> None:
    assert find_object(slip) == {"a": 1, "b": [1, 2]}


def test_python_constants_are_corrected_outside_of_strings_only() -> None:
    assert find_object('{"a": None, "b": True, "c": "None, True"}') == {
        "a": None,
        "b": True,
        "c": "None, True",
    }


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("", "no JSON object"),
        ("<think>{}", "no JSON object"),
        ('{"a": [1, 2', "cut off"),
        ("{a set}", "malformed"),
        ('the loop { and {"a": [1, 2', "cut off"),
        ("{" * 100_000, "cut off"),
        ("[1]", "no JSON object"),
    ],
)
def test_text_without_an_object_is_refused_with_the_reason(answer: str, reason: str) -> None:
    with pytest.raises(NotJsonError, match=reason):
        find_object(answer)


@pytest.mark.parametrize("model", THOUGHTFUL)
def test_the_reasoning_of_any_model_is_left_out(model: str) -> None:
    answer = '{"a": 1, "b": [1, 2]}'
    thought, _, rest = THOUGHTFUL[model].rpartition("{}")
    assert find_object(thought + answer + rest) == {"a": 1, "b": [1, 2]}
    assert whole_file(f"{thought}```rust\n{MATMUL}```\n{rest}") == MATMUL


@pytest.mark.parametrize(
    "unfinished",
    [
        '<think>maybe {"a": 1}',
        '[THINK]maybe {"a": 1}',
        '<|channel|>analysis<|message|>We answer {"a": 2}.<|end|>',
        '<|channel>thought\nmaybe {"a": 1}',
    ],
)
def test_reasoning_without_an_answer_is_no_answer(unfinished: str) -> None:
    with pytest.raises(NotJsonError, match="no JSON object"):
        find_object(unfinished)


def test_half_a_surrogate_pair_is_replaced() -> None:
    assert find_object('{"a": "\\ud83d", "\\udc00": ["\\ud83d\\ude00"]}') == {"a": "?", "?": ["😀"]}


@given(st.text())
def test_no_answer_breaks_the_parsers(answer: str) -> None:
    without_thoughts(answer)
    for read, refusal in ((find_object, NotJsonError), (whole_file, NoKernelError)):
        try:
            read(answer)
        except refusal as error:
            assert str(error)


def test_the_last_complete_kernel_is_used() -> None:
    first, second = MATMUL, MATMUL.replace("{}", "{ /* better */ }")
    answer = f"Try:\n```rust\n{first}```\nOh wait, better:\n~~~rust\n{second}~~~\nand\n```rust\n{MATMUL[:40]}"
    assert whole_file(answer) == second


def test_reasoning_and_other_languages_are_not_kernels() -> None:
    answer = (
        f"<think>```rust\n{MATMUL}```</think>```python\ndef matmul(): ...\n```\n```\n{MATMUL}// mine\n```"
    )
    assert whole_file(answer) == MATMUL + "// mine\n"


def test_helpers_from_other_blocks_are_joined_when_they_are_called() -> None:
    main = MATMUL.replace("{}", "{ tile(); }")
    answer = f"```rust\nfn tile() {{}}\n```\nand an aside\n```rust\nfn unused() {{}}\n```\n```rust\n{main}```"
    assert "fn tile()" in whole_file(answer)
    assert "unused" not in whole_file(answer)


def test_an_answer_without_fences_is_accepted_only_if_it_is_all_code() -> None:
    assert whole_file(MATMUL) == MATMUL
    with pytest.raises(NoKernelError, match="no fenced"):
        whole_file(f"You could write {MATMUL}")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (f"```rust\n{MATMUL}", "stopped in the middle"),
        ("```rust\nfn other() {}\n```", "no code block defines"),
        ("I am only a language model.", "no fenced Rust"),
    ],
)
def test_incomplete_answers_are_refused_with_what_is_missing(answer: str, reason: str) -> None:
    with pytest.raises(NoKernelError, match=reason):
        whole_file(answer)


SOURCE = """//! A kernel with "fn micro(" in its text.
const OPEN: char = '{';

/// Packs } B.
#[inline]
fn pack_b(x: [f32; 4]) -> f32 {
    // } not the end
    let s = "}";
    if s.len() > 1 { 1.0 } else { x[0] }
}

unsafe fn micro<const ROWS: usize>(a: &[f32; ROWS]) -> f32
where
    [f32; ROWS]: Sized,
{
    a[0]
}

pub fn matmul() { fn inner() {} }
"""


def test_functions_are_found_with_their_documentation_and_attributes() -> None:
    found = {fn.name: SOURCE[fn.start : fn.end] for fn in regions.functions(SOURCE)}
    assert list(found) == ["pack_b", "micro", "matmul"]
    assert found["pack_b"].startswith("/// Packs } B.\n#[inline]\nfn pack_b")
    assert found["pack_b"].endswith("x[0] }\n}")
    assert found["micro"].startswith("unsafe fn micro")


def test_only_the_functions_of_a_region_are_replaced() -> None:
    micro = "unsafe fn micro<const ROWS: usize>(a: &[f32; ROWS]) -> f32 { helper() * a[0] }\n"
    new = f"fn helper() -> f32 {{ 2.0 }}\n\n{micro}"
    whole = f"```rust\n{new}\npub fn matmul() {{ evil() }}\n```"
    changed = regions.replace(SOURCE, "micro-kernel", whole)
    assert "helper() * a[0]" in changed
    assert "evil" not in changed
    assert changed.count("fn micro") == SOURCE.count("fn micro")
    assert changed.startswith(SOURCE[: SOURCE.index("unsafe fn micro")])
    with pytest.raises(NoKernelError, match="still define `micro`"):
        regions.replace(SOURCE, "micro-kernel", "```rust\nfn helper() {}\n```")


def test_every_family_has_regions_and_replacing_one_by_itself_changes_no_code() -> None:
    from harness.machine import read
    from harness.roundtable.schedule_adapter import ScheduleAdapter
    from harness.schedule.render import render

    for lane in ScheduleAdapter(read(), 1).lanes():
        source = render(lane.base, "title")
        assert regions.available(source)
        for region in regions.available(source):
            same = regions.replace(source, region, f"```rust\n{regions.text(source, region)}\n```")
            assert sorted(same.split()) == sorted(source.split())


def test_blocks_record_whether_they_were_closed() -> None:
    assert [block.closed for block in blocks("```rust\na\n```\n```\nb")] == [True, False]
