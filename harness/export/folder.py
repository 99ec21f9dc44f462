"""The folder of the crate: only a new, an empty or an earlier one of ours is written to."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from harness.durable import write_whole
from harness.errors import UserError
from harness.visible import readable, visible

# The file that says that a folder was written by this command, and which files; it is not packaged.
MARKER = ".round-table-export"
_HEAD = "Written by python -m harness.export, which replaces these files when it is called again:"


def require_ours(folder: Path) -> None:
    """Raise UserError unless `folder` is missing, empty, or was written by this command."""
    shown = visible(readable(str(folder)))
    if not os.path.lexists(folder):
        return
    if folder.is_symlink() or not folder.is_dir():
        raise UserError(f"--to {shown}: is not a folder; name a new one")
    try:
        content = list(folder.iterdir())
        marker = folder / MARKER
        ours = marker.is_file() and marker.read_text(encoding="utf-8").startswith(_HEAD)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--to {shown}: cannot be read: {error}") from None
    if content and not ours:
        raise UserError(
            f"--to {shown}: exists and was not written by this command (no {MARKER} in it); name a new folder"
        )


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Write the crate; files of an earlier export that are not in it any more are removed, others stay.

    Raises UserError when the folder is not ours or cannot be written.
    """
    require_ours(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in _earlier(folder):
            if name not in files:
                (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"--to {folder}: cannot be written: {error.strerror}; name another folder") from None
    # The marker comes first, so that a folder that was written in part can be written again.
    write_whole(folder / MARKER, "\n".join([_HEAD, *sorted(files)]) + "\n")
    for name, text in files.items():
        write_whole(folder / name, text, make_folder=True)


def _earlier(folder: Path) -> list[str]:
    """The files that the marker lists, as far as they are inside of the folder."""
    marker = folder / MARKER
    lines = marker.read_text(encoding="utf-8").splitlines()[1:] if marker.is_file() else []
    paths = [PurePosixPath(line) for line in lines if line]
    return [str(path) for path in paths if not path.is_absolute() and ".." not in path.parts]
