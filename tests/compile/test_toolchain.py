"""Finding the toolchain and building our crates: whatever is missing is reported in one line with the remedy."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.compile import crates, toolchain
from harness.errors import HarnessFaultError, ToolchainError, UserError


@pytest.fixture(autouse=True)
def _ask_again() -> Iterator[None]:
    toolchain.find.cache_clear()
    yield
    toolchain.find.cache_clear()


def shim(folder: Path, body: str) -> Path:
    """An executable named rustc with this body."""
    path = folder / "rustc"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def test_the_real_compiler_is_found() -> None:
    found = toolchain.find()
    assert found.rustc == found.sysroot / "bin" / "rustc"
    assert found.version_tuple >= toolchain.MINIMUM
    assert found.fingerprint == f"rustc {found.version} ({found.host})"
    said = subprocess.run([found.rustc, "--version"], capture_output=True, text=True, check=True).stdout
    assert found.version in said
    assert len(found.digest) == 16


def test_a_missing_toolchain_is_one_line_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ToolchainError, match=r"rustup.rs.*rustup toolchain install stable") as caught:
        toolchain.find()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (
            "printf 'rustc 1.70.0\\nrelease: 1.70.0\\nhost: x86_64-unknown-linux-gnu\\n'",
            "1.70.0 is too old.*1.89.0.*rustup update",
        ),
        ("echo nonsense", "did not answer like a Rust compiler"),
        ("echo broken >&2; exit 3", "failed: broken"),
        ("printf 'release: new\\nhost: x\\n'", "not a version"),
    ],
)
def test_an_unsuitable_compiler_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, told: str
) -> None:
    shim(tmp_path, body)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(ToolchainError, match=told) as caught:
        toolchain.find()
    assert "\n" not in str(caught.value)


ALIGNED = "-Cllvm-args=-align-loops=64"


def test_wide_vectors_are_requested_where_the_tuning_is_narrow() -> None:
    rustc = toolchain.find().rustc
    assert toolchain._tuning_flags(rustc, "znver4: avx2 avx512f") == (ALIGNED,)
    assert toolchain._tuning_flags(rustc, "haswell: avx2 fma") == (ALIGNED,)
    if toolchain.find().host.startswith("x86_64"):
        assert toolchain._tuning_flags(rustc, "icelake-server: avx512f fma") == (
            ALIGNED,
            "-Ctarget-feature=-prefer-256-bit",
        )


def test_a_flag_that_this_rustc_does_not_know_is_left_out() -> None:
    assert not toolchain._accepts(toolchain.find().rustc, "-Cllvm-args=-align-nothing-that-exists=64")


def test_a_crate_is_built_once_and_then_silent() -> None:
    lines: list[str] = []
    first = crates.extern_crates(lines.append)
    lines.clear()
    assert crates.extern_crates(lines.append) == first
    assert lines == []
    assert first.rayon.is_file()
    assert {path.suffix for path in first.folder.iterdir()} == {".rlib"}


def test_what_is_built_may_be_read_by_other_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUNDTABLE_CACHE", str(tmp_path))
    built = crates._cached("thing", "1", lambda line: None, lambda folder: None)
    assert built.stat().st_mode & 0o777 == 0o755


def test_a_build_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUNDTABLE_CACHE", str(tmp_path / "cache"))
    crate = tmp_path / "broken"
    (crate / "src").mkdir(parents=True)
    (crate / "src" / "main.rs").write_text("fn main() { oops }")
    (crate / "Cargo.toml").write_text(
        '[package]\nname = "broken"\nversion = "0.1.0"\nedition = "2021"\n[workspace]\n'
    )
    (crate / "Cargo.lock").write_text('version = 4\n[[package]]\nname = "broken"\nversion = "0.1.0"\n')
    lines: list[str] = []
    with pytest.raises(HarnessFaultError, match=r"building broken failed.*oops"):
        crates._program(crate, "broken", lines.append)
    assert len(lines) == 1
    assert [path.name for path in (tmp_path / "cache" / "tools").iterdir() if path.is_dir()] == []
    assert not (crate / "target").exists()


def test_a_missing_network_without_a_cache_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROUNDTABLE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CARGO_HOME", str(tmp_path / "cargo"))
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "CARGO_HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("CARGO_NET_RETRY", "0")
    with pytest.raises(
        UserError, match=r"cannot fetch the crates of externs from crates\.io.*connect once"
    ) as caught:
        crates.extern_crates(lambda line: None)
    assert "\n" not in str(caught.value)


def test_an_unwritable_cache_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("ROUNDTABLE_CACHE", str(blocked / "cache"))
    with pytest.raises(UserError, match="set ROUNDTABLE_CACHE"):
        crates.extern_crates(lambda line: None)
