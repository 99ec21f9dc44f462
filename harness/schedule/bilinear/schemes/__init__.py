"""The shipped schemes, and readers for schemes that a user or a model supplies.

A scheme is a table (TOML or JSON) with exactly one of
    text = "M1 = (a11 + a22)(b11 + b22) …"          symbolic notation, see harness.schedule.bilinear.symbolic
    m, k, n, u, v, w                                 exact coefficients, a row per product, integers or "p/q"
    kronecker = ["strassen", "strassen"]             a product of named schemes, the outermost first
    sum = ["strassen", "classical_2x2x1"], axis = "n"    a direct sum along an axis
    rotate = "name" or transpose = "name"            by symmetry
and optionally name and source. Wherever a composition takes a name it also takes such a table. Reading a scheme does
not prove it.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from functools import lru_cache, reduce
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.places import RESULTS
from harness.schedule.bilinear import compose, scheme, symbolic
from harness.schedule.bilinear.scheme import Scheme

_FOLDER = Path(__file__).parent
# Where harness.schedule.discover writes.
FOUND = RESULTS / "schemes"
# How a name ends when the scheme was searched for few additions; one without this has fewer coefficients.
CHEAP = "_cheap"
_FORMS = ("text", "u", "kronecker", "sum", "rotate", "transpose")
_KEYS = {"name", "source", "m", "k", "n", "v", "w", "axis", *_FORMS}
_CLASSICAL = re.compile(r"classical_(\d{1,2})x(\d{1,2})x(\d{1,2})")
MAX_SCHEME_BYTES = 1 << 20  # of a scheme file
_MAX_DEPTH = 8  # of nested compositions


def available() -> tuple[str, ...]:
    """The sorted names of the shipped schemes; `named` also accepts classical_MxKxN."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


def discovered() -> tuple[str, ...]:
    """The sorted names of the schemes that were found on this machine."""
    return tuple(sorted(path.stem for path in FOUND.glob("*.json")))


@lru_cache(maxsize=64)
def named(name: str) -> Scheme:
    """The shipped or discovered scheme of this name, or the classical one for classical_MxKxN.

    UserError lists the known names.
    """
    match = _CLASSICAL.fullmatch(name)
    if match:
        m, k, n = (int(part) for part in match.groups())
        return compose.classical(m, k, n)
    if name in available():
        return from_file(_FOLDER / f"{name}.toml")
    if name in discovered():
        return from_file(FOUND / f"{name}.json")
    known = f"{', '.join((*available(), *discovered()))} and classical_MxKxN"
    raise UserError(f"no scheme is called {name[:60]!r}; there are {known}")


def from_file(path: Path) -> Scheme:
    """Read a scheme from a .toml or .json file, or from any other file in symbolic notation. Raises UserError."""
    try:
        data = path.read_bytes()[: MAX_SCHEME_BYTES + 1]
        text = data.decode("utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 (byte {error.start})") from None
    if len(data) > MAX_SCHEME_BYTES:
        raise UserError(f"{path}: a scheme file may have at most 1 MiB")
    return from_text(text, path.suffix.lstrip("."), path.stem)


def from_text(text: str, form: str = "", name: str = "inline") -> Scheme:
    """Read a scheme from text in the format `form`: "toml", "json", else symbolic notation. Raises UserError."""
    if form not in ("toml", "json"):
        return symbolic.parse(text, name)
    try:
        table = tomllib.loads(text) if form == "toml" else json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{name}: not valid {form.upper()}: {error}") from None
    if isinstance(table, dict) and isinstance(table.get("scheme"), dict):
        # A file of harness.schedule.discover, which says more than the scheme.
        table = table["scheme"]
    if not isinstance(table, dict):
        raise UserError(f"{name}: a scheme is a table with one of the keys {', '.join(_FORMS)}")
    return from_data({"name": name} | table)


def from_data(table: Mapping[str, Any], depth: int = 0) -> Scheme:
    """The scheme that a table describes; the module docstring lists the keys. Raises UserError."""
    name, source = str(table.get("name", "inline"))[:80], str(table.get("source", ""))
    unknown = sorted(set(table) - _KEYS)
    forms = [key for key in _FORMS if key in table]
    if unknown:
        raise UserError(f"{name}: unknown key {unknown[0]!r}; allowed: {', '.join(sorted(_KEYS))}")
    if len(forms) != 1:
        found = " and ".join(forms) or "none"
        raise UserError(f"{name}: exactly one of {', '.join(_FORMS)} is needed, found {found}")
    form, value = forms[0], table[forms[0]]
    if form == "text":
        return symbolic.parse(str(value), name, source)
    if form == "u":
        return _from_tensors(name, source, table)
    scheme = _composed(form, value, table, name, depth)
    return Scheme(name, scheme.m, scheme.k, scheme.n, scheme.u, scheme.v, scheme.w, source or scheme.source)


def _composed(form: str, value: Any, table: Mapping[str, Any], name: str, depth: int) -> Scheme:
    many = form in ("kronecker", "sum")
    parts_data = value if many else [value]
    if (
        not isinstance(parts_data, list)
        or not parts_data
        or not all(isinstance(part, str | dict) for part in parts_data)
    ):
        what = (
            "a list of names of shipped schemes or of tables"
            if many
            else "the name of a shipped scheme or a table"
        )
        raise UserError(f"{name}: {form} takes {what}")
    if depth >= _MAX_DEPTH:
        raise UserError(f"{name}: more than {_MAX_DEPTH} nested compositions")
    parts = [named(part) if isinstance(part, str) else from_data(part, depth + 1) for part in parts_data]
    if form == "kronecker":
        return reduce(compose.kronecker, parts)
    if form == "sum":
        axis = table.get("axis")
        if axis not in ("m", "k", "n"):
            raise UserError(f'{name}: a sum needs axis = "m", "k" or "n"')
        return compose.direct_sum(axis, parts)
    return compose.rotate(parts[0]) if form == "rotate" else compose.transpose(parts[0])


def _from_tensors(name: str, source: str, table: Mapping[str, Any]) -> Scheme:
    sizes = {key: table.get(key) for key in ("m", "k", "n")}
    for key, size in sizes.items():
        if not isinstance(size, int) or isinstance(size, bool):
            raise UserError(f"{name}: {key} must be an integer")
    factors = []
    for key in ("u", "v", "w"):
        rows = table.get(key)
        if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
            raise UserError(f"{name}: {key} must be a list of rows of coefficients, one per product")
        try:
            factors.append(scheme.exact(rows))
        except UserError as error:
            raise UserError(f"{name}: {key}, {error}") from None
    u, v, w = factors
    return Scheme(name, int(table["m"]), int(table["k"]), int(table["n"]), u, v, w, source)
