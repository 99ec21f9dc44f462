"""Shared by the tests of the judge: real tools with a small suite and the quick profile."""

from __future__ import annotations

import pytest

from harness.pipeline import SharedTools
from harness.settings import Profile
from tests.conftest import SEED, shared_tools_in


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> SharedTools:
    return shared_tools_in(
        tmp_path_factory.mktemp("judge"), suite="64x64x64", profile=Profile.QUICK, seed=SEED
    )
