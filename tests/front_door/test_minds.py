"""`pytest --generate N --model …` at the front door: real inference on a tiny model, a real server, clear errors."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.candidate import load
from tests.conftest import ROOT
from tests.front_door.test_gate import SETTLED, UNJUDGED
from tests.front_door.test_generate import QUICK

# Whole sessions, none of which takes timings.
pytestmark = [pytest.mark.slow, pytest.mark.together]


def generate(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    # As when installed: the entry point loads the plugin before pytest looks for conftest files.
    return project.runpytest_subprocess("-p", "harness.front_door.plugin", *QUICK, "--generate", *arguments)


def sources(project: pytest.Pytester, run: Path) -> list[str]:
    folders = sorted((project.path / "candidates").glob(f"gen-{run.name}-*"))
    return ["\n".join(line for line in load(f).source.splitlines() if "gen-" not in line) for f in folders]


def runs(project: pytest.Pytester) -> list[Path]:
    return sorted(p.parent for p in (project.path / "results" / "local").glob("*/transcript.jsonl"))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # At module level: pytester unloads modules imported during a test, and numpy cannot be imported twice.
    pytest.importorskip("llama_cpp")
    pytest.importorskip("gguf")
    from tests.minds import tiny_gguf

    return tiny_gguf.write(tmp_path_factory.mktemp("models") / "elsewhere.gguf")


def test_a_local_model_evolves_in_process_and_its_transcript_replays_without_it(
    project: pytest.Pytester, tiny: Path, tmp_path: Path
) -> None:
    model = Path(shutil.copy(tiny, tmp_path / "mine.gguf"))
    result = generate(project, "2", "--model", str(model), "--seed", "4", *UNJUDGED)
    assert result.ret == pytest.ExitCode.OK
    (run,) = runs(project)
    asked = [json.loads(line) for line in (run / "transcript.jsonl").read_text().splitlines()]
    assert asked, "the model was never asked"
    first = sources(project, run)
    assert len(first) >= 2
    model.unlink()
    arguments = ("--model", str(model), "--seed", "4", "--memory", "another", *UNJUDGED)
    replayed = generate(project, "2", "--replay", str(run / "transcript.jsonl"), *arguments)
    assert replayed.ret == pytest.ExitCode.OK
    (second,) = [other for other in runs(project) if other != run]
    assert sources(project, second)[0] == first[0]


def test_a_local_server_evolves(project: pytest.Pytester, tiny: Path) -> None:
    command = [sys.executable, "-m", "tests.minds.tiny_server", str(tiny)]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        result = generate(project, "1", "--model", f"http://127.0.0.1:{port}/v1", *SETTLED)
    finally:
        server.kill()
        server.wait()
    assert result.ret == pytest.ExitCode.OK
    (run,) = runs(project)
    assert (run / "transcript.jsonl").read_text().strip()


def test_a_server_that_sends_no_answer_is_replaced_by_the_tuner(project: pytest.Pytester) -> None:
    pytest.importorskip("autogen_ext")
    from tests.minds.odd_server import HTML, LOADING, NO_CHOICES, odd_server, streaming

    with odd_server([LOADING, HTML, NO_CHOICES, streaming("{ \ud83d"), NO_CHOICES]) as server:
        result = generate(project, "1", "--model", server.url, *UNJUDGED)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*Loading model*; asked again in 1 s", "*it sent no chat completion*"])
    result.stdout.fnmatch_lines(["*builtin proposes*"])
    result.stdout.no_fnmatch_line("*INTERNALERROR*")
    assert server.asked[0]["response_format"]["type"] == "json_schema"
    assert server.asked[-1]["response_format"]["type"] == "json_schema"


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("missing.gguf", "missing.gguf"),
        ("text.gguf", "not a GGUF"),
        ("http://127.0.0.1:9/v1", "127.0.0.1:9"),
        ("hf:only-this", "hf:"),
    ],
)
def test_a_model_that_cannot_be_loaded_is_reported_in_one_line(
    project: pytest.Pytester, model: str, words: str
) -> None:
    (project.path / "text.gguf").write_text("this is text")
    result = generate(project, "1", f"--model={model}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = result.stdout.str() + result.stderr.str()
    assert words in text
    assert "Traceback" not in text
    assert "INTERNALERROR" not in text


def test_a_model_outside_the_project_gets_no_results_folder_beside_it(
    project: pytest.Pytester, tmp_path: Path
) -> None:
    library = tmp_path / "somewhere" / "model.gguf"
    library.parent.mkdir()
    library.write_text("this is text")
    result = generate(project, "1", "--model", str(library))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert not (library.parent / "results").exists()
