"""Fails closed: without a sandbox nothing untrusted is run, and the message gives the reason and the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import SandboxError
from harness.judge.worker import sandbox


def answering(tmp_path: Path, script: str) -> Path:
    host = tmp_path / "host"
    host.write_text(f"#!/bin/sh\n{script}\n")
    host.chmod(0o755)
    return host


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ('echo \'{"usable": false, "reason": "no Landlock"}\'', "no Landlock"),
        ("echo nonsense", "did not answer"),
        ("echo '[]'", "did not answer"),
        ("exit 3", "did not answer"),
    ],
)
def test_a_missing_sandbox_is_reported_with_the_remedy(tmp_path: Path, script: str, reason: str) -> None:
    with pytest.raises(SandboxError, match=reason) as caught:
        sandbox.require(answering(tmp_path, script))
    assert "--unsandboxed" in str(caught.value)


def test_a_usable_sandbox_prints_nothing(tmp_path: Path) -> None:
    sandbox.require(answering(tmp_path, 'echo \'{"usable": true, "reason": ""}\''))
    with pytest.raises(SandboxError):
        sandbox.require(tmp_path / "missing")
