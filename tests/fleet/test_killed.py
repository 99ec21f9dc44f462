"""The coordinator is killed by SIGKILL after each write of a run over two kinds of machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills processes that it has forked")
def test_whenever_the_coordinator_is_killed_everything_is_remembered_once_after_a_resume(
    tmp_path: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.fleet.killed", str(tmp_path)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    *wrong, last = done.stdout.strip().splitlines() or [""]
    assert done.returncode == 0, done.stderr
    assert wrong == []
    for word in ("fleet.jsonl outcome", "journal.jsonl judged", "memory", "journal.jsonl remembered"):
        assert word in last
