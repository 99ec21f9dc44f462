"""Other people's machines at the front door: locale, limits, read-only folders, cores, CI variables."""

from __future__ import annotations

import errno
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.caches import default_cache
from tests.conftest import ROWS, add_candidate
from tests.front_door.test_gate import SETTLED, TRUSTED

QUICK = ("--suite", "48x48x48", "--clock-budget", "1", "--profile", "quick", "-p", "no:cacheprovider")
COMMENTED = "// Größe × 2\n" + ROWS


def judge(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return project.runpytest_subprocess(*QUICK, *SETTLED, *arguments)


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def ascii_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    """The locale C, without the rescue of PEP 538 and PEP 540."""
    monkeypatch.setenv("LC_ALL", "C")
    monkeypatch.setenv("PYTHONUTF8", "0")
    monkeypatch.setenv("PYTHONCOERCECLOCALE", "0")


@pytest.mark.slow
@pytest.mark.together
def test_everything_is_utf_8_whatever_the_locale_says(project: pytest.Pytester, ascii_locale: None) -> None:
    add_candidate(project, "größe", COMMENTED)
    result = judge(project, "candidates", "--verdicts", "v.jsonl", "--generate", "1", "--shortlist", "1")
    assert result.ret == pytest.ExitCode.OK, result.stdout.str()
    assert "Error" not in result.stdout.str()
    found = {line["candidate"]: line for line in lines(project.path / "v.jsonl")}
    assert found["größe"]["verdict"] == "Accepted"
    assert found["größe"]["path"] == "candidates/größe"
    assert len(found) == 2


@pytest.fixture
def latin_1_locale(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A locale in which every byte is a character; built here, because few systems have one installed."""
    locale = tmp_path / "en_US.ISO-8859-1"
    build = ["localedef", "-i", "en_US", "-f", "ISO-8859-1", str(locale)]
    if shutil.which("localedef") is None or subprocess.run(build, capture_output=True).returncode:
        pytest.skip("this system cannot build locales")
    monkeypatch.setenv("LOCPATH", str(tmp_path))
    monkeypatch.setenv("LC_ALL", locale.name)
    monkeypatch.setenv("PYTHONUTF8", "0")


@pytest.mark.slow
@pytest.mark.together
def test_a_kernel_is_read_as_utf_8_under_latin_1(project: pytest.Pytester, latin_1_locale: None) -> None:
    add_candidate(project, "size", COMMENTED)
    encoding = project.run(sys.executable, "-c", "import locale; print(locale.getpreferredencoding())")
    assert encoding.outlines == ["ISO-8859-1"]
    result = judge(project, "candidates/size", "--verdicts", "v.jsonl")
    assert result.ret == pytest.ExitCode.OK, result.stdout.str()
    assert [line["verdict"] for line in lines(project.path / "v.jsonl")] == ["Accepted"]


def in_shell(project: pytest.Pytester, before: str, *arguments: str) -> pytest.RunResult:
    """A session started by a shell that runs `before` first, in mount points of its own."""
    command = shlex.join([sys.executable, "-m", "pytest", *QUICK, *SETTLED, *arguments])
    return project.run("unshare", "--mount", "sh", "-c", f"{before}; exec {command}")


root = pytest.mark.skipif(
    os.geteuid() != 0 or subprocess.run(["unshare", "--mount", "true"], check=False).returncode != 0,
    reason="mounting needs the rights of root",
)


@root
@pytest.mark.parametrize(
    ("limit", "told"),
    [
        ("-v 1500000", "ulimit -v allows 1464 MiB of address space"),
        ("-n 24", "ulimit -n allows 24 open files"),
        ("-f 100", "ulimit -f allows 0 MiB per file"),
    ],
)
def test_a_limit_that_is_too_low_is_one_line(project: pytest.Pytester, limit: str, told: str) -> None:
    add_candidate(project, "lone")
    result = in_shell(project, f"ulimit {limit}", "candidates")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    said = result.stdout.str() + result.stderr.str()
    assert told in said
    assert "Traceback" not in said


@root
def test_a_soft_limit_is_raised(project: pytest.Pytester) -> None:
    add_candidate(project, "lone")
    assert in_shell(project, "ulimit -Sn 64", "candidates", "-k", "compile").ret == pytest.ExitCode.OK


# Starts pytest where seccomp refuses one system call, as the profile of a container does. Python knows no seccomp.
FILTERED = """
import ctypes, os, platform, struct, sys
MEMFD_CREATE = {"x86_64": 319, "aarch64": 279}[platform.machine()]
LOAD, JUMP_IF_EQUAL, RETURN, ALLOW, ERRNO = 0x20, 0x15, 0x06, 0x7FFF0000, 0x00050000
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
rules = [(LOAD, 0, 0, 0), (JUMP_IF_EQUAL, 0, 1, MEMFD_CREATE)]
rules += [(RETURN, 0, 0, ERRNO | int(sys.argv[1])), (RETURN, 0, 0, ALLOW)]
code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *rule) for rule in rules))
program = ctypes.create_string_buffer(struct.pack("@HP", len(rules), ctypes.addressof(code)))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
assert libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0) == 0
os.execv(sys.executable, [sys.executable, "-m", "pytest", *sys.argv[2:]])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="seccomp is Linux's")
@pytest.mark.parametrize("error", [errno.EPERM, errno.ENOSYS])
def test_a_container_that_forbids_memfd_create_is_one_line(project: pytest.Pytester, error: int) -> None:
    add_candidate(project, "lone")
    result = project.run(sys.executable, "-c", FILTERED, str(error), *QUICK, "candidates")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    said = result.stdout.str() + result.stderr.str()
    assert f"this container forbids the system call memfd_create ({os.strerror(error)})" in said
    assert "Traceback" not in said


def read_only(folder: Path) -> str:
    where = shlex.quote(str(folder))
    return f"mount --bind {where} {where} && mount -o remount,ro,bind {where}"


@root
@pytest.mark.slow
@pytest.mark.together
def test_a_cache_that_cannot_be_written_still_gives_its_tools(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_candidate(project, "lone", COMMENTED)
    private = project.path / "tmp"
    private.mkdir()
    monkeypatch.setenv("TMPDIR", str(private))
    result = in_shell(project, read_only(default_cache()), "candidates", "-k", "compile or audit")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(
        ["the cache * is read-only here: its tools are used, and * takes what is new"]
    )
    result.stdout.no_fnmatch_line("building *")
    assert list((private / f"roundtable-{os.getuid()}" / "kernels").iterdir())


# Without these rights, root is held to the mode of a folder like any other user.
BOUND = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search,-chown,-fowner"]


@root
@pytest.mark.slow
@pytest.mark.together
@pytest.mark.parametrize(("mode", "linked"), [(0o755, True), (0o700, False)])
def test_the_cache_of_another_user_gives_what_may_be_read(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, mode: int, linked: bool
) -> None:
    add_candidate(project, "lone", COMMENTED)
    private, theirs = project.path / "tmp", project.path / "theirs"
    private.mkdir()
    shutil.copytree(default_cache() / "tools", theirs / "tools")
    for path in (theirs, *theirs.rglob("*")):
        os.chown(path, 65534, 65534)
        if path.is_dir():
            path.chmod(mode if path.parent.name == "tools" else 0o755)
    if not linked:
        # The tools are built anew. With what Cargo has compiled for this checkout before, that takes seconds.
        mine = private / f"roundtable-{os.getuid()}"
        mine.mkdir(mode=0o700)
        compiled = [default_cache() / "target" / crate for crate in ("externs", "host", "inspector")]
        for crate in filter(Path.is_dir, compiled):
            shutil.copytree(crate, mine / "target" / crate.name)
    monkeypatch.setenv("TMPDIR", str(private))
    monkeypatch.setenv("ROUNDTABLE_CACHE", str(theirs))
    result = project.run(
        *BOUND, sys.executable, "-m", "pytest", *QUICK, "candidates", "-k", "compile or audit"
    )
    assert result.ret == pytest.ExitCode.OK, result.stdout.str()
    result.stdout.fnmatch_lines(
        [f"the cache {theirs} is read-only here: its tools are used, and * takes what is new"]
    )
    tools = list((private / f"roundtable-{os.getuid()}" / "tools").iterdir())
    assert tools
    assert all(tool.is_symlink() == linked for tool in tools if not tool.name.startswith("."))


@root
def test_a_cache_from_which_nothing_can_be_run_is_one_line(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_candidate(project, "lone")
    (project.path / "mnt").mkdir()
    monkeypatch.setenv("ROUNDTABLE_CACHE", str(project.path / "mnt" / "cache"))
    mount = f"mount -t tmpfs -o noexec,size=100m none {shlex.quote(str(project.path / 'mnt'))}"
    result = in_shell(project, mount, "candidates")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "noexec" in result.stderr.str() + result.stdout.str()
    assert "sandbox" not in result.stdout.str()


@root
@pytest.mark.slow
@pytest.mark.together
def test_a_read_only_checkout_is_judged_and_records_go_elsewhere(
    project: pytest.Pytester, tmp_path: Path
) -> None:
    add_candidate(project, "lone")
    result = in_shell(project, read_only(project.path), "candidates")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(
        ["not recorded: *Read-only file system*; the verdicts stand; --results FOLDER*"]
    )
    elsewhere = tmp_path / "elsewhere"
    result = in_shell(project, read_only(project.path), "candidates", "--results", str(elsewhere), *TRUSTED)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.no_fnmatch_line("not recorded*")
    (recorded,) = (elsewhere / "records").glob("*.jsonl")
    (record,) = lines(recorded)
    assert record["candidate"] == "lone"
    assert str(record["baseline"]).split()[0] == "OpenBLAS"


def test_a_wrapper_of_rustc_in_cargos_configuration_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.compile import crates
    from harness.compile.toolchain import find

    monkeypatch.setenv("RUSTC_WRAPPER", "/nonexistent/sccache")
    told = crates.cargo_environment(find(), [])
    assert told["RUSTC_WRAPPER"] == told["RUSTC_WORKSPACE_WRAPPER"] == ""


@pytest.mark.parametrize(
    "said",
    [
        "error: no matching package named `landlock` found\nlocation searched: crates.io index",
        "error: failed to get `rayon`\nCaused by: attempting to make an HTTP request, but --offline was specified",
    ],
)
def test_cargo_offline_says_to_connect_once(said: str) -> None:
    from harness.compile import crates
    from harness.errors import UserError

    problem = crates._explained(crates.HOST_CRATE, said)
    assert isinstance(problem, UserError)
    assert "connect once (without CARGO_NET_OFFLINE)" in str(problem)
