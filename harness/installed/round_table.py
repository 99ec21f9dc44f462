"""Whether pytest was called in a checkout of the round table. Elsewhere the plugin collects and does nothing."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

PLUGIN = "harness.front_door.plugin"
# The ini setting with which any other project asks for the plugin.
SETTING = "roundtable"
_INI_FILES = ("pyproject.toml", "pytest.toml", "pytest.ini", ".pytest.ini", "tox.ini", "setup.cfg")


def root_of(place: Path) -> Path | None:
    """The round table that holds the place: a folder whose conftest.py names the plugin, or whose ini file says so."""
    return next((folder for folder in (place, *place.parents) if is_round_table(folder)), None)


def is_inside(place: Path) -> bool:
    """Whether the place is in a round table."""
    return root_of(place) is not None


@lru_cache(maxsize=256)
def is_round_table(folder: Path) -> bool:
    """Whether this very folder is the root of a round table."""
    if PLUGIN in _text(folder / "conftest.py"):
        return True
    lines = [line for name in _INI_FILES for line in _text(folder / name).splitlines()]
    settings = (line.partition("=") for line in lines if line.replace(" ", "").startswith(f"{SETTING}="))
    return any(
        value.split("#")[0].strip(" \t\"'").lower() in ("true", "1", "yes", "on") for _, _, value in settings
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    except OSError:
        return ""
