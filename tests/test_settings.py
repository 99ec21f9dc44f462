"""The cache folder is one absolute path in a process and its subprocesses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.caches import default_cache
from harness.errors import UserError


def test_a_relative_cache_is_resolved_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUNDTABLE_CACHE", "some/../cache")
    monkeypatch.chdir(tmp_path)
    assert default_cache() == tmp_path / "cache"
    monkeypatch.chdir("/")
    assert default_cache() == default_cache(Path("/elsewhere")) == tmp_path / "cache"
    assert os.environ["ROUNDTABLE_CACHE"] == str(tmp_path / "cache")


def test_a_relative_cache_is_relative_to_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUNDTABLE_CACHE", "cache")
    assert default_cache(Path("/start")) == Path("/start/cache")


def test_an_unknown_home_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUNDTABLE_CACHE", "~no such user/cache")
    with pytest.raises(UserError, match="no such user"):
        default_cache()


@pytest.mark.skipif("sys.platform == 'darwin'")
def test_a_relative_xdg_cache_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROUNDTABLE_CACHE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert default_cache() == tmp_path / ".cache" / "roundtable"
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert default_cache() == Path("/cache/roundtable")
