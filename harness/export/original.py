"""The crate that a drop-in replaces, as Cargo's registry has it: which version, its manifest and its files."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.compile.crates import cargo_environment, registry_is_out_of_reach
from harness.compile.toolchain import Toolchain
from harness.errors import UserError
from harness.visible import visible

MATRIXMULTIPLY = "matrixmultiply"
FETCH_LIMIT_S = 300.0
_VERSION = re.compile(r"\d+\.\d+\.\d+(?:[-+][0-9A-Za-z.+-]+)?")
_KNOWN = re.compile(r"candidate versions found which didn't match: (.*)")
_NO_PART = frozenset({"Cargo.lock", "Cargo.toml.orig"})


@dataclass(frozen=True, slots=True)
class OriginalCrate:
    """A published crate: its manifest as Cargo normalised it, and the text of its other files by path."""

    version: str
    manifest: Mapping[str, Any]
    files: Mapping[str, str]

    @property
    def features(self) -> list[str]:
        """Every feature that a dependent may ask for: named ones, and optional dependencies that are not hidden."""
        named: dict[str, list[str]] = dict(self.manifest.get("features", {}))
        hidden = {name for needs in named.values() for name in needs if name.startswith("dep:")}
        optional = [
            name
            for name, entry in self.manifest.get("dependencies", {}).items()
            if isinstance(entry, dict) and entry.get("optional") and f"dep:{name}" not in hidden
        ]
        return sorted({*named, *optional})


def require_version(version: str) -> None:
    """Raise UserError unless `version` is one exact version."""
    if not _VERSION.fullmatch(version):
        raise UserError(f"--version {visible(version)}: one exact version is expected, as in 0.3.11")


def version_in_lock(lock: Path) -> str:
    """The version of matrixmultiply in a program's lock file.

    Raises UserError when the file cannot be read or has none, several, or one that is not from crates.io.
    """
    shown = visible(str(lock))
    try:
        packages = tomllib.loads(lock.read_text(encoding="utf-8")).get("package", [])
        found = [one for one in packages if one["name"] == MATRIXMULTIPLY]
        versions = sorted({str(one["version"]) for one in found})
        sources = {str(one.get("source", "")) for one in found}
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--lock {shown}: cannot be read: {error}") from None
    except (tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError):
        raise UserError(f"--lock {shown}: is no lock file of Cargo; name the program's Cargo.lock") from None
    if not versions:
        raise UserError(
            f"--lock {shown}: has no {MATRIXMULTIPLY}: the program does not use it, and a drop-in would change nothing"
        )
    if len(versions) > 1:
        raise UserError(
            f"--lock {shown}: has {MATRIXMULTIPLY} {' and '.join(versions)}; a drop-in replaces one of them: name it "
            "with --version instead of --lock"
        )
    if any(source.startswith("git+") for source in sources):
        raise UserError(
            f"--lock {shown}: takes {MATRIXMULTIPLY} from git, which [patch.crates-io] does not reach; depend on a "
            "published version"
        )
    return versions[0]


def fetch(version: str | None, toolchain: Toolchain) -> OriginalCrate:
    """The crate in this version, or in the newest that Cargo resolves, through the user's own registry settings.

    Raises UserError when the registry cannot be reached or does not know the version.
    """
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "src").mkdir()
        (folder / "src" / "lib.rs").touch()
        wanted = f"={version}" if version else "*"
        (folder / "Cargo.toml").write_text(
            '[package]\nname = "fetch"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n'
            f'[dependencies]\n{MATRIXMULTIPLY} = "{wanted}"\n',
            encoding="utf-8",
        )
        try:
            done = subprocess.run(
                [str(toolchain.cargo), "metadata", "--format-version", "1"],
                cwd=folder,
                env=cargo_environment(toolchain, []),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=FETCH_LIMIT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise UserError(
                f"{MATRIXMULTIPLY} could not be fetched within {FETCH_LIMIT_S:.0f} s; try again on a better network"
            ) from None
    if done.returncode != 0:
        raise _explained(version, done.stderr)
    packages = json.loads(done.stdout)["packages"]
    found = next(one for one in packages if one["name"] == MATRIXMULTIPLY)
    return read(Path(found["manifest_path"]).parent)


def read(folder: Path) -> OriginalCrate:
    """The crate in a folder as Cargo unpacks it."""
    files = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()):
        parts = path.relative_to(folder).parts
        if path.name not in _NO_PART and not any(part.startswith(".") for part in parts):
            files["/".join(parts)] = path.read_text(encoding="utf-8", errors="replace")
    manifest = tomllib.loads(files.pop("Cargo.toml"))
    return OriginalCrate(str(manifest["package"]["version"]), manifest, files)


def _explained(version: str | None, complaint: str) -> UserError:
    """Cargo's failure as one line."""
    if known := _KNOWN.search(complaint):
        return UserError(
            f"--version {version}: crates.io has no such version of {MATRIXMULTIPLY}; it has {known[1].strip()}"
        )
    lines = [line.strip() for line in complaint.splitlines() if line.strip()]
    first = next((line for line in lines if line.startswith("error")), "no message")
    if registry_is_out_of_reach(complaint):
        return UserError(
            f"{MATRIXMULTIPLY} cannot be fetched from crates.io ({first[:200]}); connect once (without "
            "CARGO_NET_OFFLINE), or set up a mirror in ~/.cargo/config.toml, and run again"
        )
    return UserError(f"{MATRIXMULTIPLY} cannot be fetched: {first[:300]}")
