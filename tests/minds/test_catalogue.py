"""--model: everything that can be named, and one clear line for everything that can be wrong."""

from __future__ import annotations

import builtins
import struct
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UserError
from harness.minds import gguf_file
from harness.minds.catalogue import open_minds, open_model
from harness.minds.tuner import BuiltinTuner
from harness.roundtable.schedule_adapter import ScheduleAdapter
from harness.settings import Settings
from tests.roundtable.support import AVX2


def settings(root: Path, **models: str) -> Settings:
    return Settings(root=root, cache=root, results=root, memory="", models=models or {"*": "builtin"})


def gguf_head(path: Path) -> Path:
    """A GGUF header that passes the check before loading."""
    name, text = b"llama.context_length", b"x" * 9
    skipped = struct.pack("<Q", 1) + b"a" + struct.pack("<IIQ", 9, 8, 1) + struct.pack("<Q", len(text)) + text
    wanted = struct.pack("<Q", len(name)) + name + struct.pack("<II", 4, 4096)
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 2) + skipped + wanted)
    return path


def test_builtin_is_the_default_of_every_agent_and_a_model_is_opened_once(tmp_path: Path) -> None:
    lanes = ScheduleAdapter(AVX2, 1).lanes()
    minds = open_minds(settings(tmp_path), lanes, print, 1)
    assert isinstance(minds.of("proposer"), BuiltinTuner)
    assert minds.of("proposer") is minds.of("coder")


def test_a_model_for_an_agent_that_computes_is_reported_to_have_no_effect(tmp_path: Path) -> None:
    said: list[str] = []
    open_minds(settings(tmp_path, verifier="big.gguf"), ScheduleAdapter(AVX2, 1).lanes(), said.append, 1)
    assert "no effect" in said[0]


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("gpt-4", "unknown; allowed: builtin"),
        ("missing.gguf", "no such file"),
        ("hf:only-a-name", "expected hf:OWNER/REPO:FILE.gguf"),
        ("hf:owner/repo:readme.md", "expected hf:OWNER/REPO:FILE.gguf"),
        ("http://127.0.0.1:9/v1", "no OpenAI-compatible server answers"),
    ],
)
def test_problems_of_a_model_are_reported_in_one_line(tmp_path: Path, model: str, reason: str) -> None:
    with pytest.raises(UserError, match=reason) as error:
        open_model(model, settings(tmp_path), print)
    assert "\n" not in str(error.value)
    assert model in str(error.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"version https://git-lfs", "Git LFS"), (b"PK\x03\x04", "not a GGUF"), (b"", "not a GGUF")],
)
def test_a_file_that_is_not_a_gguf_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    with pytest.raises(UserError, match=reason):
        open_model(str(path), settings(tmp_path), print)


def test_a_folder_as_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        open_model(str(tmp_path), settings(tmp_path), print)


def test_a_model_larger_than_the_free_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gguf_file, "available_bytes", lambda: 10)
    with pytest.raises(UserError, match="take a smaller model"):
        open_model(str(gguf_head(tmp_path / "m.gguf")), settings(tmp_path), print)


def test_without_llama_cpp_the_error_names_the_extra_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.split(".")[0] == "llama_cpp":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UserError, match=r"matmul-round-table\[llm\]"):
        open_model(str(gguf_head(tmp_path / "m.gguf")), settings(tmp_path), print)


def test_the_context_length_is_read_from_the_header_and_is_none_if_the_header_is_cut_off(
    tmp_path: Path,
) -> None:
    path = gguf_head(tmp_path / "m.gguf")
    assert gguf_file.trained_context(path) == 4096
    whole = path.read_bytes()
    for cut in range(4, len(whole) - 1):
        path.write_bytes(whole[:cut])
        assert gguf_file.trained_context(path) is None


def test_the_identity_of_a_file_depends_on_its_start_end_and_size(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    seen = set()
    for content in (b"GGUF1", b"GGUF2", b"GGUF1" + bytes(3 << 20), b"GGUF1" + bytes(3 << 20) + b"x"):
        path.write_bytes(content)
        seen.add(gguf_file.identity(path))
    assert len(seen) == 4


def test_a_hub_model_that_is_neither_cached_nor_downloadable_is_a_one_line_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("huggingface_hub")
    import huggingface_hub

    asked: list[bool] = []

    def download(repo: str, file: str, local_files_only: bool = False) -> str:
        from huggingface_hub.errors import LocalEntryNotFoundError

        asked.append(local_files_only)
        raise LocalEntryNotFoundError("no network\nand a long story")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    said: list[str] = []
    with pytest.raises(UserError, match="cannot be downloaded") as error:
        open_model("hf:owner/repo:model.gguf", settings(tmp_path), said.append)
    assert "\n" not in str(error.value)
    assert asked == [True, False]
    assert "downloading model.gguf" in said[0]


def test_a_cached_hub_model_is_used_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("huggingface_hub")
    import huggingface_hub

    from harness.minds.hub import fetch

    def download(repo: str, file: str, local_files_only: bool = False) -> str:
        assert local_files_only
        return str(tmp_path / file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    said: list[str] = []
    assert fetch("hf:owner/repo:model.gguf", said.append) == tmp_path / "model.gguf"
    assert not said
