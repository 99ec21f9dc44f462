"""The round table with the built-in tuner: order, records, budgets, population, kill and resume, replay."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import candidate as candidates
from harness.candidate import Candidate
from harness.errors import UserError
from harness.memory.kernels import KernelMemory, open_memory
from harness.verdict import Accepted, At, Gate, HarnessError, Inconclusive, Verdict
from tests.conftest import ROOT
from tests.roundtable.support import Scene, accepted, by_schedule, does_not_compile, proposal, scripted


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[KernelMemory]:
    with open_memory(str(tmp_path / "memory")) as opened:
        yield opened


@pytest.fixture
def scene(tmp_path: Path, memory: KernelMemory) -> Scene:
    return Scene(tmp_path, memory)


def test_every_generation_leaves_a_candidate_that_agrees_with_the_memory(scene: Scene) -> None:
    result = scene.run(generate=4)
    names = [one.name for one in result.candidates]
    assert names == [f"gen-r1-{n:03d}" for n in (1, 2, 3, 4)]
    assert sorted(kernel.name for kernel in scene.memory.everything()) == names
    for one in result.candidates:
        manifest = candidates.load(scene.root / "candidates" / one.name).manifest
        assert isinstance(one.verdict, Accepted)
        assert manifest.claim is not None
        assert manifest.claim.ratio == one.verdict.score.ratio
        assert (manifest.generation, manifest.model, manifest.run) == (one.generation, "builtin", "r1")
        assert manifest.proposal is not None
        assert manifest.proposal["schedule"]["family"] == "packed_intrinsics"
    assert len(set(scene.sources(result))) == 4
    assert candidates.load(scene.root / "candidates" / names[1]).manifest.parent == names[0]
    assert not list((scene.root / "candidates").glob(".writing-*"))


def test_the_second_run_continues_from_the_memory_of_the_first(scene: Scene) -> None:
    first = scene.run(generate=2)
    second = scene.run(run_id="r2", generate=2)
    assert not set(scene.sources(first)) & set(scene.sources(second))
    assert second.candidates[0].parents[0] in {one.name for one in first.candidates}


def test_the_fastest_schedules_of_another_machine_are_tried_second(scene: Scene, tmp_path: Path) -> None:
    scene.run(generate=1)
    (kernel,) = scene.memory.everything()
    assert kernel.schedule is not None
    with open_memory(str(tmp_path / "theirs")) as memory:
        schedule = kernel.schedule | {"kc": 192}
        kin = replace(kernel, machine_class="Kin CPU / x86_64 avx2", schedule=schedule)
        memory.put([replace(kin, source=f"// {kernel.source}")])
        ours = Scene(tmp_path / "ours", memory)
        names = [one.name for one in ours.run(run_id="r2", generate=2).candidates]
    first, second = ((ours.root / "candidates" / name / "candidate.toml").read_text() for name in names)
    assert "among the fastest on Kin CPU" in second
    assert "kc = 192" in second
    assert "among the fastest" not in first


@pytest.mark.parametrize(
    ("baseline", "suite", "parent"),
    [
        ("fake BLAS", "default", "flattered"),
        ("naive.so", "default", "gen-r1-001"),
        ("fake BLAS", "square", "gen-r1-001"),
        ("fake BLAS (Haswell)", "default", "gen-r1-001"),
    ],
)
def test_a_ratio_to_another_baseline_or_suite_neither_ranks_nor_becomes_a_parent(
    scene: Scene, baseline: str, suite: str, parent: str
) -> None:
    scene.run(generate=1)
    (kernel,) = scene.memory.everything()
    assert kernel.schedule is not None
    schedule = kernel.schedule | {"kc": kernel.schedule["kc"] + 64}
    other = replace(kernel, name="flattered", source=f"// {kernel.source}", schedule=schedule)
    ratios = {"ratio": 3.5, "ratio_low": 3.4, "ratio_high": 3.6}
    scene.memory.put([replace(other, baseline=baseline, suite=suite, **ratios)])
    assert scene.run(run_id="r2", generate=1).candidates[0].parents == (parent,)


def test_a_rejected_candidate_is_in_the_result_and_its_manifest_names_the_gate(scene: Scene) -> None:
    result = scene.run(lambda candidate: does_not_compile(), generate=2)
    assert [type(one.verdict).__name__ for one in result.candidates] == ["CompileError"] * 2
    assert scene.memory.count() == 0
    manifest = candidates.load(scene.root / "candidates" / "gen-r1-001").manifest
    assert (manifest.expect, manifest.gate, manifest.claim) == ("rejected", Gate.COMPILE, None)


@pytest.mark.parametrize("verdict", [Inconclusive("steal"), HarnessError("no baseline", At(Gate.CLOCK))])
def test_an_inconclusive_verdict_marks_nothing_and_is_not_stored(scene: Scene, verdict: Verdict) -> None:
    scene.run(lambda candidate: verdict, generate=1)
    manifest = candidates.load(scene.root / "candidates" / "gen-r1-001").manifest
    assert (manifest.expect, manifest.gate, manifest.claim) == ("accepted", None, None)
    assert scene.memory.count() == 0


def test_the_same_seed_gives_the_same_candidates(tmp_path: Path) -> None:
    sources = []
    for name in ("a", "b"):
        with open_memory(str(tmp_path / name / "memory")) as memory:
            scene = Scene(tmp_path / name, memory)
            sources.append(scene.sources(scene.run(generate=9, seed=3)))
    assert sources[0] == sources[1]


def test_the_slots_of_a_population_propose_different_families(scene: Scene) -> None:
    result = scene.run(generate=2, population=2)
    assert [(one.generation, one.slot) for one in result.candidates] == [(1, 0), (1, 1), (2, 0), (2, 1)]
    families = {
        (candidates.load(scene.root / "candidates" / one.name).manifest.proposal or {})["schedule"]["family"]
        for one in result.candidates
    }
    assert families == {"packed", "packed_intrinsics"}


def test_an_exception_in_a_handler_ends_the_run_with_its_message(scene: Scene) -> None:
    def broken(candidate: Candidate) -> Verdict:
        raise UserError("the disk is full; free space")

    with pytest.raises(UserError, match="the disk is full"):
        scene.run(broken)


def test_ctrl_c_in_the_judge_keeps_the_kernels_stored_before(scene: Scene) -> None:
    scene.run(_interrupt_at("gen-r1-002"), generate=1)
    with pytest.raises(KeyboardInterrupt):
        scene.run(_interrupt_at("gen-r2-002"), run_id="r2", generate=3)
    assert {kernel.name for kernel in scene.memory.everything()} == {"gen-r1-001", "gen-r2-001"}


def _interrupt_at(name: str) -> Callable[[Candidate], Verdict]:
    def judge(candidate: Candidate) -> Verdict:
        if candidate.name == name:
            raise KeyboardInterrupt
        return by_schedule(candidate)

    return judge


def test_a_resumed_run_gives_the_same_candidates_as_an_uninterrupted_one(tmp_path: Path) -> None:
    sources = []
    for name in ("whole", "broken"):
        with open_memory(str(tmp_path / name / "memory")) as memory:
            scene = Scene(tmp_path / name, memory)
            if name == "broken":
                with pytest.raises(KeyboardInterrupt):
                    scene.run(_interrupt_at("gen-r1-003"), generate=4, seed=5)
                result = scene.run(run_id="other", generate=4, seed=99, resume=True)
                assert result.run_id == "r1"
            else:
                result = scene.run(generate=4, seed=5)
            assert len(result.verdicts) == 4
            sources.append(scene.sources(result))
    assert sources[0] == sources[1]


@pytest.mark.parametrize("cut", range(1, 20))
def test_a_kill_after_any_line_of_the_journal_loses_at_most_one_step(tmp_path: Path, cut: int) -> None:
    """The journal is cut as by a kill, in the middle of the next line; judged candidates are not judged again."""
    with open_memory(str(tmp_path / "memory")) as memory:
        scene = Scene(tmp_path, memory)
        whole = scene.run(generate=3)
        path = tmp_path / "results" / "r1" / "journal.jsonl"
        lines = path.read_text().splitlines(keepends=True)
        kept = lines[:cut]
        path.write_text("".join(kept) + (lines[cut][:25] if cut < len(lines) else ""))
        if cut >= len(lines):
            return
        judged_before = sum('"kind": "judged"' in line for line in kept)
        judged: list[str] = []

        def judge(candidate: Candidate) -> Verdict:
            judged.append(candidate.name)
            return by_schedule(candidate)

        result = scene.run(judge, generate=3, resume=True)
        assert len(judged) == 3 - judged_before
        assert [one.name for one in result.candidates] == [one.name for one in whole.candidates]
        remembered = {kernel.name for kernel in memory.everything()}
        assert {one.name for one in result.candidates} == remembered
        assert all(
            json.loads(line) for line in path.read_text().splitlines() if not line.startswith(lines[cut][:25])
        )


def test_resume_writes_the_folder_of_a_candidate_again_if_it_is_missing(scene: Scene) -> None:
    with pytest.raises(KeyboardInterrupt):
        scene.run(_interrupt_at("gen-r1-001"), generate=1)
    source = scene.root / "candidates" / "gen-r1-001" / "kernel.rs"
    text = source.read_text()
    source.unlink()
    (source.parent / "candidate.toml").unlink()
    source.parent.rmdir()
    scene.run(generate=1, resume=True)
    assert source.read_text() == text


def test_resume_without_an_interrupted_run_is_a_user_error(scene: Scene) -> None:
    scene.run(generate=1)
    with pytest.raises(UserError, match="no interrupted evolution"):
        scene.run(resume=True)


def test_replay_gives_the_same_candidates_although_they_are_in_the_memory(scene: Scene) -> None:
    first = scene.run(generate=9)
    transcript = scene.root / "results" / "r1" / "transcript.jsonl"
    again = scene.run(run_id="r2", generate=9, replay=transcript, seed=1)
    assert scene.sources(again) == scene.sources(first)
    parents = [one.parents for one in again.candidates]
    assert parents == [tuple(p.replace("r1", "r2") for p in one.parents) for one in first.candidates]


def test_replay_of_a_missing_file_or_another_format_is_a_user_error(scene: Scene, tmp_path: Path) -> None:
    other = tmp_path / "notes.jsonl"
    other.write_text('{"hello": 1}\n')
    with pytest.raises(UserError, match="not a transcript"):
        scene.run(replay=other)
    with pytest.raises(UserError, match="cannot be read"):
        scene.run(replay=tmp_path / "missing.jsonl")


def test_the_time_budget_ends_the_run_and_keeps_the_accepted_kernels(scene: Scene, monkeypatch: Any) -> None:
    from harness.roundtable.conversation import budget

    now = [0.0]
    monkeypatch.setattr(budget.time, "monotonic", lambda: now[0])

    def slow(candidate: Candidate) -> Verdict:
        now[0] += 61.0
        return accepted(0.9)

    result = scene.run(slow, generate=5, max_minutes=2.0)
    assert len(result.verdicts) == 2
    assert "--max-minutes" in result.ended
    assert scene.memory.count() == 2


def test_an_unwritable_results_folder_is_a_user_error(scene: Scene) -> None:
    (scene.root / "results").write_text("a file where a folder should be")
    with pytest.raises(UserError, match="results"):
        scene.run()


def test_a_proposal_of_the_tuner_cites_passages_of_the_library(scene: Scene) -> None:
    from harness.corpus.papers import open_library
    from harness.store.embedders import HashedEmbedder
    from tests.roundtable.support import AVX2

    library = open_library(scene.memory.connection, HashedEmbedder())
    result = scene.run(generate=1, library=library)
    manifest = candidates.load(scene.root / "candidates" / result.candidates[0].name).manifest
    assert manifest.proposal is not None
    assert manifest.proposal["passages"]
    assert AVX2.vector == "avx2"


@pytest.mark.parametrize(("phase", "remembered"), [("judge", ["gen-r1-001"]), ("mind", [])])
def test_ctrl_c_ends_the_process_at_once_in_every_phase(
    tmp_path: Path, phase: str, remembered: list[str]
) -> None:
    command = [sys.executable, "-m", "tests.roundtable.interrupted", str(tmp_path), phase]
    root = ROOT
    with subprocess.Popen(
        command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert output.endswith("interrupted\n")
    assert ("closed" in output) == (phase == "mind")
    assert "Traceback" not in errors
    with open_memory(str(tmp_path / "memory")) as memory:
        assert [kernel.name for kernel in memory.everything()] == remembered
        resumed = Scene(tmp_path, memory).run(generate=3, resume=True)
        assert len(resumed.verdicts) == 3


def test_characters_that_rustc_refuses_in_comments_do_not_reach_the_kernel(scene: Scene) -> None:
    """rustc refuses text-direction characters in comments, and the text of a proposal becomes comments."""
    pytest.importorskip("autogen_ext")
    words = json.loads(proposal()) | {"algorithm": "fast\u202e\x07 tile", "why": "\u2066because\x00"}
    result = scene.run(generate=1, minds=scripted([json.dumps(words)]))
    assert [one.model for one in result.candidates] == ["scripted"]
    assert all(ch.isprintable() or ch == "\n" for ch in scene.sources(result)[0])


def test_the_next_run_remembers_what_a_killed_one_had_accepted(scene: Scene) -> None:
    """Killed between the journal's verdict and the memory, and never resumed."""
    scene.run(generate=2)
    path = scene.root / "results" / "r1" / "journal.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    last = max(n for n, line in enumerate(lines) if '"kind": "judged"' in line)
    path.write_text("".join(lines[: last + 1]))
    with open_memory(str(scene.root / "fresh")) as fresh:
        again = Scene(scene.root, fresh)
        again.run(run_id="r2", generate=1)
        assert {kernel.name for kernel in fresh.everything()} == {"gen-r1-002", "gen-r2-001"}
        assert sum("it is stored in the memory now" in line for line in again.said) == 1
        (scene.root / "candidates" / "gen-r1-001" / "kernel.rs").unlink()
        (scene.root / "candidates" / "gen-r1-001" / "candidate.toml").unlink()
        (scene.root / "candidates" / "gen-r1-001").rmdir()
        again.run(run_id="r3", generate=1)
        assert sum("it is stored in the memory now" in line for line in again.said) == 1
        assert not (scene.root / "candidates" / "gen-r1-001").exists()


def test_an_unreadable_journal_of_another_run_does_not_prevent_resume(scene: Scene) -> None:
    with pytest.raises(KeyboardInterrupt):
        scene.run(_interrupt_at("gen-r1-002"), generate=2)
    torn = scene.root / "results" / "r9" / "journal.jsonl"
    torn.parent.mkdir()
    torn.write_text('{"what": "begin", "run_')
    assert scene.run(generate=2, resume=True).run_id == "r1"
    assert scene.run(run_id="r3", generate=1).run_id == "r3"
