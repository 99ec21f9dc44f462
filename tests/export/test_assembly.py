"""The crate's files: the table of kernels, conditions, features, documents; and Cargo's opinion of them."""

from __future__ import annotations

import json
import os
import subprocess
import tomllib
from pathlib import Path
from typing import Literal

import pytest

from harness.candidate import Manifest
from harness.compile.toolchain import find
from harness.errors import HarnessFaultError, UserError
from harness.export.assembly import CratePlan
from harness.export.folder import write
from harness.export.taking_home import check
from tests.conftest import LEAN_CARGO, NAIVE, ROOT
from tests.export.fakes import plan, taken
from tests.export.sgemm_sources import NAIVE_SGEMM, SAFE_SGEMM
from tests.export.test_source_text import of_candidate

GALLERY = ROOT / "tests" / "gallery"
RAYON = NAIVE.replace("pub fn matmul", "use rayon as _;\npub fn matmul")


def cargo(folder: Path, *arguments: str, **environment: str) -> str:
    """Run cargo without a network; returns its output. Fails the test when cargo fails."""
    done = subprocess.run(
        [str(find().cargo), *arguments],
        cwd=folder,
        env=os.environ | LEAN_CARGO | environment | {"CARGO_NET_OFFLINE": "true"},
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def labels(crate: CratePlan) -> list[str]:
    return [entry.label for entry in crate.entries]


def test_the_faster_kernel_comes_first_and_wider_vectors_of_other_machines_before_both() -> None:
    crate = plan(
        taken("slow", ratio=0.5),
        taken("run6", of_candidate("run6"), ratio=1.1),
        taken("run4", of_candidate("run4"), ratio=0.3, foreign=("avx512f",)),
    )
    assert labels(crate) == ["run4", "run6", "slow avx2", "slow"]
    assert crate.entries[0].ratio_text == "not measured here"


def test_portable_code_is_compiled_for_the_unit_and_for_other_architectures() -> None:
    dispatch = plan(taken("a")).files()["src/dispatch.rs"]
    assert 'is_supported: || std::arch::is_x86_feature_detected!("avx2") && ' in dispatch
    assert 'cfg(not(target_arch = "x86_64"))' in dispatch


def test_code_of_another_architecture_is_not_called_measured() -> None:
    entries = plan(taken("run3", of_candidate("run3"), manifest=Manifest(threads="all"))).entries
    assert {entry.arch: entry.is_measured for entry in entries} == {"x86_64": True, "aarch64": False}


def test_rayon_is_on_by_default_only_where_no_kernel_is_serial() -> None:
    parallel = taken("p", RAYON, manifest=Manifest(threads="all"))
    alone = tomllib.loads(plan(parallel).files()["Cargo.toml"])
    assert alone["features"] == {"default": ["rayon"], "rayon": ["dep:rayon"]}
    assert alone["dependencies"]["rayon"]["optional"] is True
    both = tomllib.loads(plan(parallel, taken("s")).files()["Cargo.toml"])
    assert both["features"]["default"] == []
    assert "dependencies" not in tomllib.loads(plan(taken("s")).files()["Cargo.toml"])


def test_a_fast_scheme_documents_its_bound() -> None:
    files = plan(taken("strassen", numerics="normwise")).files()
    assert "max|A| * max|B|" in files["src/lib.rs"]
    assert "max|A| * max|B|" in files["README.md"]
    assert "normwise: true" in files["src/dispatch.rs"]
    assert "max|A|" not in plan(taken("plain")).files()["src/lib.rs"]


def test_text_of_a_candidate_is_no_markup_and_no_code() -> None:
    hostile = Manifest(title="![x](http://x) <script>", model='"]\n[dependencies]\nevil = "1"', run="`x` | y")
    files = plan(taken('n"; panic!(); "', manifest=hostile)).files()
    assert "<script>" not in files["README.md"]
    assert "![x](" not in files["README.md"]
    assert "evil" not in files["Cargo.toml"]
    assert "panic!()" not in files["src/dispatch.rs"]
    assert all(path.isascii() and " " not in path for path in files)


def test_the_documents_name_provenance_and_measurement() -> None:
    files = plan(
        taken("run6", of_candidate("run6"), ratio=1.25, manifest=Manifest(run="r7", generation=3))
    ).files()
    readme = files["README.md"]
    for part in ("2026-01-31", "a machine", "rustc 1.95.0", "1.250 [1.250, 1.250]", "run r7", "generation 3"):
        assert part in readme
    assert json.loads(files["provenance.json"])[0]["manifest"]["run"] == "r7"
    assert {"LICENSE-MIT", "LICENSE-APACHE"} <= set(files)
    manifest = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert tomllib.loads(files["Cargo.toml"])["package"]["license"] == manifest["project"]["license"]


def test_kernels_go_in_unchanged() -> None:
    source = of_candidate("run6")
    assert plan(taken("run6", source)).files()["src/kernels/run6.rs"] == source


@pytest.mark.slow
def test_every_honest_kernel_of_the_gallery_passes_the_crates_own_tests(tmp_path: Path) -> None:
    sources = {path.stem: path.read_text(encoding="utf-8") for path in sorted(GALLERY.glob("honest_*.rs"))}
    kernels = [
        taken(
            name,
            source,
            units=(),
            numerics="normwise" if "strassen" in name or "winograd" in name else "componentwise",
            manifest=Manifest(
                threads="all" if "thread" in source else 1,
                tier="safe" if "//! tier: safe" in source else "unsafe",
            ),
        )
        for name, source in sources.items()
    ]
    write(tmp_path / "crate", plan(*kernels).files())
    assert "FAILED" not in cargo(tmp_path / "crate", "test", "--all-features", "--test=contract")


@pytest.mark.slow
@pytest.mark.parametrize("tier", ["unsafe", "safe"])
def test_a_kernel_that_takes_strides_passes_the_crates_own_tests(
    tier: Literal["unsafe", "safe"], tmp_path: Path
) -> None:
    source = NAIVE_SGEMM if tier == "unsafe" else SAFE_SGEMM
    folder = tmp_path / "crate"
    write(folder, plan(taken("s", source, manifest=Manifest(tier=tier))).files())
    assert "FAILED" not in cargo(folder, "test")
    cargo(folder, "clippy", "--all-targets", "--", "-D", "warnings")


@pytest.mark.slow
def test_cargo_clippy_doc_and_package_have_nothing_to_say(tmp_path: Path) -> None:
    kernels = [taken(name, of_candidate(name)) for name in ("run1", "run4", "run5", "run6")]
    kernels.append(taken("run3", of_candidate("run3"), manifest=Manifest(threads="all")))
    folder = tmp_path / "crate"
    write(folder, plan(*kernels).files())
    for features in ("--all-features", "--no-default-features"):
        cargo(folder, "clippy", "--all-targets", features, "--", "-D", "warnings")
        cargo(folder, "doc", "--no-deps", features, RUSTDOCFLAGS="-D warnings")
        cargo(folder, "test", features)
    packaged = cargo(folder, "package", "--allow-dirty", "--no-verify", "--list").split()
    assert {"README.md", "LICENSE-MIT", "LICENSE-APACHE", "provenance.json", "src/kernels/run6.rs"} <= set(
        packaged
    )
    assert ".round-table-export" not in packaged
    cargo(folder, "package", "--allow-dirty", "--no-verify")


def test_a_comment_about_rayon_needs_no_feature() -> None:
    assert not plan(taken("a", NAIVE + "// without rayon\n")).features


def test_candidates_with_the_names_of_variants_are_kept_apart() -> None:
    crate = plan(taken("a"), taken("a_avx2", NAIVE + "// another"), taken("A", NAIVE + "// a third"))
    assert len({entry.module for entry in crate.entries}) == 6


@pytest.mark.slow
def test_a_folder_within_another_workspace_is_told(tmp_path: Path) -> None:
    (tmp_path / "Cargo.toml").write_text("[workspace]\nmembers = []\n", encoding="utf-8")
    write(tmp_path / "crate", plan(taken("a")).files())
    with pytest.raises(UserError, match="add it to workspace"):
        check(tmp_path / "crate", find())


@pytest.mark.slow
def test_a_crate_that_does_not_compile_is_a_fault_of_the_harness(tmp_path: Path) -> None:
    folder = tmp_path / "crate"
    write(folder, plan(taken("a")).files() | {"src/fallback.rs": "nonsense"})
    with pytest.raises(HarnessFaultError, match="does not compile"):
        check(folder, find())
