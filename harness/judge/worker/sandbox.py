"""Fails closed: asks the host what it can restrict here, before anything untrusted is compiled or run."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from harness.errors import SandboxError

WAY_OUT = (
    "run it on Linux 5.13 or newer, or say --unsandboxed, which runs candidates with your rights "
    "and marks every result"
)


def require(host: Path) -> None:
    """Raise SandboxError, with the reason and the remedy, when the host cannot set up its sandbox on this machine."""
    try:
        asked = subprocess.run(
            [host, "probe"], capture_output=True, encoding="utf-8", errors="replace", timeout=20, check=True
        )
        found = json.loads(asked.stdout)
        usable, reason = bool(found["usable"]), str(found["reason"])
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError) as error:
        usable, reason = False, f"the host did not answer ({type(error).__name__})"
    if not usable:
        raise SandboxError(f"no sandbox here: {reason}; {WAY_OUT}")
