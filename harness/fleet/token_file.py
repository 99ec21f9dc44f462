"""The cluster's token: a file that only its owner can read. Whoever has it runs code on every machine of a cluster."""

from __future__ import annotations

import os
import re
import secrets
import stat
from pathlib import Path

from harness.errors import UserError

_TOKEN = re.compile(r"[\x21-\x7e]{16,500}")


def usual_place() -> Path:
    """The user's settings folder: XDG_CONFIG_HOME, else ~/.config."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    return (
        (Path(base) if Path(base).is_absolute() else Path.home() / ".config") / "roundtable" / "fleet-token"
    )


def require(path: Path) -> Path:
    """The file, absolute, if it is a token that nobody else can read; raises UserError with the remedy otherwise."""
    path = path.expanduser().absolute()
    try:
        found = path.stat()
        text = path.read_text(encoding="ascii").strip() if stat.S_ISREG(found.st_mode) else ""
    except FileNotFoundError:
        raise UserError(
            f"{path}: no token; `python -m harness.fleet serve head` makes one on the head, copy it from there"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: the token cannot be read: {error}") from None
    if found.st_mode & 0o077:
        raise UserError(f"{path}: others can read the token; run: chmod 600 {path}")
    if not _TOKEN.fullmatch(text):
        raise UserError(f"{path}: no token: one line of 16 to 500 printable characters is expected")
    return path


def make(path: Path) -> Path:
    """The token file; a new one with a random token where there is none. Raises UserError as `require` does."""
    path = path.expanduser().absolute()
    if not path.exists():
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(secrets.token_hex(32) + "\n")
        except OSError as error:
            raise UserError(
                f"{path}: cannot be written: {error.strerror}; name another with --token FILE"
            ) from None
    return require(path)


def environment(token: Path) -> dict[str, str]:
    """The variables with which Ray wants this token for every connection, and reports nothing to anybody."""
    return {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_USAGE_STATS_ENABLED": "0",
    }
