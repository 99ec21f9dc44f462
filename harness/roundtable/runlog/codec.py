"""Converts verdicts to plain types and back, so that a journal can be used after a restart."""

from __future__ import annotations

from functools import cache
from typing import Any, get_args

from pydantic import TypeAdapter

from harness.verdict import Accepted, Rejection, Verdict, name

_CLASSES = {cls.__name__: cls for cls in (Accepted, *get_args(Rejection))}


def to_plain(verdict: Verdict) -> dict[str, Any]:
    """The fields of the verdict in plain types, plus its class name under "verdict"."""
    kind = name(verdict)
    plain: dict[str, Any] = _adapter(kind).dump_python(verdict)
    return {"verdict": kind} | plain


def from_plain(plain: dict[str, Any]) -> Verdict:
    """The verdict that `to_plain` was given; raises ValueError when the name or a field is unknown."""
    fields = dict(plain)
    kind = fields.pop("verdict", None)
    if kind not in _CLASSES:
        raise ValueError(f"unknown verdict {kind!r}")
    verdict: Verdict = _adapter(kind).validate_python(fields)
    return verdict


@cache
def _adapter(kind: str) -> TypeAdapter[Any]:
    return TypeAdapter(_CLASSES[kind])
