"""Candidate folders as the agents write them: complete or not at all, with names that no other run uses."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from harness.candidate import KERNEL_FILE, MANIFEST_FILE, Candidate, Manifest, load
from harness.errors import UserError

PREFIX = "gen-"


def name(run_id: str, number: int) -> str:
    """The folder's name, "gen-<run id>-007"; unique across runs because run ids are."""
    return f"{PREFIX}{run_id}-{number:03d}"


def manifest_toml(manifest: dict[str, Any]) -> str:
    """The manifest as TOML; keys without a value are left out. Raises ValidationError on an unknown key."""
    import tomli_w

    checked = Manifest.model_validate(without_none(manifest))
    return tomli_w.dumps(without_none(checked.model_dump(mode="json", exclude_defaults=True)))


def without_none(value: Any) -> Any:
    """The mapping without None values, which TOML does not have."""
    if isinstance(value, dict):
        return {str(key): without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [without_none(item) for item in value if item is not None]
    return value


def write(candidates: Path, candidate: str, source: str, manifest: dict[str, Any]) -> Candidate:
    """Write both files into a hidden sibling folder, then rename it, so that a kill leaves no partial candidate.

    An existing folder of that name is the same step done before a kill; it is left unchanged.
    """
    target = candidates / candidate
    if not target.exists():
        text = manifest_toml(manifest)
        try:
            candidates.mkdir(parents=True, exist_ok=True)
            temporary = Path(tempfile.mkdtemp(prefix=".writing-", dir=candidates))
            try:
                (temporary / KERNEL_FILE).write_text(source, encoding="utf-8")
                (temporary / MANIFEST_FILE).write_text(text, encoding="utf-8")
                temporary.chmod(0o755)
                temporary.rename(target)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
        except OSError as error:
            raise UserError(
                f"{target}: cannot be written: {error.strerror}; nothing recorded is lost"
            ) from None
    return load(target)


def rewrite_manifest(target: Path, manifest: dict[str, Any]) -> None:
    """Replace candidate.toml in one step."""
    text = manifest_toml(manifest)
    temporary = target / f".{MANIFEST_FILE}.{os.getpid()}"
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(target / MANIFEST_FILE)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UserError(f"{target}: cannot be written: {error.strerror}; nothing recorded is lost") from None


def sweep(candidates: Path) -> None:
    """Remove the hidden folders that killed writers left behind."""
    for stale in candidates.glob(".writing-*"):
        shutil.rmtree(stale, ignore_errors=True)
