"""Fail closed: without a sandbox nothing untrusted is run, and the line says why and what to do."""

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
def test_no_sandbox_is_said_with_the_way_out(tmp_path: Path, script: str, reason: str) -> None:
    with pytest.raises(SandboxError, match=reason) as caught:
        sandbox.require(answering(tmp_path, script))
    assert "--unsandboxed" in str(caught.value)


def test_a_usable_sandbox_is_no_news(tmp_path: Path) -> None:
    sandbox.require(answering(tmp_path, 'echo \'{"usable": true, "reason": ""}\''))
    with pytest.raises(SandboxError):
        sandbox.require(tmp_path / "missing")
