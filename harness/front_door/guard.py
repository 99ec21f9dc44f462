"""Nothing in a candidate's folder configures or extends the harness: no conftest.py, no ini file.

pytest imports conftest.py files beside what it collects, and takes its configuration from the nearest ini file.
Beside hostile code both are a way into the judge's own process, so both are refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.front_door.collect import is_candidate_folder


def guard_conftests(manager: pytest.PytestPluginManager) -> None:
    """Refuse every conftest.py beside or below a kernel; pytest has no hook for this, so its loader is wrapped.

    Raises pytest.UsageError when this pytest has no such loader: unguarded is worse than not at all.
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
    """Raise pytest.UsageError when the ini file that pytest found lies in a candidate's folder."""
    if config.inipath is not None and is_candidate_folder(config.inipath.parent):
        raise pytest.UsageError(
            f"{config.inipath}: a candidate's folder cannot configure pytest; remove this file, or name the "
            "project's own with -c pyproject.toml"
        )
