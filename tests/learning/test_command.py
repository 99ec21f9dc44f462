"""The command that learns: bad input is one line, a refused adapter changes nothing, and a used one fits its model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.learning import command
from harness.learning.command import main, refused
from harness.learning.drawing import Drawn
from harness.minds import adapter, gguf_file
from harness.minds.adapter import AdapterManifest
from harness.minds.catalogue import open_model
from harness.settings import Settings
from tests.minds import tiny_gguf
from tests.minds.table_support import MACHINE, write_table

pytest.importorskip("gguf")
pytest.importorskip("llama_cpp")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_gguf.write(tmp_path_factory.mktemp("model") / "tiny.gguf", letters=True)


def told(capsys: pytest.CaptureFixture[str]) -> str:
    lines = capsys.readouterr().out.splitlines()
    return lines[-1]


def manifest(base: Path, **changes: object) -> AdapterManifest:
    known = {
        "base": base.name, "base_hash": gguf_file.identity(base), "weights_hash": "0" * 16, "round": 1, "seed": 1,
        "steps": 5, "data_hash": "x", "keys": ("a",), "loss_before": 1.0, "loss_after": 0.9, "distinct_of_50": 50,
        "distinct_before": 50, "copies": 0,
    }  # fmt: skip
    return AdapterManifest(**known | changes)  # type: ignore[arg-type]


def settings(tmp_path: Path) -> Settings:
    return Settings(root=tmp_path, cache=tmp_path, results=tmp_path, memory="", context_tokens=512)


def test_no_records_yet_is_one_line_with_the_way_to_some(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("peft")
    arguments = ["--model", str(model), "--out", str(tmp_path / "out"), "--root", str(tmp_path)]
    assert main(arguments) == 2
    assert "pytest --generate 20" in told(capsys)


def test_a_missing_package_names_the_extra(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from harness.learning import trainer

    def absent(name: str) -> object:
        raise ImportError(name)

    monkeypatch.setattr(trainer, "import_module", absent)
    assert main(["--model", str(model), "--out", str(tmp_path / "out")]) == 2
    line = told(capsys)
    assert "peft" in line
    assert "matmul-round-table[learn]" in line


def test_a_model_of_another_architecture_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import gguf

    writer = gguf.GGUFWriter(str(tmp_path / "other.gguf"), "qwen2")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    assert main(["--model", str(tmp_path / "other.gguf"), "--out", str(tmp_path / "out")]) == 2
    assert "its architecture is qwen2, and adapters are made for llama only" in told(capsys)


def test_too_little_memory_is_told_before_anything_is_loaded(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gguf_file, "available_bytes", lambda: 1 << 30)
    assert main(["--model", str(model), "--out", str(tmp_path / "out")]) == 2
    assert "training needs about 1.5 GiB and 1.0 GiB are free" in told(capsys)


@pytest.mark.parametrize("option", [["--steps", "0"], ["--suite", "nonsense"]])
def test_bad_options_are_one_line(
    model: Path, tmp_path: Path, option: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("peft")
    table = write_table(tmp_path / "t.jsonl", 10)
    out = ["--out", str(tmp_path / "out"), "--table", str(table), "--without-runs"]
    assert main(["--model", str(model), *out, *option]) == 2
    assert ("1 or more" if option[0] == "--steps" else "has default, skinny") in told(capsys)


def test_an_adapter_that_repeats_itself_or_its_lessons_is_refused() -> None:
    base = Drawn(50, 48, 0)
    assert refused(base, Drawn(50, 40, 5)) is None
    assert "6 of 50 draws are training answers" in (refused(base, Drawn(50, 40, 6)) or "")
    assert "draws 23 different schedules, and the base 48" in (refused(base, Drawn(50, 23, 0)) or "")


def test_an_adapter_of_another_model_or_without_a_manifest_is_one_line(model: Path, tmp_path: Path) -> None:
    def opened(folder: Path) -> str:
        with pytest.raises(UserError) as error:
            open_model(f"{model}+{folder}", settings(tmp_path), lambda line: None)
        assert "\n" not in str(error.value)
        return str(error.value)

    assert "python -m harness.minds.learn" in opened(tmp_path / "none")
    folder = tmp_path / "adapter"
    adapter.write_manifest(folder, manifest(model))
    assert f"{adapter.WEIGHTS} is missing" in opened(folder)
    weights = folder / adapter.WEIGHTS
    weights.write_bytes(b"GGUF" + bytes(64))
    assert "not the file that manifest.json describes" in opened(folder)
    own = gguf_file.identity(weights)
    adapter.write_manifest(folder, manifest(model, base_hash="0" * 16, weights_hash=own))
    assert "was trained for tiny.gguf (0000000000000000)" in opened(folder)
    (folder / adapter.MANIFEST).write_text(json.dumps({"format": 9}))
    assert "not a manifest of this version" in opened(folder)


def test_a_plus_separates_the_adapter_only_where_there_is_no_such_file(tmp_path: Path) -> None:
    odd = tmp_path / "a+b.gguf"
    odd.write_bytes(b"GGUF")
    assert adapter.split(str(odd)) == (str(odd), None)
    assert adapter.split("smollm2+here") == ("smollm2", Path("here"))
    assert adapter.split("smollm2") == ("smollm2", None)
    assert adapter.split("http://localhost/v1#a+b") == ("http://localhost/v1#a+b", None)


@pytest.mark.slow
def test_a_table_makes_an_adapter_that_proposes_and_a_second_round_needs_new_records(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("peft")
    monkeypatch.setattr("harness.learning.decided.known_machines", lambda *_: {MACHINE.fingerprint: MACHINE})
    table = write_table(tmp_path / "t.jsonl", 60)
    out = tmp_path / "adapter"
    arguments = ["--model", str(model), "--out", str(out), "--root", str(tmp_path), "--steps", "3"]
    arguments += ["--questions", "2", "--table", str(table), "--suite", "default"]
    assert main(arguments) == 0, capsys.readouterr().out
    found = adapter.read_manifest(out)
    assert (found.round, found.base_hash) == (1, gguf_file.identity(model))
    assert found.distinct_of_50 > 25
    assert len(found.keys) > 5
    assert not list(out.glob("*checkpoint*"))
    mind = open_model(f"{model}+{out}", settings(tmp_path), lambda line: None)
    assert mind.name == "tiny.gguf+adapter"
    assert mind.model_hash != gguf_file.identity(model)
    capsys.readouterr()
    assert main(arguments) == 0
    assert "nothing new since round 1" in told(capsys)
    write_table(table, 20, seed=5)
    assert main(arguments) == 0
    assert adapter.read_manifest(out).round == 2


def test_the_program_bears_the_name_of_the_minds() -> None:
    import importlib

    assert importlib.import_module("harness.minds.learn").main is command.main
