"""Finds data that an installed package carries, without importing that package."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path


def folder_of(package: str) -> Path | None:
    """The folder of an installed top-level package; None when it is not installed.

    The package is not imported: those that carry models import their own frameworks.
    """
    try:
        found = find_spec(package)
    except (ImportError, ValueError):
        return None
    places = list(found.submodule_search_locations or ()) if found is not None else []
    return Path(places[0]) if places else None
