"""Options with two names under pytest 8, whose parser hands them to argparse only when it parses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from harness.front_door.option_names import YieldingGroup


class Argument:
    """As pytest 8 keeps an option."""

    def __init__(self, *names: str) -> None:
        self._long_opts = list(names)

    def names(self) -> list[str]:
        return list(self._long_opts)


@dataclass
class Group:
    options: list[Any] = field(default_factory=list)

    def addoption(self, *names: str, **attrs: Any) -> None:
        self.options.append(Argument(*names))


@dataclass
class Parser:
    """Without `optparser`, which pytest 9.2 has."""

    _groups: list[Group] = field(default_factory=list)
    _anonymous: Group = field(default_factory=Group)

    def getgroup(self, name: str, description: str = "") -> Group:
        self._groups.append(Group())
        return self._groups[-1]


def offered(parser: Parser) -> list[str]:
    """What pytest gives to argparse, which refuses a name that comes twice."""
    return [name for group in parser._groups for option in group.options for name in option.names()]


def test_several_options_keep_both_names_while_nobody_wants_them() -> None:
    parser = Parser()
    for number, short in enumerate(("--profile", "--replay", "--suite")):
        YieldingGroup(cast(pytest.Parser, parser), f"group {number}", "").addoption(short)
    assert offered(parser) == [
        *("--profile", "--roundtable-profile", "--replay", "--roundtable-replay"),
        *("--suite", "--roundtable-suite"),
    ]


@pytest.mark.parametrize("ours_is_first", [True, False])
def test_a_name_goes_to_another_plugin_whichever_comes_first(ours_is_first: bool) -> None:
    parser = Parser()
    if not ours_is_first:
        parser.getgroup("profiling").addoption("--profile")
    ours = YieldingGroup(cast(pytest.Parser, parser), "judge", "")
    ours.addoption("--profile")
    ours.addoption("--suite")
    if ours_is_first:
        parser.getgroup("profiling").addoption("--profile")
    assert sorted(offered(parser)) == [
        *("--profile", "--roundtable-profile", "--roundtable-suite", "--suite"),
    ]
