"""What an evolution says before it begins, on a usual machine, a busy one and one without a known vector unit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness import machine as machines
from harness.front_door.first_words import first_words, latest_s_per_kernel, resume_command, unusual
from harness.machine import Machine
from harness.operation.operations import OperationName
from harness.settings import Settings
from tests.report.stories import REJECTIONS, accepted, write_run

KNOWN = Machine("a CPU", "x86_64", "Linux", ("avx2", "fma"), 32 << 10, 512 << 10, 8 << 20, (0, 1))


def settings(folder: Path, **changes: object) -> Settings:
    plain = Settings(root=folder, cache=folder, results=folder / "results", memory="", generate=4)
    return replace(plain, **changes)  # type: ignore[arg-type]


def test_it_says_what_happens_and_how_long_it_takes(tmp_path: Path) -> None:
    (plan, *_) = first_words(settings(tmp_path), KNOWN)
    assert plan == (
        "round table: builtin proposes 4 kernels, each is judged and timed against BLAS; about 2 minutes on a quiet "
        "machine; Ctrl-C loses nothing (--resume)"
    )
    (plan, *_) = first_words(settings(tmp_path, generate=1), KNOWN)
    assert plan.startswith(
        "round table: builtin proposes 1 kernel, which is judged and timed against BLAS; about 40 s"
    )
    (plan, *_) = first_words(settings(tmp_path, models={"*": "a.gguf"}), KNOWN)
    assert "a.gguf proposes 4 kernels" in plan
    assert "the time left is told after the first" in plan, "no time is claimed that was not measured"


def test_the_time_is_that_of_the_latest_run_under_the_same_conditions(tmp_path: Path) -> None:
    here = settings(tmp_path)
    write_run(here.results, [accepted(1.0), REJECTIONS[0]], run="60aaaa")
    write_run(here.results, [accepted(1.0)], run="60bbbb", suite="square")
    assert latest_s_per_kernel(here.results, here) == 60.0
    assert "about 4 minutes, as in the latest run like this" in first_words(here, KNOWN)[0]
    assert latest_s_per_kernel(here.results, replace(here, models={"*": "a.gguf"})) is None


@pytest.mark.parametrize(
    ("changes", "load", "told"),
    [
        ({}, 0.4, []),
        ({}, None, []),
        ({}, 1.6, ["machine: busy, load 1.6 on 2 cores: timings take longer and may be too noisy to count"]),
        (
            {"isa": (), "cpu": "unknown CPU"},
            0.4,
            [
                "machine: unknown CPU has no vector unit that the templates know (AVX2 with FMA, or AVX-512): kernels "
                "are plain Rust"
            ],
        ),
    ],
)
def test_an_unusual_machine_has_its_line(
    changes: dict[str, object], load: float | None, told: list[str]
) -> None:
    assert unusual(replace(KNOWN, **changes), load) == told  # type: ignore[arg-type]


def test_the_load_is_a_number_where_the_system_tells_it() -> None:
    found = machines.load()
    assert found is None or found >= 0


def test_the_command_that_goes_on_keeps_the_operation(tmp_path: Path) -> None:
    assert resume_command(settings(tmp_path)) == "pytest --generate 4 --resume"
    sgemm = settings(tmp_path, operation=OperationName("sgemm"))
    assert resume_command(sgemm) == "pytest --generate 4 --resume --operation sgemm"
