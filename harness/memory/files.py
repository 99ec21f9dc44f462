"""Files that are whole or not there: drafts that replace the old content in one step."""

from __future__ import annotations

import os
from pathlib import Path

from harness.errors import UserError


def write_whole(path: Path, text: str) -> None:
    """Write `text` so that a reader sees the old content or the new one, never a half; raises UserError."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with draft.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise UserError(
            f"{path}: cannot be written ({error.strerror}); free some space or choose another place"
        ) from None


def private_folder(folder: Path) -> None:
    """Make `folder` (and its parents), with a .gitignore inside, because what comes in is not the project's."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / ".gitignore").exists():
            (folder / ".gitignore").write_text("*\n")
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror}); choose a folder of yours") from None
