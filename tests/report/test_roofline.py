"""The roofline and its ceilings, the map of schedules, drawings of counterexamples, libraries in the heat map."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.judge.reference import first_wrong, wrong_blocks
from harness.report.heat_map import LOST
from harness.report.libraries import measured
from harness.report.page import page
from harness.report.roofline import Roof, intensity, peak_gflops, roofline, roofs
from harness.report.schedule_map import knobs_of, schedule_map, tried, varied
from harness.report.wrong_elements import summary
from harness.shapes import Shape
from harness.verdict import Accepted, Ceilings, Counterexample, Wrong
from tests.report.stories import CEILINGS, HEAD, REJECTIONS, accepted, forty, story_of

BASELINE = accepted(1.0).score.baseline


def section(text: str, name: str) -> str:
    return text.partition(f'id="{name}"')[2].partition("</section>")[0]


def test_intensity_is_flop_per_byte_of_three_matrices_moved_once() -> None:
    assert intensity(Shape(64, 64, 64)) == pytest.approx(2 * 64**3 / (3 * 4 * 64**2))
    assert intensity(Shape(1, 1024, 1)) == pytest.approx(2 * 1024 / (4 * 2049))
    assert intensity(Shape(0, 4, 0)) == 0.0


def test_a_level_that_is_not_slower_than_the_one_before_is_no_roof_of_its_own() -> None:
    assert [roof.name for roof in roofs(CEILINGS)] == ["L1", "L2", "L3", "memory"]
    odd = Ceilings(100.0, 200.0, 198.0, 60.0, 61.0)
    assert roofs(odd) == [Roof("L1", 200.0), Roof("L3", 60.0)]
    assert roofs(None) == []


def test_the_roofline_has_ceilings_kernels_and_blas_at_every_shape(tmp_path: Path) -> None:
    story = story_of(tmp_path, [accepted(1.1), accepted(1.0), REJECTIONS[0]])
    found = roofline(story)
    assert found is not None
    assert found.picture.count('class="roof slope"') == 4
    assert re.findall(r">(?:L1|L2|L3|memory) \d+ GB/s<", found.picture) == [
        ">L1 197 GB/s<", ">L2 110 GB/s<", ">L3 62 GB/s<", ">memory 24 GB/s<"
    ]  # fmt: skip
    assert "FMA peak 103 GFLOP/s, 1 thread" in found.picture
    assert found.picture.count('data-to="k1-') == found.picture.count('data-to="k2-') == 5
    assert found.picture.count("OpenBLAS 0.3 (Haswell) at ") == 5
    first = found.rows[0]
    assert first[1:] == [
        "64x64x64",
        "10.67",
        "80.0",
        f"{80 / 1.43:.1f}",
        "78",
        f"{100 * 80 / (10.667 * 23.5):.0f}",
    ]
    assert len(found.rows) == 10


def test_a_run_from_before_the_ceilings_has_the_peak_of_its_verdicts_only(tmp_path: Path) -> None:
    old = replace(accepted(1.1), score=replace(accepted(1.1).score, ceilings=None))
    assert peak_gflops(old.score) == pytest.approx(80 / 0.78)
    found = roofline(story_of(tmp_path, [old]))
    assert found is not None
    assert found.picture.count('class="roof slope"') == 0
    assert "judge a kernel again" in found.caption
    assert roofline(story_of(tmp_path / "none", [REJECTIONS[0]])) is None


def test_marks_of_the_roofline_are_inside_whatever_the_shapes(tmp_path: Path) -> None:
    shapes = (
        Shape(1, 4096, 4096),
        Shape(4096, 1, 1),
        Shape(8192, 8192, 8192),
        Shape(3, 3, 3),
        Shape(0, 3, 3),
    )
    plain = accepted(1.0)
    timings = [
        replace(timing, shape=shape, time_ns=max(1.0, shape.flops / 9.0), baseline_time_ns=5e3, gflops=9.0)
        for timing, shape in zip(plain.score.per_shape, shapes, strict=True)
    ]
    found = roofline(story_of(tmp_path, [Accepted(replace(plain.score, per_shape=tuple(timings)), "unsafe")]))
    assert found is not None
    assert len(found.rows) == 4, "a product without work has no intensity"
    places = re.findall(r'<circle cx="([\d.-]+)" cy="([\d.-]+)"', found.picture)
    assert places
    assert all(0 <= float(x) <= 664 and 0 <= float(y) <= 372 for x, y in places)


def test_the_schedule_map_has_every_try_of_every_knob_that_was_varied(tmp_path: Path) -> None:
    story = story_of(tmp_path, [accepted(1.0), accepted(1.2), accepted(0.9), REJECTIONS[0]])
    assert len(tried(story)) == 8
    knobs = {knob.name: knob for knob in varied(tried(story))}
    assert set(knobs) == {"kc", "tile"}
    assert list(knobs["kc"].trials) == ["128", "256", "512", "768", "1024"], "in the order of numbers"
    assert list(knobs["tile"].trials) == ["4x16", "6x16"]
    assert knobs["tile"].best("4x16") == 1.2
    assert knobs["kc"].best("128") is None
    found = schedule_map(story)
    assert found is not None
    rows = {(row[0], row[1]): row[2:] for row in found.rows}
    assert rows["kc", "512"][:4] == ["1", "1.200", "1.200", "0"]
    assert rows["kc", "768"] == ["4", "0.900", "0.900", "0", ""], "timed briefly, by no judged kernel"
    assert rows["kc", "128"][1:4] == ["", "", "1"]
    assert "family packed" in found.caption
    assert found.picture.count("<svg") == 2
    assert schedule_map(story_of(tmp_path / "none", [REJECTIONS[0]], schedule={"kc": 768})) is None


@pytest.mark.parametrize(
    "schedule", [None, "text", 7, [1], {}, {"bilinear": "x", "kc": {"a": 1}}, {1: 2}, {"mr": None, "nr": []}]
)
def test_what_is_no_schedule_has_no_knobs_and_breaks_nothing(schedule: object) -> None:
    assert all(isinstance(value, str) for value in knobs_of(schedule).values())


def test_knobs_of_a_recursion_stand_beside_those_of_its_inner_kernel() -> None:
    recursion = {"scheme": "strassen", "levels": 2, "cutoff": 768, "inner": "packed"}
    found = knobs_of({"family": "bilinear", "mr": 6, "nr": 16, "kc": 512, "unroll": 4, "bilinear": recursion})
    assert found == {
        "family": "bilinear", "tile": "6x16", "kc": "512", "scheme": "strassen", "levels": "2", "cutoff": "768"
    }  # fmt: skip


def test_blocks_show_where_c_is_wrong() -> None:
    ok = np.ones((3, 4), dtype=bool)
    ok[2] = False
    assert wrong_blocks(ok) == ("....", "....", "####")
    large = np.ones((100, 70), dtype=bool)
    large[:, 69] = False
    blocks = wrong_blocks(large)
    assert len(blocks) <= 16
    assert {len(row) for row in blocks} == {24}
    assert {row[-1] for row in blocks} == {"#"}, "the last block has one column, all wrong"
    assert set("".join(row[:-1] for row in blocks)) == {"."}
    got = np.zeros((2, 3), dtype=np.float32)
    want = got.copy()
    want[0, 1] = 1
    found = first_wrong(got, got == want, want, "integer data")
    assert found is not None
    assert (found.row, found.col, found.blocks) == (0, 1, (".#.", "..."))


def test_a_wrong_kernel_is_drawn_with_its_blocks(tmp_path: Path) -> None:
    text = section(page(story_of(tmp_path, [REJECTIONS[1], accepted(1.0)])), "rejected")
    assert text.count('class="cell right"') == 6
    assert text.count('class="cell partly"') == 2
    assert text.count('class="cell wrong"') == 3, "one block, and a half of two"
    assert "C is 3x5; a square is 1x2" in text
    assert "1 wrong and 2 partly wrong of 9 blocks" in text
    assert summary(Counterexample("exact", "", blocks=("..", ".."))) == "none wrong of 4 blocks"
    bare = Wrong(Counterexample("freivalds", "one row"), REJECTIONS[1].at)  # type: ignore[union-attr]
    assert "Which elements of C" not in page(story_of(tmp_path / "bare", [bare]))


def bench_file(folder: Path, fingerprint: str = HEAD.fingerprint, baseline: str = BASELINE) -> Path:
    cells = [
        {"name": name, "shape": shape, "ratio": ratio, "low": ratio - 0.01, "high": ratio + 0.01,
         "percent_of_peak": 70.0, "evolved": evolved, "suite": "square"}
        for name, shape, ratio, evolved in (
            ("faer", "64x64x64", 1.6, False),
            ("faer", "2048x2048x2048", 1.0, False),
            ("run6", "64x64x64", 9.0, True),
        )
    ]  # fmt: skip
    path = folder / "bench.json"
    record = {"machine": {"fingerprint": fingerprint}, "baseline": baseline, "cells": cells}
    path.write_text(json.dumps(record))
    return path


def test_libraries_of_this_machine_stand_below_the_kernels_and_lost_cells_are_marked(tmp_path: Path) -> None:
    bench_file(tmp_path)
    heat = section(page(story_of(tmp_path / "local", [accepted(1.1)])), "heat")
    assert "faer" in heat
    assert "run6" not in heat
    assert "lost to faer" in heat
    assert heat.count(LOST) == 4, "the explanation, then faer at 64, BLAS at 512 and 1024"


def test_libraries_of_other_machines_or_baselines_or_broken_files_are_left_out(tmp_path: Path) -> None:
    path = bench_file(tmp_path)
    assert [one.name for one in measured(path, HEAD.fingerprint, BASELINE)] == ["faer", "faer"]
    assert measured(path, "another", BASELINE) == ()
    assert measured(path, HEAD.fingerprint, "MKL") == ()
    for text in ("", "[]", "{}", '{"machine": 1}', path.read_text().replace("ratio", "r")):
        path.write_text(text)
        assert measured(path, HEAD.fingerprint, BASELINE) == ()
    assert measured(tmp_path / "gone.json", HEAD.fingerprint, BASELINE) == ()


def test_forty_kernels_have_all_views(tmp_path: Path) -> None:
    text = page(story_of(tmp_path, forty()))
    for name in ("roofline", "schedule-map", "heat", "rejected"):
        assert f'id="{name}"' in text
    assert "18 more are left out" in section(text, "roofline")
