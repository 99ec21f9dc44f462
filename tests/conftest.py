"""Shared by the front-door tests: a project folder in which pytest runs with the plugin."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from harness.announce import Announce
from harness.caches import default_cache
from harness.pipeline import SharedTools
from harness.settings import Settings

# These tests run on shared, noisy machines: a slow draw is not a failure, and every run draws the same examples.
hypothesis.settings.register_profile(
    "shared-machine",
    hypothesis.settings.default,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("shared-machine")

pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parent.parent

HOME = str(Path.home())
NAIVE = (ROOT / "reference" / "naive" / "kernel.rs").read_text(encoding="utf-8")
# Honest too. The row of C is the inner loop, so that it is vectorised: judging it takes a third of the CPU time.
ROWS = """
pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    c.fill(0.0);
    if k == 0 || n == 0 {
        return;
    }
    for (row, out) in a.chunks_exact(k).zip(c.chunks_exact_mut(n)).take(m) {
        for (&x, from) in row.iter().zip(b.chunks_exact(n)) {
            for (sum, &y) in out.iter_mut().zip(from) {
                *sum += x * y;
            }
        }
    }
}
"""
# Only the diagonal of C is written.
WRONG = NAIVE.replace("c[i * n + j] = sum;", "if i == j { c[i * n + j] = sum; }")


def shared_tools_in(root: Path, say: Announce = lambda line: None, **changes: Any) -> SharedTools:
    """Real tools that write nothing outside of `root`, except what they compile. `changes` to the Settings."""
    plain = Settings(root=root, cache=default_cache(), results=root / "results", memory=str(root / "memory"))
    return SharedTools(replace(plain, **changes), say)


# For Cargo in tests: debug information and incremental builds take a third of the CPU time, and nothing here uses them.
LEAN_CARGO = {"CARGO_INCREMENTAL": "0", "CARGO_PROFILE_DEV_DEBUG": "0", "CARGO_PROFILE_TEST_DEBUG": "0"}


# The secret seed where real kernels are judged in-process: the same data in every run, so that no verdict is a matter
# of chance. `tests/judge/gallery_campaign.py` draws other seeds.
SEED = 20261130


# Slow tests of these folders take timings, except for those that say `together`.
FRONT_DOOR = ROOT / "tests" / "front_door"
TIMED = (FRONT_DOOR, ROOT / "tests" / "clock")


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Mark the tests, let pytest deselect by marks, and order the rest for the workers of pytest-xdist."""
    mark_items(items)
    yield
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    items[:] = slow_ones_first(items, workers) if workers > 1 else items


def mark_items(items: list[pytest.Item]) -> None:
    """Mark the tests that need the machine for themselves, and the further cases of parametrised front-door tests."""
    seen: set[tuple[Path, str]] = set()
    for item in items:
        together = item.get_closest_marker("together")
        if item.path.parent in TIMED and item.get_closest_marker("slow") and not together:
            item.add_marker("alone")
        name, bracket, _ = item.name.partition("[")
        if item.path.parent == FRONT_DOOR and bracket:
            if (item.path, name) in seen:
                item.add_marker("extra")
            seen.add((item.path, name))


def slow_ones_first(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """The tests in an order of which each worker gets one part: its share of the slow tests, then its share of the
    others. So the last tests of a session are short, and no worker waits long for another one.
    """
    slow = [item for item in items if item.get_closest_marker("slow")]
    quick = [item for item in items if not item.get_closest_marker("slow")]

    def share(of: list[pytest.Item], worker: int) -> list[pytest.Item]:
        return of[len(of) * worker // workers : len(of) * (worker + 1) // workers]

    return [item for worker in range(workers) for half in (slow, quick) for item in share(half, worker)]


# Plugins of packages that the project needs, but not as plugins. That of Hypothesis imports all of Hypothesis at the
# end of every session: 1.1 of the 1.8 s of CPU time of a session that ends with a usage error.
NO_FURTHER_PLUGINS = "-p no:hypothesispytest -p no:anyio -p no:platformdirs"


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A fresh checkout as a user has it: root conftest.py, pyproject.toml, no candidates, no results.

    The inner pytest runs in a separate process (`project.runpytest_subprocess`), as it does for users, but without
    NO_FURTHER_PLUGINS.
    """
    for name in ("conftest.py", "pyproject.toml"):
        shutil.copy(ROOT / name, pytester.path / name)
    (pytester.path / "candidates").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    # pytester changes HOME, but the toolchain and the caches are in the user's home.
    monkeypatch.setenv("HOME", HOME)
    monkeypatch.setenv("PYTEST_ADDOPTS", NO_FURTHER_PLUGINS)
    return pytester


def add_candidate(
    project: pytest.Pytester, name: str, source: str = ROWS, manifest: str | None = None
) -> Path:
    """Write candidates/NAME with the given text; returns the folder."""
    folder = project.path / "candidates" / name
    folder.mkdir(parents=True)
    (folder / "kernel.rs").write_text(source, encoding="utf-8")
    if manifest is not None:
        (folder / "candidate.toml").write_text(manifest, encoding="utf-8")
    return folder
