"""The kernel memory: only accepted kernels, found again, best first, one process at a time."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import HarnessFaultError, UserError
from harness.memory import kernel_record
from harness.memory.kernels import open_memory
from harness.shapes import Shape, TimedForm
from harness.store.collection import Collection, StoredRow
from harness.verdict import At, Gate, Timeout
from tests.memory.samples import LAKE, ZEN, accepted


def put(memory, name, ratio, machine=ZEN, width=0.02, threads=1, **more):
    more.setdefault("source", f"//! {name}\npub fn matmul() {{}}\n")
    return memory.record(
        accepted(ratio, width, threads),
        name=name,
        machine=machine,
        toolchain="rustc 1.95",
        suite="default",
        **more,
    )


def test_records_are_read_back_equal_by_a_new_process(tmp_path: Path) -> None:
    schedule = {"family": "packed", "mr": 6, "nested": {"kc": 256}, "none": None}
    with open_memory(str(tmp_path)) as memory:
        kept = put(
            memory,
            "k1",
            0.9,
            schedule=schedule,
            proposal={"papers": ["arXiv:1"]},
            parents=("run3",),
            generation=2,
        )
    with open_memory(str(tmp_path)) as memory:
        assert memory.get("k1") == kept
        assert memory.count() == 1
        assert memory.get("k2") is None
    assert kept.schedule == schedule
    assert kept.per_shape[0].shape == Shape(64, 64, 64)
    assert kept.machine == ZEN.fingerprint


def test_only_an_accepted_verdict_is_remembered(tmp_path: Path) -> None:
    with open_memory(str(tmp_path)) as memory:
        with pytest.raises(HarnessFaultError, match="only an accepted kernel"):
            memory.record(
                Timeout(1.0, At(Gate.SHAPES)), name="x", source="", machine=ZEN, toolchain="", suite=""
            )  # type: ignore[arg-type]
        with pytest.raises(HarnessFaultError, match="not a positive number"):
            put(memory, "nan", float("nan"))
        assert memory.count() == 0


def test_best_prefers_the_machine_class_then_the_lower_end(tmp_path: Path) -> None:
    with open_memory(str(tmp_path)) as memory:
        put(memory, "steady", 0.90, width=0.01)
        put(memory, "lucky", 0.95, width=0.20)
        put(memory, "elsewhere", 1.5, machine=LAKE)
        put(memory, "parallel", 1.9, threads=2)
        assert [kernel.name for kernel in memory.best(9, ZEN.machine_class, threads=1)] == [
            "steady",
            "lucky",
            "elsewhere",
        ]
        assert [kernel.name for kernel in memory.best(1, LAKE.machine_class, threads=1)] == ["elsewhere"]
        assert [kernel.name for kernel in memory.best(9, threads=2)] == ["parallel"]
        assert memory.best(0) == []


def test_a_similar_machine_comes_before_a_different_one(tmp_path: Path) -> None:
    cousin = replace(ZEN, cpu="Other Zen", cores=(0, 1, 2, 3))
    with open_memory(str(tmp_path)) as memory:
        put(memory, "foreign", 1.9, machine=LAKE)
        put(memory, "kindred", 0.8, machine=cousin)
        put(memory, "own", 0.5)
        assert [kernel.name for kernel in memory.best(3, ZEN.machine_class)] == ["own", "kindred", "foreign"]
        assert [kernel.name for kernel in memory.latest(3, LAKE.machine_class)] == [
            "foreign",
            "own",
            "kindred",
        ]
        assert [kernel.name for kernel in memory.best(3)] == ["foreign", "kindred", "own"]


def test_a_second_measurement_replaces_the_first_and_other_machines_stay(tmp_path: Path) -> None:
    with open_memory(str(tmp_path)) as memory:
        put(memory, "k", 0.5)
        put(memory, "k", 0.7)
        put(memory, "k", 0.6, machine=LAKE)
        assert memory.count() == 2
        assert [kernel.ratio for kernel in memory.best(5, ZEN.machine_class)] == [0.7]
        assert memory.get("k", LAKE.machine_class).ratio == 0.6


def test_latest_is_newest_first(tmp_path: Path) -> None:
    with open_memory(str(tmp_path)) as memory:
        for name in ("a", "b", "c"):
            put(memory, name, 0.5)
        assert [kernel.name for kernel in memory.latest(2)] == ["c", "b"]


def test_similar_finds_by_words(tmp_path: Path) -> None:
    with open_memory(str(tmp_path)) as memory:
        put(memory, "s", 0.5, proposal={"algorithm": "Strassen recursion with seven products"})
        put(memory, "p", 0.9, proposal={"algorithm": "packed panels and a register tile"}, machine=LAKE)
        assert memory.similar("strassen products", 1)[0].name == "s"
        assert memory.similar("register tile of packed panels", 1)[0].name == "p"
        assert [kernel.name for kernel in memory.similar("register tile", 2, ZEN.machine_class)] == ["s", "p"]


def test_a_second_opening_is_refused_with_the_holder_and_the_remedy(tmp_path: Path) -> None:
    import os

    with (
        open_memory(str(tmp_path)),
        pytest.raises(UserError, match=rf"process {os.getpid()}.*chroma run.*--memory http"),
    ):
        open_memory(str(tmp_path))
    with open_memory(str(tmp_path)) as memory:
        assert memory.count() == 0


def test_operations_are_kept_apart_and_records_without_one_are_of_matmul(tmp_path: Path) -> None:
    form = TimedForm(64, 32, 16, "nt", adds=True)
    verdict = accepted(1.0)
    timing = replace(verdict.score.per_shape[0], shape=form)
    of_sgemm = replace(verdict, score=replace(verdict.score, per_shape=(timing,)))
    facts: dict[str, Any] = {"name": "k", "source": "x", "machine": ZEN, "toolchain": "", "suite": "64"}
    with open_memory(str(tmp_path)) as memory:
        one = memory.record(verdict, **facts)
        other = memory.record(of_sgemm, **facts, operation="sgemm")
        assert one.id != other.id
        assert memory.count() == 2
        found = {kernel.operation: kernel for kernel in memory.everything()}
        assert found["sgemm"].per_shape[0].shape == form
        assert found["matmul"].per_shape[0].shape == form.like(64, 64, 64).plain
    older = json.loads(one.to_json())
    del older["operation"]
    assert kernel_record.parse(json.dumps(older), "line 1") == one


def test_a_folder_is_read_once_and_what_is_put_is_known_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder is locked, so a coordinator with thousands of kernels reads them once, not for every proposal."""
    reads = []
    rows = Collection.rows

    def counted(self: Collection, **which: Any) -> list[StoredRow]:
        reads.append(which)
        return rows(self, **which)

    monkeypatch.setattr(Collection, "rows", counted)
    with open_memory(str(tmp_path)) as memory:
        first = put(memory, "first", 1.0)
        assert memory.best(5) == memory.latest(5) == memory.everything() == [first]
        second = put(memory, "second", 1.2, threads=2)
        assert [one.name for one in memory.best(5)] == ["second", "first"]
        assert memory.best(5, threads=1) == [first]
        assert memory.best(5, tier="fast") == []
        assert memory.get("second") == second
        again = put(memory, "first", 1.5)
        assert memory.best(1) == [again]
        assert len(memory.everything()) == 2
        assert len(reads) == 1
    with open_memory(str(tmp_path)) as memory:
        assert memory.best(5) == [again, second]


def test_after_a_failed_write_the_store_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Collection, rows: Any) -> None:
        raise UserError("the disk is full")

    with open_memory(str(tmp_path)) as memory:
        kept = put(memory, "first", 1.0)
        assert memory.best(5) == [kept]
        with monkeypatch.context() as patch:
            patch.setattr(Collection, "upsert", full)
            with pytest.raises(UserError, match="full"):
                put(memory, "second", 1.2)
        assert memory.best(5) == [kept]
