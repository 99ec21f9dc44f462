"""Keeps pytest from running code and reading configuration in a candidate's folder.

pytest imports conftest.py files beside what it collects and reads its configuration from the nearest ini file. In a
folder of hostile code, either would let the candidate run code in the judge's own process.
"""

from __future__ import annotations

import os
import types
from pathlib import Path
from typing import Any

import pytest

from harness.candidate import is_candidate_folder
from harness.errors import CandidateError
from harness.installed import round_table
from harness.visible import visible

CONFTEST = "conftest.py"


def guard_conftests(manager: pytest.PytestPluginManager) -> None:
    """Replace every conftest.py beside or below a kernel by an empty module; `require_no_conftest` rejects it.

    pytest has no hook for this, so its conftest loader is wrapped. An exception would stop the collection of all other
    candidates. Raises pytest.UsageError when this pytest has no such loader, because without the guard a candidate
    could run code in this process.
    """
    load = getattr(manager, "_importconftest", None)
    if load is None:
        raise pytest.UsageError(
            "this pytest loads conftest files in a way the harness cannot guard; use pytest 8.3 to 9"
        )
    if getattr(load, "guards_candidates", False):
        return

    def guarded(conftestpath: Path, *args: Any, **kwargs: Any) -> Any:
        path = Path(conftestpath)
        ours = round_table.is_inside(Path.cwd()) or round_table.is_inside(path.parent)
        if ours and belongs_to_a_candidate(path):
            return types.ModuleType("conftest")
        return load(conftestpath, *args, **kwargs)

    guarded.guards_candidates = True  # type: ignore[attr-defined]
    manager._importconftest = guarded  # type: ignore[method-assign]


def belongs_to_a_candidate(path: Path) -> bool:
    """Whether the file is in or below a candidate's folder, by its path as given or with all links resolved."""
    folders = {*path.parents, *path.resolve().parents, *(path.parent.resolve() / path.name).parents}
    return any(is_candidate_folder(folder) for folder in folders)


def require_no_conftest(folder: Path) -> None:
    """Raise CandidateError when the candidate's folder has a conftest.py where pytest would import it at its start:
    in the folder itself, or in a folder test* in it.
    """
    for place in (folder, *sorted(folder.glob("test*"))):
        if os.path.lexists(place / CONFTEST):
            raise CandidateError(
                f"{visible(str(place / CONFTEST))}: a candidate's folder holds kernel.rs and candidate.toml only; "
                "nothing else in it is ever imported: remove this file"
            )


def forbid_foreign_configuration(config: pytest.Config) -> None:
    """Raise pytest.UsageError when the ini file that pytest chose is in a candidate's folder of a round table."""
    if not round_table.is_inside(config.invocation_params.dir):
        return
    if config.inipath is not None and is_candidate_folder(config.inipath.parent):
        raise pytest.UsageError(
            f"{config.inipath}: a candidate's folder cannot configure pytest; remove this file, or name the "
            "project's own with -c pyproject.toml"
        )
