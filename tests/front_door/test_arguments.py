"""Bad input at the front door: one clear line, pytest's exit codes, no traceback."""

from __future__ import annotations

import os

import pytest

from harness.caches import default_cache
from tests.conftest import add_candidate


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--generate", "0"], "--generate takes a whole number, 1 or more; got 0"),
        (["--generate", "-3"], "--generate takes a whole number, 1 or more; got -3"),
        (["--generate", "four"], "--generate takes a whole number, 1 or more; got 'four'"),
        (["--population", "0"], "--population takes a whole number"),
        (["--min-ratio", "nan"], "--min-ratio takes a number above 0; got 'nan'"),
        (["--max-regress", "5"], "--max-regress needs --compare"),
        (["--live"], "--live shows an evolution while it goes on; it needs --generate N"),
        (["--live", "-n", "1"], "it needs --generate N"),
        (["--live-port", "8000"], "--live-port needs --live"),
        (["--generate", "1", "--live", "--live-port", "0"], "--live-port takes a whole number, 1 or more"),
        (
            ["--generate", "1", "--live", "--live-port", "65536"],
            "--live-port takes a port, 1 to 65535; got 65536",
        ),
        (["--workers", "local:1"], "--workers judges the candidates of an evolution; it needs --generate N"),
        (["--generate", "1", "--workers", "local:0"], "--workers local:0: local:N takes 1 to"),
        (["--generate", "1", "--workers", "local:999"], "usable core(s); local:N takes 1 to"),
        (
            ["--generate", "1", "--workers", "elsewhere"],
            "unknown address; allowed: local:N, or ray://HOST:PORT",
        ),
        (
            ["--model", "juggler=builtin"],
            "there is no agent 'juggler'; agents: proposer, verifier, coder, tester",
        ),
        (["--verdicts", "no/where/\0"], "verdicts"),
        (["candidates/empty"], "candidates/empty: no kernel.rs in it"),
    ],
)
def test_bad_arguments_end_in_one_line(project: pytest.Pytester, arguments: list[str], words: str) -> None:
    (project.path / "candidates" / "empty").mkdir()
    if "\0" in arguments[-1]:
        (project.path / "no").write_text("")
        arguments = ["--verdicts", "no/where"]
    result = project.runpytest_subprocess(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = result.stderr.str() + result.stdout.str()
    assert words in text
    assert "Traceback" not in text


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("pipe", "is not a regular file"),
        ("read_pipe", "is not a regular file"),
        ("candidates", "cannot be written: Is a directory"),
        ("/dev/full", "is not a regular file"),
        ("/dev/null", "is not a regular file"),
        ("/proc/verdicts.jsonl", "cannot be written: No such file"),
        ("/proc/folder/verdicts.jsonl", "cannot be written"),
        ("candidates/lone/kernel.rs", "this would overwrite a candidate"),
        ("dangling", "cannot be written: No such file"),
    ],
)
def test_verdicts_are_written_to_a_regular_file_only(
    project: pytest.Pytester, place: str, words: str
) -> None:
    kernel = add_candidate(project, "lone") / "kernel.rs"
    before = kernel.read_text()
    for pipe in ("pipe", "read_pipe"):
        os.mkfifo(project.path / pipe)
    (project.path / "dangling").symlink_to("no/such/folder")
    reader = os.open(project.path / "read_pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        result = project.runpytest_subprocess("candidates", "--verdicts", place, timeout=60)
    finally:
        os.close(reader)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = result.stderr.str() + result.stdout.str()
    assert f"{place}: {words}" in text
    assert "Traceback" not in text
    assert "policy" not in text
    assert kernel.read_text() == before


def test_a_folder_of_candidates_below_candidates_can_be_named(project: pytest.Pytester) -> None:
    add_candidate(project, "group/lone")
    result = project.runpytest_subprocess("--co", "-q", "candidates/group")
    result.stdout.fnmatch_lines(["candidates/group/lone/kernel.rs::policy"])


def test_verdicts_of_an_earlier_session_are_replaced_by_the_next_that_judges(
    project: pytest.Pytester,
) -> None:
    add_candidate(project, "lone", "")
    (project.path / "v.jsonl").write_text("old\n")
    project.runpytest_subprocess("candidates", "--co", "--verdicts", "v.jsonl")
    assert "old" in (project.path / "v.jsonl").read_text()
    project.runpytest_subprocess("candidates", "-k", "policy", "--verdicts", "v.jsonl")
    assert "old" not in (project.path / "v.jsonl").read_text()


VERDICTS_TAKEN_AWAY = """
import pathlib, pytest
@pytest.hookimpl(tryfirst=True)
def pytest_runtest_logreport(report):
    path = pathlib.Path("v.jsonl")
    if path.is_file():
        path.unlink()
        path.mkdir()
"""


def test_a_session_that_loses_verdicts_says_so_and_fails(project: pytest.Pytester) -> None:
    add_candidate(project, "lone")
    project.makepyfile(takes_away=VERDICTS_TAKEN_AWAY)
    result = project.runpytest_subprocess(
        "candidates", "-k", "policy", "--verdicts", "v.jsonl", "-p", "takes_away"
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stdout.fnmatch_lines(["--verdicts */v.jsonl: incomplete, without lone: Is a directory"])
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()


CHANGES_FOLDER = """
import os, pathlib, pytest
@pytest.hookimpl(trylast=True)
def pytest_sessionstart():
    os.chdir(pathlib.Path(__file__).parent / "candidates")
"""


@pytest.mark.parametrize("more", [[], ["-n", "1"]])
def test_a_relative_cache_is_relative_to_where_pytest_was_called(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, more: list[str]
) -> None:
    add_candidate(project, "lone")
    project.makepyfile(changes_folder=CHANGES_FOLDER)
    monkeypatch.setenv("ROUNDTABLE_CACHE", os.path.relpath(default_cache(), project.path))
    result = project.runpytest_subprocess(
        str(project.path / "candidates"), "-k", "policy or compile", "-p", "changes_folder", *more
    )
    result.assert_outcomes(passed=2, deselected=0 if more else 5)


def test_a_cache_in_the_home_of_nobody_is_reported(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROUNDTABLE_CACHE", "~no such user/cache")
    result = project.runpytest_subprocess("candidates")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "there is no such user; name a folder" in result.stderr.str()


def test_a_candidate_folder_yields_one_item_per_gate_and_imports_nothing(project: pytest.Pytester) -> None:
    folder = add_candidate(project, "lone")
    (folder / "test_evil.py").write_text("raise SystemExit('imported')")
    (folder / "sub").mkdir()
    (folder / "sub" / "test_evil.py").write_text("raise SystemExit('imported')")
    result = project.runpytest_subprocess("--co", "-q", "candidates")
    gates = ["policy", "compile", "audit", "shapes", "values", "conduct", "clock"]
    result.stdout.fnmatch_lines([f"candidates/lone/kernel.rs::{gate}" for gate in gates])
    assert result.ret == pytest.ExitCode.OK
    assert "evil" not in result.stdout.str()


CANARY = "import pathlib; (pathlib.Path(__file__).parents[{up}] / 'imported').write_text('')"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["candidates"],
        ["candidates/lone", "candidates/other"],
        ["candidates/other", "candidates/lone/kernel.rs"],
        ["candidates/other", "link"],
        ["--rootdir=candidates/lone", "--confcutdir=.", "candidates/lone", "candidates/other"],
    ],
)
def test_a_conftest_beside_a_kernel_rejects_that_candidate_and_is_never_imported(
    project: pytest.Pytester, arguments: list[str]
) -> None:
    folder = add_candidate(project, "lone")
    add_candidate(project, "other")
    (folder / "tests").mkdir()
    for up, place in enumerate((folder, folder / "tests"), start=2):
        (place / "conftest.py").write_text(CANARY.format(up=up))
    if "link" in arguments:
        (project.path / "link").symlink_to(folder)
    result = project.runpytest_subprocess("-k", "policy", "-p", "no:cacheprovider", *arguments)
    assert not list(project.path.rglob("imported"))
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=1, failed=1, deselected=12)
    result.stdout.fnmatch_lines(
        ["*: */conftest.py: a candidate's folder holds kernel.rs and candidate.toml only*"]
    )


@pytest.mark.parametrize("argument", ["candidates/lone/tests", "link", "candidates/lone/tests/test_x.py"])
def test_a_conftest_below_a_kernel_is_not_imported_when_its_folder_is_named(
    project: pytest.Pytester, argument: str
) -> None:
    tests = add_candidate(project, "lone") / "tests"
    tests.mkdir()
    (tests / "conftest.py").write_text(CANARY.format(up=3))
    (tests / "test_x.py").write_text("")
    (project.path / "link").symlink_to(tests)
    result = project.runpytest_subprocess("--co", argument)
    assert not list(project.path.rglob("imported"))
    assert "Traceback" not in result.stdout.str() + result.stderr.str()


@pytest.mark.parametrize(
    "collect", [["--co"], ["--co", "-k", "clock"], ["--co", "-m", "perf"], ["--co", "-m", "not perf"]]
)
def test_items_can_be_selected_with_pytests_own_options(project: pytest.Pytester, collect: list[str]) -> None:
    add_candidate(project, "lone")
    result = project.runpytest_subprocess(*collect, "-q", "candidates")
    shown = [line for line in result.stdout.lines if "::" in line]
    expected = 7 if len(collect) == 1 else 6 if "not perf" in collect else 1
    assert len(shown) == expected


def test_works_without_xdist_which_the_base_package_does_not_install(project: pytest.Pytester) -> None:
    add_candidate(project, "lone")
    result = project.runpytest_subprocess("--co", "-q", "-p", "no:xdist", "candidates")
    assert result.ret == pytest.ExitCode.OK
    assert len([line for line in result.stdout.lines if "::" in line]) == 7


def test_help_names_every_option_with_its_default(project: pytest.Pytester) -> None:
    text = project.runpytest_subprocess("--help").stdout.str()
    section = text[text.index("round table: evolve kernels") :].partition("[pytest] ")[0]
    for option in (
        "--generate",
        "--threads",
        "--suite",
        "--verdicts",
        "--unsandboxed",
        "--memory",
        "--model",
        "--profile",
    ):
        assert option in section
    assert section.count("default") >= 20


@pytest.mark.parametrize("name", ["new\nline\x1b[31m", os.fsdecode(b"\xff\xfebytes"), "\u202eabc"])
def test_a_folders_name_is_escaped_before_it_reaches_the_terminal(
    project: pytest.Pytester, name: str
) -> None:
    add_candidate(project, name)
    options = ["-vv", "-p", "no:cacheprovider", "--verdicts", "v.json", "--junitxml", "j.xml"]
    result = project.runpytest_subprocess(*options, "candidates")
    text = result.stdout.str() + result.stderr.str()
    assert "Traceback" not in text
    assert "INTERNALERROR" not in text
    assert "rename the folder" in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "\nline" not in text
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "rename the folder" in (project.path / "v.json").read_text(encoding="utf-8")


def test_an_ini_file_in_a_candidates_folder_is_refused(project: pytest.Pytester) -> None:
    pytest.importorskip("harness")
    folder = add_candidate(project, "lone")
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --co\n")
    # When installed, the plugin is loaded before any conftest; the flag replaces the entry point.
    result = project.runpytest_subprocess("-p", "harness.front_door.plugin", "candidates/lone")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "a candidate's folder cannot configure pytest" in result.stderr.str()
    named = project.runpytest_subprocess("-c", "pyproject.toml", "--co", "-q", "candidates/lone")
    assert named.ret == pytest.ExitCode.OK
