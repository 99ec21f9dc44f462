"""Where the cache is: the chosen folder, the user's, or a private one beside a cache that others have built."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from pathlib import Path

from harness.errors import UserError


def default_cache(start: Path | None = None) -> Path:
    """The cache folder for built hosts, kernels and corpus downloads, as an absolute path: ROUNDTABLE_CACHE, else the
    user's cache folder.

    A relative ROUNDTABLE_CACHE is relative to `start`, by default the current folder. The variable is replaced by the
    absolute path, so that later calls and subprocesses use the same folder, wherever they run. Raises UserError when it
    names the home of an unknown user.
    """
    chosen = os.environ.get("ROUNDTABLE_CACHE")
    if chosen:
        try:
            folder = Path(chosen).expanduser()
        except RuntimeError:
            raise UserError(f"ROUNDTABLE_CACHE is '{chosen}': there is no such user; name a folder") from None
        if not folder.is_absolute():
            folder = Path(os.path.abspath((start or Path.cwd()) / folder))  # noqa: PTH100 (keeps symbolic links)
            os.environ["ROUNDTABLE_CACHE"] = str(folder)
        return folder
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "roundtable"
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification says to ignore a relative path.
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "roundtable"


def usable_cache(start: Path | None = None) -> tuple[Path, str]:
    """A cache folder into which this user can write, and one line that says so when it is not `default_cache(start)`.

    A cache that is read-only here (built into an image, by another user) stays in use for the tools in it: the private
    folder links to them. From then on ROUNDTABLE_CACHE names the private folder. Raises UserError when no private
    folder can be made.
    """
    cache = default_cache(start)
    if os.access(_nearest(cache), os.W_OK | os.X_OK):
        return cache, ""
    private = _private_folder()
    _link_tools(cache, private)
    os.environ["ROUNDTABLE_CACHE"] = str(private)
    return (
        private,
        f"the cache {cache} is read-only here: its tools are used, and {private} takes what is new",
    )


def require_runnable(cache: Path) -> None:
    """Raise UserError when programs in the cache cannot be run; asked before anything is built into it."""
    if os.statvfs(_nearest(cache)).f_flag & getattr(os, "ST_NOEXEC", 0):
        raise UserError(
            f"the cache {cache} is on a file system from which no program can be run (noexec); set ROUNDTABLE_CACHE "
            "to a folder elsewhere"
        )


def _nearest(folder: Path) -> Path:
    """`folder` or its nearest existing parent."""
    return next(place for place in (folder, *folder.parents) if place.exists())


def _private_folder() -> Path:
    """A folder in the temporary folder that only this user can write to. Raises UserError when there is none.

    Whoever can write to a cache can have programs run from it. So one that another user made in advance is refused.
    """
    folder = Path(tempfile.gettempdir()) / f"roundtable-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise UserError(
            f"{folder}: cannot be made: {error.strerror}; set ROUNDTABLE_CACHE to a writable folder"
        ) from None
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise UserError(
            f"{folder}: another user could write to it; remove it, or set ROUNDTABLE_CACHE to a folder of your own"
        )
    return folder


def _link_tools(cache: Path, private: Path) -> None:
    """Links in `private` to every tool in `cache` that this user may read; those that are there already stay."""
    tools = cache / "tools"
    try:
        built = [
            path
            for path in tools.iterdir()
            if path.is_dir() and not path.name.startswith(".") and os.access(path, os.R_OK | os.X_OK)
        ]
        (private / "tools").mkdir(exist_ok=True)
        for path in built:
            link = private / "tools" / path.name
            if not os.path.lexists(link):
                link.symlink_to(path)
    except OSError:
        # Without links, the tools are built anew.
        return
