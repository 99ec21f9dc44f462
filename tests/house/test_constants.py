"""The table of constants in docs/clock.md has the values of the code."""

from __future__ import annotations

import importlib
import math
import re
from functools import reduce
from typing import NamedTuple

import pytest

from tests.conftest import ROOT

ROW = re.compile(
    r"^\| (?P<names>`[^|]+`) \| (?P<values>[^|]+) \| [^|]+ \| `(?P<path>[\w/]+\.py)` \|$", re.MULTILINE
)
NUMBER = re.compile(r"(?P<factor>factor )?(?P<number>±?\d+(?:\.\d+)?)(?: (?P<unit>%|ms|s|× BLAS))?")


class Constant(NamedTuple):
    """One constant of the table: its name, perhaps after its class, its value as text, and its module."""

    name: str
    text: str
    module: str


def table() -> list[Constant]:
    """The constants of the table; a row may have several names with as many values."""
    page = (ROOT / "docs" / "clock.md").read_text(encoding="utf-8")
    section = page.partition("## The constants\n")[2].partition("\n## ")[0]
    found = []
    for row in ROW.finditer(section):
        module = row["path"].removesuffix(".py").replace("/", ".")
        names = [name.strip("`") for name in row["names"].split(", ")]
        found += [
            Constant(name, text, module) for name, text in zip(names, row["values"].split(", "), strict=True)
        ]
    assert len(section.strip().splitlines()) - 2 == len(list(ROW.finditer(section))), "a row is not read"
    return found


def possible_values(text: str, name: str) -> list[float]:
    """The numbers that the code may have for a value of the table: half-widths are fractions or logs, times have the
    unit in their name.
    """
    found = NUMBER.fullmatch(text)
    assert found is not None, f"{text!r} is not a value that this test can read"
    number = float(found["number"].removeprefix("±"))
    if found["unit"] == "%":
        return [number / 100, math.log1p(number / 100)]
    if found["unit"] in ("ms", "s"):
        seconds = number / 1e3 if found["unit"] == "ms" else number
        return [seconds * {"_S": 1.0, "_MS": 1e3, "_NS": 1e9}["_" + name.rpartition("_")[2]]]
    return [math.log(number)] if found["factor"] else [number]


def value_in_code(constant: Constant) -> float:
    """The value of a constant of a module, or of the default of a field of a class."""
    *outer, last = constant.name.split(".")
    owner = reduce(getattr, outer, importlib.import_module(constant.module))
    fields = getattr(owner, "__dataclass_fields__", {})
    return float(fields[last].default if last in fields else getattr(owner, last))


@pytest.mark.parametrize("constant", table(), ids=lambda constant: constant.name)
def test_a_constant_has_the_value_of_the_table(constant: Constant) -> None:
    allowed = possible_values(constant.text, constant.name)
    actual = value_in_code(constant)
    assert any(math.isclose(actual, value, rel_tol=1e-9) for value in allowed), (constant.text, actual)


def test_a_wrong_value_is_found() -> None:
    assert possible_values("0.5 ms", "REGION_NS") == [5e5]
    assert 0.02 not in possible_values("±1 %", "target")
