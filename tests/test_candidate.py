"""The folder as an object: what is read, what is refused, and with which line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.candidate import MAX_BYTES, load, parse_manifest
from harness.errors import CandidateError


def folder_with(tmp_path: Path, source: bytes | None = b"// kernel", manifest: bytes | None = None) -> Path:
    folder = tmp_path / "some"
    folder.mkdir()
    if source is not None:
        (folder / "kernel.rs").write_bytes(source)
    if manifest is not None:
        (folder / "candidate.toml").write_bytes(manifest)
    return folder


def test_lone_kernel_has_the_defaults_of_the_contract(tmp_path: Path) -> None:
    candidate = load(folder_with(tmp_path))
    manifest = candidate.manifest
    assert (manifest.tier, manifest.threads, manifest.expect, manifest.claim) == (
        "unsafe",
        1,
        "accepted",
        None,
    )
    assert candidate.source == "// kernel"


def test_source_hash_depends_on_the_text_alone(tmp_path: Path) -> None:
    first = load(folder_with(tmp_path))
    (tmp_path / "other").mkdir()
    second = load(folder_with(tmp_path / "other", manifest=b"threads = 'all'"))
    assert first.source_hash == second.source_hash
    (second.folder / "kernel.rs").write_text("// changed")
    assert load(second.folder).source_hash != first.source_hash


@pytest.mark.parametrize(
    ("source", "manifest", "words"),
    [
        (None, b"", "kernel.rs: not there"),
        (b"\xff\xfe", None, "not UTF-8 (byte 0)"),
        (b"/" * (MAX_BYTES + 1), None, "larger than 1 MiB"),
        (b"//", b"threads = [", "not valid TOML"),
        (b"//", b"colour = 'red'", "unknown key 'colour'; allowed: claim,"),
        (b"//", b"[claim]\nspeed = 1\nratio = 1\nratio_low = 1\nratio_high = 1", "unknown key 'claim.speed'"),
        (b"//", b"threads = 7", "threads"),
        (b"//", b"tier = 'holy'", "tier"),
        (b"//", b"gate = 'shapes'", "gate is only for"),
        (b"//", b"expect = 'rejected'\ngate = 'heaven'", "gate"),
        (b"//", b"min_ratio = 0", "min_ratio"),
        (b"//", b"min_ratio = nan", "min_ratio"),
    ],
)
def test_bad_folders_are_named_in_one_line(
    tmp_path: Path, source: bytes | None, manifest: bytes | None, words: str
) -> None:
    with pytest.raises(CandidateError) as caught:
        load(folder_with(tmp_path, source, manifest))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_mebibyte_is_still_allowed(tmp_path: Path) -> None:
    assert len(load(folder_with(tmp_path, b"/" * MAX_BYTES)).source) == MAX_BYTES


@pytest.mark.parametrize("name", ["kernel.rs", "candidate.toml"])
def test_links_folders_and_pipes_are_refused(tmp_path: Path, name: str) -> None:
    folder = folder_with(tmp_path, manifest=b"")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("")
    for make, words in (
        (lambda p: p.symlink_to(elsewhere), "symbolic link"),
        (lambda p: p.symlink_to(tmp_path / "dangling"), "symbolic link"),
        (lambda p: p.mkdir(), "is a folder"),
        (os.mkfifo, "not a regular file"),
    ):
        path = folder / name
        path.unlink()
        make(path)
        with pytest.raises(CandidateError, match=words):
            load(folder)
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        path.write_text("")


@given(st.text())
def test_any_manifest_text_gives_a_manifest_or_one_clear_line(text: str) -> None:
    try:
        parse_manifest(text, "candidate.toml")
    except CandidateError as error:
        assert str(error).startswith("candidate.toml: ")
