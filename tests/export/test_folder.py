"""Only a new folder, an empty one, or an earlier export is written to."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UserError
from harness.export.folder import MARKER, require_ours, write


def test_a_new_and_an_empty_folder_are_taken(tmp_path: Path) -> None:
    require_ours(tmp_path / "a" / "new")
    require_ours(tmp_path)
    write(tmp_path, {"src/lib.rs": "x"})
    assert (tmp_path / "src" / "lib.rs").read_text(encoding="utf-8") == "x"


def test_an_earlier_export_is_replaced_and_other_files_stay(tmp_path: Path) -> None:
    write(tmp_path, {"src/lib.rs": "1", "src/old.rs": "1"})
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    write(tmp_path, {"src/lib.rs": "2"})
    assert (tmp_path / "src" / "lib.rs").read_text(encoding="utf-8") == "2"
    assert not (tmp_path / "src" / "old.rs").exists()
    assert (tmp_path / "notes.txt").exists()


def test_a_marker_cannot_name_files_outside(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("x", encoding="utf-8")
    folder = tmp_path / "crate"
    write(folder, {"a": ""})
    with (folder / MARKER).open("a", encoding="utf-8") as marker:
        marker.write(f"../victim\n{victim}\n")
    write(folder, {"a": ""})
    assert victim.exists()


@pytest.mark.parametrize("kind", ["foreign", "file", "link", "other marker"])
def test_what_is_not_ours_is_refused(kind: str, tmp_path: Path) -> None:
    place = tmp_path / "place"
    if kind == "file":
        place.write_text("x", encoding="utf-8")
    elif kind == "link":
        place.symlink_to(tmp_path)
    else:
        place.mkdir()
        (place / (MARKER if kind == "other marker" else "Cargo.toml")).write_text("x", encoding="utf-8")
    with pytest.raises(UserError, match="--to ") as caught:
        write(place, {"a": ""})
    assert "\n" not in str(caught.value)
