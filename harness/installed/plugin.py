"""The entry point for pytest: loads the round table's plugin in a round table, and does nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

if __package__ == "harness.installed":
    from harness.installed import round_table
else:
    from matmul_round_table import round_table  # type: ignore[import-not-found, no-redef, unused-ignore]

PACKAGE = "harness"


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """Load the plugin before pytest reads its command line, so that it knows the options."""
    root = next(filter(None, map(round_table.root_of, _places())), None)
    if root is None or pluginmanager.has_plugin(round_table.PLUGIN):
        return
    home = _home(root)
    loaded = sys.modules.get(PACKAGE)
    if loaded is not None and not _is_ours(Path(str(loaded.__file__)).parent):
        raise pytest.UsageError(
            f"another package called {PACKAGE} is imported already, from {loaded.__file__}; start pytest without it"
        )
    if str(home) not in sys.path:
        sys.path.insert(0, str(home))
    pluginmanager.import_plugin(round_table.PLUGIN)


def _places() -> Iterator[Path]:
    """The current folder, and what looks like a path on the command line."""
    yield Path.cwd()
    for argument in sys.argv[1:]:
        path = Path(argument.split("::")[0])
        if not argument.startswith("-") and path.exists():
            yield path.resolve()


def _home(root: Path) -> Path:
    """The folder that holds the package: the checkout's own first, then the one inside of this distribution."""
    here = Path(__file__).resolve().parent
    return next(place for place in (root, here, here.parent.parent) if _is_ours(place / PACKAGE))


def _is_ours(package: Path) -> bool:
    return (package / "front_door" / "plugin.py").is_file()
