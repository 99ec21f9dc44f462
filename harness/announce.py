"""The type of `say`, the function with which every package reports progress to a person, one line per call."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Announce: TypeAlias = Callable[[str], None]
