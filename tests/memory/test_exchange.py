"""Export and import: kernels keep their fingerprint; an invalid file imports nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import HarnessFaultError, UserError
from harness.memory import exchange, kernel_record
from harness.memory.__main__ import main
from harness.memory.kernel_record import KernelRecord
from harness.memory.kernels import open_memory
from tests.memory.samples import LAKE, ZEN, accepted

ONE = kernel_record.build(
    accepted(0.8),
    name="k1",
    source="// é\u2028\n",
    machine=LAKE,
    toolchain="rustc 1.95",
    suite="default",
    parents=("a", "b"),
)
FINITE = st.floats(1e-3, 1e3)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(max_size=20)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, max_examples=100)
@given(
    st.text(max_size=200), st.dictionaries(st.text(max_size=8), JSON, max_size=4), FINITE, st.integers(1, 64)
)
def test_a_record_survives_its_json(
    source: str, proposal: dict[str, object], ratio: float, threads: int
) -> None:
    try:
        source.encode()
    except UnicodeEncodeError:
        source = "surrogate"
    kernel = replace(ONE, source=source, proposal=proposal, ratio=ratio, ratio_low=ratio / 2, threads=threads)
    kernel = replace(kernel, ratio_high=ratio * 2)
    assert kernel_record.parse(kernel.to_json(), "here") == kernel


def test_two_machines_share_their_kernels(tmp_path: Path) -> None:
    file = tmp_path / "kernels.jsonl"
    with open_memory(str(tmp_path / "theirs")) as theirs:
        theirs.put([ONE, replace(ONE, name="k2", source="// 2")])
        assert exchange.export_kernels(theirs, file) == 2
    with open_memory(str(tmp_path / "ours")) as ours:
        mine = ours.record(accepted(0.5), name="m", source="// m", machine=ZEN, toolchain="", suite="")
        assert exchange.import_kernels(ours, file) == 2
        assert exchange.import_kernels(ours, file) == 0
        assert ours.count() == 3
        assert ours.get("k1") == ONE
        assert ours.get("k1").machine == LAKE.fingerprint
        # Kernels measured on this kind of machine come first, although the others are faster on theirs.
        assert ours.best(3, ZEN.machine_class)[0] == mine


def test_the_newer_measurement_wins_whichever_way_it_comes(tmp_path: Path) -> None:
    older = replace(ONE, when_utc="2020-01-01T00:00:00.000000+00:00", ratio_low=0.1)
    with open_memory(str(tmp_path)) as memory:
        memory.put([ONE])
        assert memory.reconcile([older]) == 0
        assert memory.get("k1") == ONE
    with open_memory(str(tmp_path / "other")) as memory:
        memory.put([older])
        assert memory.reconcile([ONE, older]) == 1
        assert memory.get("k1") == ONE
        assert memory.reconcile([ONE, older]) == 0


def broken(**changes: object) -> str:
    return json.dumps(json.loads(ONE.to_json()) | changes)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{half", "not JSON"),
        ("[" * 200_000, "nested too deeply"),
        ("[]", "a JSON object is expected"),
        (broken(format=99), "format 99; this version reads format 1"),
        (broken(colour=1), "unknown key 'colour'"),
        (broken(ratio="fast"), "ratio: Input should be a valid number"),
        (broken(ratio_low=2.0), "in order"),
        (broken(ratio=-1.0), "positive"),
        (broken(threads=0), "threads is 0"),
        (broken(when_utc="yesterday"), "when_utc"),
        (broken(when_utc="2026-01-01T00:00:00"), "when_utc"),
        (broken(name="evil\x1b[2J"), "printable"),
        (broken(source="x" * (2 << 20)), "larger than 1 MiB"),
        (broken(per_shape=[{"shape": [1, 2]}]), "per_shape"),
        (ONE.to_json().replace('"ratio": 0.8', '"ratio": NaN'), "not JSON"),
        (ONE.to_json().replace('"ratio": 0.8', '"ratio": 1e999'), "too large"),
    ],
)
def test_one_bad_line_and_nothing_is_imported(tmp_path: Path, line: str, why: str) -> None:
    file = tmp_path / "kernels.jsonl"
    file.write_text(ONE.to_json() + "\n\n" + line + "\n")
    with open_memory(str(tmp_path / "memory")) as memory:
        with pytest.raises(UserError, match=r"kernels\.jsonl:3: ") as caught:
            exchange.import_kernels(memory, file)
        assert why in str(caught.value)
        assert "\n" not in str(caught.value)
        assert memory.count() == 0


def test_values_that_json_cannot_represent_are_a_harness_fault() -> None:
    with pytest.raises(HarnessFaultError, match="not recordable"):
        kernel_record.build(
            accepted(0.5),
            name="x",
            source="",
            machine=ZEN,
            toolchain="",
            suite="",
            proposal={"path": Path("x")},
        )
    assert isinstance(ONE, KernelRecord)


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store, file = str(tmp_path / "memory"), tmp_path / "k.jsonl"
    file.write_text(ONE.to_json() + "\n")
    assert main(["import", str(file), "--memory", store]) == 0
    assert "imported 1 kernels" in capsys.readouterr().out
    assert main(["export", str(tmp_path / "out.jsonl"), "--memory", store]) == 0
    assert (tmp_path / "out.jsonl").read_text() == file.read_text()
    assert main(["status", "--memory", store]) == 0
    assert "best k1 0.800 × BLAS" in capsys.readouterr().out
    assert main(["import", str(tmp_path / "absent"), "--memory", str(tmp_path / "never")]) == 2
    assert "give a file written by export" in capsys.readouterr().err
    assert not (tmp_path / "never").exists()
    assert main(["export", str(tmp_path / "no" / "out"), "--memory", store]) == 2
    assert "cannot be written" in capsys.readouterr().err
