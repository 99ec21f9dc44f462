"""The study of a kernel taken home: intervals, turns, the page, and what it refuses."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from harness.errors import UserError
from harness.studies.paired_calls import FORMS, Interval, mean_interval, median_interval, turns
from harness.studies.taking_home import (
    PROGRAM,
    TakenHome,
    TakenHomeCell,
    TrainingRow,
    main,
    report,
    require_drop_in,
)


def test_the_interval_of_a_median_covers_it_in_at_least_95_of_100_samples() -> None:
    rng = np.random.default_rng(3)
    for count in (6, 9, 15, 25):
        found = [median_interval(rng.exponential(1.0, count).tolist()) for _ in range(800)]
        covered = np.mean([one.low <= np.log(2) <= one.high for one in found])
        assert covered > 0.93, count
        assert all(one.low <= one.middle <= one.high for one in found)


def test_the_interval_of_six_values_is_all_of_them() -> None:
    assert median_interval([3.0, 1.0, 2.0, 6.0, 5.0, 4.0]) == Interval(3.5, 1.0, 6.0)


def test_the_mean_of_cells_is_geometric() -> None:
    found = mean_interval([[2.0] * 9, [0.5] * 9], np.random.default_rng(1))
    assert (found.middle, found.low, found.high) == pytest.approx((1, 1, 1))


def test_every_round_has_a_turn_of_each_side_in_changing_order() -> None:
    order: list[int] = []

    def side(number: int) -> int:
        order.append(number)
        return 10 + number

    times = turns([partial(side, 0), partial(side, 1)], 40, np.random.default_rng(1))
    assert (times == [10, 11]).all()
    firsts = order[::2]
    assert 5 < sum(firsts) < 35
    assert all(order[at] != order[at + 1] for at in range(0, 80, 2))


def test_the_forms_are_those_of_the_program() -> None:
    lines = (PROGRAM / "src" / "lib.rs").read_text(encoding="utf-8")
    found = [line.strip() for line in lines.splitlines() if line.strip().startswith("form(")]
    names = {"true": "T", "false": "N"}
    shown = []
    for line in found:
        dot, a, b, beta = line.removeprefix("form(").rstrip("),").split(", ")
        kind = "dot" if dot == "true" else "general" if beta == "0.0" else "accumulate"
        shown.append(f"{kind} {names[a]}{names[b]}")
    assert tuple(shown) == FORMS


def study(low: float, high: float) -> TakenHome:
    cell = TakenHomeCell("dot NN", 64, 10.0, 12.0, Interval((low + high) / 2, low, high))
    rows = (TrainingRow("matrixmultiply", 20.0, Interval(1, 1, 1)),)
    return TakenHome((cell,), Interval(1.2, 1.1, 1.3), rows, True)


def test_the_page_names_slower_cells_and_the_load() -> None:
    page = report(study(0.90, 0.95), "a machine", "candidates/k", "load average 0.1")
    assert "Slower beyond the interval: dot NN at 64." in page
    assert "load average 0.1" in page
    assert "0.93 [0.90, 0.95]" in page or "0.92 [0.90, 0.95]" in page
    assert "~1.00 [0.90, 1.10]" in report(study(0.9, 1.1), "m", "k", "l")


@pytest.mark.parametrize(
    "text", [None, "[package]\nname = 'other'\n", "nonsense", "[package]\nname = 'matrixmultiply'\n"]
)
def test_a_folder_that_is_no_replacement_is_refused(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "Cargo.toml").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match="--as matrixmultiply"):
        require_drop_in(tmp_path)


def test_bad_usage_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 2
    assert main([str(tmp_path), "--pairs", "3"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2
