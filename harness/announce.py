"""The type of `say`: how every room tells a person about progress, one line per call."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Announce: TypeAlias = Callable[[str], None]
