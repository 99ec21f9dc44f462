"""Options with two names: a long one that nobody else has, and a short one that yields to any other plugin's.

pytest-profiling has a --profile of its own, pytest-replay a --replay. pytest ends with an error when two plugins want
one name, whichever is loaded first. So --profile is only the short name of --roundtable-profile, and goes to whoever
else wants it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import pytest

PREFIX = "roundtable"


class YieldingGroup:
    """A group of options, each as --roundtable-NAME, and as --NAME while no other plugin has that."""

    def __init__(self, parser: pytest.Parser, name: str, description: str) -> None:
        self._parser = parser
        self._group = parser.getgroup(name, description)

    def addoption(self, short: str, **attrs: Any) -> None:
        """Add an option with the short name `short` ("--profile"); its value is read with `value_of`."""
        name = short.removeprefix("--")
        names = [short, f"--{PREFIX}-{name}"]
        if short in _names(self._parser):
            del names[0]
        self._group.addoption(*names, dest=_dest(name), **attrs)
        if hasattr(self._parser, "optparser"):
            _yield_in_argparse(self._parser)
        else:
            _yield_at_parsing(self._parser, self._group.options[-1], short)


def value_of(config: pytest.Config, name: str) -> Any:
    """The value of the option with the short name --NAME, written with underscores."""
    return config.getoption(_dest(name))


def _dest(name: str) -> str:
    return f"{PREFIX}_{name.replace('-', '_')}"


def _names(parser: pytest.Parser, but: object = None) -> set[str]:
    """The names of all options so far, without those of the option `but`."""
    groups = {id(group): group for group in (*parser._groups, parser._anonymous)}.values()
    options = [option for group in groups for option in group.options if option is not but]
    # Call the class's method. The instance method of our options is replaced by `_yield_at_parsing` and would recurse.
    return {name for option in options for name in type(option).names(option)}


def _yield_in_argparse(parser: Any) -> None:
    """With pytest 9.2 and later, argparse knows every option at once. A later plugin's name is taken from ours."""
    places = [parser.optparser, *(group._arggroup for group in (*parser._groups, parser._anonymous))]
    for place in places:
        place.conflict_handler = PREFIX
    # Looked up by that name, on the groups of later plugins, too.
    setattr(argparse._ActionsContainer, f"_handle_conflict_{PREFIX}", _handle_conflict)


def _handle_conflict(
    container: argparse._ActionsContainer,
    action: argparse.Action,
    conflicts: Sequence[tuple[str, argparse.Action]],
) -> None:
    """Take the wanted names from our options; raise argparse's usual error when an option of another plugin has one."""
    if all(str(had.dest).startswith(f"{PREFIX}_") for _, had in conflicts):
        container._handle_conflict_resolve(action, conflicts)
    else:
        container._handle_conflict_error(action, conflicts)


def _yield_at_parsing(parser: pytest.Parser, option: Any, short: str) -> None:
    """Earlier versions of pytest hand the options to argparse when they parse; until then, names can be dropped."""
    names = option.names

    def free() -> list[str]:
        taken = _names(parser, but=option)
        return [name for name in names() if name != short or name not in taken]

    option.names = free
