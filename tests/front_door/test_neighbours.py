"""Beside other plugins and in other people's projects: names that clash, folders that happen to hold a kernel.rs."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.installed import round_table
from tests.conftest import ROOT, add_candidate

OURS = "harness.front_door.plugin"
NEIGHBOUR = """
def pytest_addoption(parser):
    parser.getgroup("profiling").addoption("--profile", action="store_true", help="as pytest-profiling has it")
    parser.addoption("--replay", dest="replay_record_dir", default=None, help="as pytest-replay has it")

def pytest_configure(config):
    print("neighbour:", config.option.profile, config.option.replay_record_dir)
"""


@pytest.mark.parametrize("order", [("neighbour", OURS), (OURS, "neighbour")])
def test_a_neighbour_with_the_same_options_keeps_them(
    project: pytest.Pytester, order: tuple[str, str]
) -> None:
    add_candidate(project, "lone")
    project.makepyfile(neighbour=NEIGHBOUR)
    plugins = [word for name in order for word in ("-p", name)]
    theirs = (
        "--profile",
        "--replay",
        "runs",
        "--roundtable-profile",
        "thorough",
        "--roundtable-suite",
        "odd",
    )
    result = project.runpytest_subprocess(*plugins, *theirs, "candidates", "--collect-only", "-q")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["neighbour: True runs"])
    wrong = project.runpytest_subprocess(*plugins, "--roundtable-profile", "hasty", "candidates")
    assert wrong.ret == pytest.ExitCode.USAGE_ERROR
    assert "quick" in wrong.stderr.str()


def test_both_names_of_an_option_work_where_nobody_else_wants_the_short_one(project: pytest.Pytester) -> None:
    add_candidate(project, "lone")
    for name in ("--profile", "--roundtable-profile"):
        assert (
            project.runpytest_subprocess(name, "quick", "candidates", "--co", "-q").ret == pytest.ExitCode.OK
        )
    result = project.runpytest_subprocess("--help")
    result.stdout.fnmatch_lines(["*--profile={quick,default,thorough}, --roundtable-profile=*"])


@pytest.fixture
def foreign(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Somebody else's project: a kernel.rs beside tests that need their own conftest.py, and the plugin installed."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    folder = pytester.mkdir("gpu")
    (folder / "kernel.rs").write_text("fn main() {}\n")
    (folder / "conftest.py").write_text("import pytest\n@pytest.fixture\ndef size(): return 3\n")
    (folder / "test_size.py").write_text("def test_size(size): assert size == 3\n")
    pytester.makeini("[pytest]\n")
    return pytester


@pytest.mark.parametrize("where", [".", "gpu"])
def test_another_project_keeps_its_tests(foreign: pytest.Pytester, where: str) -> None:
    result = foreign.runpytest_subprocess("-p", OURS, where, "-v")
    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("machine:*")


def test_an_ini_file_beside_a_foreign_kernel_is_allowed(foreign: pytest.Pytester) -> None:
    (foreign.path / "gpu" / "pytest.ini").write_text("[pytest]\n")
    result = foreign.runpytest_subprocess("-p", OURS, "--rootdir", "gpu", "-c", "gpu/pytest.ini", "gpu")
    assert result.ret == pytest.ExitCode.OK


def test_judging_elsewhere_says_where_it_works(foreign: pytest.Pytester) -> None:
    result = foreign.runpytest_subprocess("-p", OURS, "--generate", "1")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "roundtable = true" in result.stderr.str()


@pytest.mark.parametrize(
    ("name", "text", "ours"),
    [
        ("pytest.ini", "[pytest]\nroundtable = true\n", True),
        ("pyproject.toml", "[tool.pytest.ini_options]\nroundtable = true  # kernels\n", True),
        ("pyproject.toml", '[tool.pytest.ini_options]\nroundtable = "yes"\n', True),
        ("pytest.ini", "[pytest]\nroundtable = false\n", False),
        ("pytest.ini", "[pytest]\nroundtable_suite = odd\n", False),
        ("conftest.py", f'pytest_plugins = ["{OURS}"]\n', True),
        ("conftest.py", "import harness\n", False),
    ],
)
def test_a_round_table_says_so(tmp_path: Path, name: str, text: str, ours: bool) -> None:
    (tmp_path / name).write_text(text)
    assert round_table.is_round_table(tmp_path) == ours
    assert round_table.is_inside(tmp_path / "candidates" / "run0") == ours


def test_a_project_that_says_so_judges(foreign: pytest.Pytester) -> None:
    foreign.makeini("[pytest]\nroundtable = true\n")
    result = foreign.runpytest_subprocess("-p", OURS, "--collect-only", "-q")
    result.stdout.fnmatch_lines(["gpu/kernel.rs::policy", "gpu/kernel.rs::clock"])
