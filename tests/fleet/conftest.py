"""What all clusters of a session share."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.fleet import token_file


@pytest.fixture(scope="session")
def cluster_token(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One token for all clusters, because Ray keeps the first one that a process connects with."""
    return token_file.make(tmp_path_factory.mktemp("cluster") / "token")
