"""Refuses conftest.py and ini files in a candidate's folder.

pytest imports conftest.py files beside what it collects and reads its configuration from the nearest ini file. In a
folder of hostile code, either would let the candidate run code in the judge's own process.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.candidate import is_candidate_folder


def guard_conftests(manager: pytest.PytestPluginManager) -> None:
    """Refuse every conftest.py beside or below a kernel.

    pytest has no hook for this, so its conftest loader is wrapped. Raises pytest.UsageError when this pytest has no
    such loader, because without the guard a candidate could run code in this process.
    """
    load = getattr(manager, "_importconftest", None)
    if load is None:
        raise pytest.UsageError(
            "this pytest loads conftest files in a way the harness cannot guard; use pytest 8.3 to 9"
        )
    if getattr(load, "guards_candidates", False):
        return

    def guarded(conftestpath: Path, *args: Any, **kwargs: Any) -> Any:
        if any(is_candidate_folder(folder) for folder in Path(conftestpath).parents):
            raise pytest.UsageError(
                f"{conftestpath}: a candidate's folder holds kernel.rs and candidate.toml only; "
                "nothing else in it is ever imported: remove this file"
            )
        return load(conftestpath, *args, **kwargs)

    guarded.guards_candidates = True  # type: ignore[attr-defined]
    manager._importconftest = guarded  # type: ignore[method-assign]


def forbid_foreign_configuration(config: pytest.Config) -> None:
    """Raise pytest.UsageError when the ini file that pytest chose is in a candidate's folder."""
    if config.inipath is not None and is_candidate_folder(config.inipath.parent):
        raise pytest.UsageError(
            f"{config.inipath}: a candidate's folder cannot configure pytest; remove this file, or name the "
            "project's own with -c pyproject.toml"
        )
