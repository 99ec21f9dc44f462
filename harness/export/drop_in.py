"""A crate that takes the place of matrixmultiply: its original and the evolved kernels side by side, and what chooses.

Cargo's `[patch.crates-io]` does not let a replacement depend on what it replaces. So the original stands beside it as a
package with another name (`original/`), and the crate of the kernels as a third (`evolved/`).
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.export.assembly import SKELETON, CratePlan
from harness.export.original import MATRIXMULTIPLY, OriginalCrate
from harness.export.templates import filled

DROP_IN_SKELETON = Path(__file__).with_name("drop_in_skeleton")
ORIGINAL, EVOLVED = f"{MATRIXMULTIPLY}-original", f"{MATRIXMULTIPLY}-evolved"
TRACE = "trace"
# What a package that nobody tests or publishes does without.
_LEFT_OUT = (
    "dev-dependencies",
    "dev_dependencies",
    "test",
    "bench",
    "example",
    "bin",
    "profile",
    "workspace",
)


@dataclass(frozen=True, slots=True)
class DropIn:
    """The three packages; `kernels` is the plan of the crate in `evolved/`, `folder` where users find all of them."""

    kernels: CratePlan
    original: OriginalCrate
    folder: Path

    @property
    def name(self) -> str:
        """The name of the package."""
        return MATRIXMULTIPLY

    def files(self) -> dict[str, str]:
        """The text of every file by its path. UserError when a feature of the original has a name of ours."""
        import tomli_w

        if TRACE in self.original.features:
            raise UserError(
                f"{MATRIXMULTIPLY} {self.original.version} has a feature named {TRACE}, and so has the drop-in; "
                "name an earlier one with --version"
            )
        found = {
            f"evolved/{name}": text
            for name, text in self.kernels.files().items()
            if not name.startswith(".github/")
        }
        # Cargo asks for profiles in the manifest of the workspace only; there they stand last.
        found["evolved/Cargo.toml"] = found["evolved/Cargo.toml"].partition("\n[profile.")[0] + "\n"
        found |= {f"original/{name}": text for name, text in self.original.files.items()}
        found["original/Cargo.toml"] = tomli_w.dumps(self._original_manifest())
        found["Cargo.toml"] = tomli_w.dumps(self._manifest())
        found |= filled(DROP_IN_SKELETON, self._values())
        for licence in ("LICENSE-MIT", "LICENSE-APACHE"):
            found[licence] = (SKELETON / licence).read_text(encoding="utf-8")
        return found | {".gitignore": "/target\n"}

    @property
    def served_text(self) -> str:
        """Which products the kernels serve."""
        if all(entry.takes_strides for entry in self.kernels.entries):
            return "It serves every layout, alpha and beta without copies."
        return (
            "A kernel without strides serves contiguous products with beta = 0, all row-major or all column-major; "
            "other layouts where the copies pay, which they do for large matrices only; the original serves the rest."
        )

    @property
    def threading_text(self) -> str:
        """What the feature `threading` does."""
        if self.kernels.features:
            return (
                "With the feature `threading`, the kernels that use all cores are among those to choose from."
            )
        return (
            "The kernels use one thread. With the feature `threading`, products for which the original uses several "
            "threads are the original's."
        )

    def _values(self) -> dict[str, Any]:
        return {
            "version": self.original.version,
            "folder": str(self.folder),
            "served_text": self.served_text,
            "threading_text": self.threading_text,
            "threaded": bool(self.kernels.features),
            "features": self.original.features,
        }

    def _original_manifest(self) -> dict[str, Any]:
        """The original's manifest under its other name, without what only its own tests need."""
        manifest = {
            key: value
            for key, value in deepcopy(dict(self.original.manifest)).items()
            if key not in _LEFT_OUT
        }
        manifest["package"] |= {"name": ORIGINAL, "publish": False, "autotests": False, "autobenches": False}
        manifest["lib"] = manifest.get("lib", {}) | {"name": ORIGINAL.replace("-", "_"), "doctest": False}
        for target in manifest.get("target", {}).values():
            target.pop("dev-dependencies", None)
        return manifest

    def _manifest(self) -> dict[str, Any]:
        version = self.original.version
        tests = [
            {**test, "path": f"original/{test['path']}"}
            for test in self.original.manifest.get("test", [])
            if f"{test.get('path')}" in self.original.files
        ]
        return {
            "package": {
                "name": MATRIXMULTIPLY,
                "version": version,
                "edition": "2021",
                "rust-version": self.kernels.rust_version,
                "description": f"matrixmultiply {version} with an evolved kernel for f32",
                "license": "MIT OR Apache-2.0",
                "publish": False,
            },
            # A workspace of its own, wherever the folder lies. The original is somebody else's: clippy leaves it alone.
            "workspace": {"exclude": ["original"]},
            "lib": {"test": False, "bench": False},
            "features": self._features(),
            "dependencies": {
                ORIGINAL: {"path": "original", "default-features": False},
                EVOLVED: {"path": "evolved", "default-features": False, "optional": True},
            },
            "dev-dependencies": dict(self.original.manifest.get("dev-dependencies", {})),
            "test": [*tests, {"name": "paths", "path": "tests/paths.rs", "required-features": [TRACE]}],
            "profile": {"test": {"opt-level": 3}, "release": {"codegen-units": 1}},
        }

    def _features(self) -> dict[str, list[str]]:
        """Every feature of the original, forwarded; the kernels come with `std`, and `trace` is our own."""
        named: Mapping[str, list[str]] = self.original.manifest.get("features", {})
        known = self.original.features
        found = {
            name: [f"{ORIGINAL}/{name}", *(need for need in named.get(name, []) if need in known)]
            for name in known
            if name != "default"
        }
        found["default"] = [need for need in named.get("default", []) if need in known]
        kernels = [f"dep:{EVOLVED}"]
        if "std" in found:
            found["std"] += kernels
        else:
            found["std"] = kernels
            found["default"].append("std")
        if "threading" in found:
            found["threading"] += [f"{EVOLVED}?/{gate}" for gate in self.kernels.features]
        found[TRACE] = ["std"]
        return found
