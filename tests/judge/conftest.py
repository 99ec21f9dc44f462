"""Shared by the tests of the judge: real tools with a small suite and the quick profile."""

from __future__ import annotations

import pytest

from harness.caches import default_cache
from harness.pipeline import SharedTools
from harness.settings import Profile, Settings


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> SharedTools:
    root = tmp_path_factory.mktemp("judge")
    settings = Settings(
        root=root,
        cache=default_cache(),
        results=root / "results",
        memory=str(root / "memory"),
        suite="64x64x64",
        profile=Profile.QUICK,
    )
    return SharedTools(settings, say=lambda line: None)
