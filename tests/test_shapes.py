"""Timed forms: their text, equality, the strides of a call, and the way through JSON."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from harness.operation.forms import CallForm, Strides
from harness.shapes import Shape, TimedForm, read

gaps = st.none() | st.tuples(*[st.integers(0, 9)] * 3)


@st.composite
def forms(draw: st.DrawFn) -> TimedForm:
    m, k, n = (draw(st.integers(1, 99)) for _ in range(3))
    letters = draw(st.sampled_from(("nn", "nt", "tn", "tt")))
    alpha = 2.0 ** draw(st.integers(-10, 10))
    found = TimedForm(m, k, n, letters, draw(st.booleans()), alpha)
    extra = draw(gaps)
    if extra is None:
        return found
    least = (k if letters[0] == "n" else m, n if letters[1] == "n" else k, n)
    a, b, c = (one + gap for one, gap in zip(least, extra, strict=True))
    return TimedForm(m, k, n, letters, found.adds, alpha, (a, b, c))


@given(forms())
def test_a_form_survives_text_json_pickle_and_copies(form: TimedForm) -> None:
    adapter = TypeAdapter(Shape)
    assert read(str(form)) == form
    assert adapter.validate_python(adapter.dump_python(form, mode="json")) == form
    assert pickle.loads(pickle.dumps(form)) == form
    assert copy.deepcopy(form) == form
    assert adapter.dump_python(form.plain, mode="json") == [form.m, form.k, form.n]
    assert adapter.validate_python([form.m, form.k, form.n]) == form.plain


@given(forms(), forms())
def test_forms_are_equal_only_if_everything_is(one: TimedForm, other: TimedForm) -> None:
    assert (one == other) == (str(one) == str(other))
    assert one != one.plain
    assert one.plain != one
    assert len({one, one.plain, read(str(one))}) == 2
    assert tuple(one) == tuple(one.plain)
    assert one.flops == one.plain.flops


@given(forms())
def test_the_same_form_at_other_extents_has_the_same_gaps(form: TimedForm) -> None:
    other = form.like(form.m + 3, form.k + 5, form.n + 7)
    assert (other.m, other.k, other.n) == (form.m + 3, form.k + 5, form.n + 7)
    assert (other.letters, other.adds, other.alpha) == (form.letters, form.adds, form.alpha)
    assert other.like(*form) == form


def test_the_strides_are_those_of_blas_with_row_major_c() -> None:
    form = read("64x32x16:tn+*0.125/70/20/18")
    call = CallForm.of(form)
    assert call is not None
    assert (call.a, call.b, call.c) == (Strides(1, 70), Strides(20, 1), Strides(18, 1))
    assert (call.alpha, call.beta) == (0.125, 1.0)
    assert call.is_known_to_blas(form.plain)
    plain = CallForm.of(read("64x32x16:nt"))
    assert plain is not None
    assert (plain.b, plain.beta) == (Strides(1, 32), 0.0)
    assert CallForm.of(form.plain) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("4x4x4:xx", "nn, nt, tn or tt"),
        ("4x4x4:nt+*0.3", "power of two"),
        ("4x4x4:nt*1.2.3", "no number"),
        ("4x4x4:nt/4/4", "nn, nt, tn or tt"),
        ("4x4x4:nn/3/4/4", "at least 4/4/4"),
        ("4x4", "no shape"),
    ],
)
def test_an_invalid_form_is_explained(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        read(text)
