"""The compiler's jail: what it allows and what it denies, and that it fails closed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.host.support import WRAPPER, host
from tests.host.test_lifetime import gone, soon

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
SYSTEM = [path for path in ("/usr", "/bin", "/lib", "/lib64") if Path(path).exists()]


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Path]:
    """The folder in which the jail may write."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    yield folder
    assert soon(lambda: not leftovers(folder)), leftovers(folder)


def leftovers(folder: Path) -> list[str]:
    """Processes whose working directory is `folder`."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if entry.resolve() == folder and not gone(int(entry.parent.name)):
                found.append(entry.parent.name)
        except OSError:
            continue
    return found


def jailed(scratch: Path, *program: str, limits: tuple[str, ...] = ()) -> list[str]:
    """The command line of a jail around `program`."""
    places = [part for path in SYSTEM for part in ("--exec", path)]
    return [str(host()), "jail", *places, "--write", str(scratch), *limits, "--", *program]


def run(
    scratch: Path, *program: str, limits: tuple[str, ...] = (), **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run `program` in a jail."""
    return subprocess.run(
        jailed(scratch, *program, limits=limits),
        cwd=scratch,
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def shell(scratch: Path, script: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a shell script in a jail."""
    return run(scratch, "/bin/sh", "-c", script, **more)


def test_rustc_and_its_linker_work_inside(scratch: Path) -> None:
    sysroot = subprocess.run(
        ["rustc", "--print", "sysroot"], capture_output=True, text=True, check=True
    ).stdout.strip()
    (scratch / "kernel.rs").write_text(WRAPPER + "right(m, k, n, a, b, c) }")
    flags = ["--edition=2021", "--crate-type=cdylib", "-Cpanic=abort", "kernel.rs", "-o", "made.so"]
    command = jailed(
        scratch, f"{sysroot}/bin/rustc", *flags, limits=("--memory", str(4 << 30), "--cpu", "60")
    )
    command[2:2] = ["--exec", sysroot, "--read", "/etc/ld.so.cache", "--fsize", str(256 << 20)]
    told = {"PATH": os.environ["PATH"], "TMPDIR": str(scratch)}
    done = subprocess.run(command, cwd=scratch, env=told, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (scratch / "made.so").stat().st_size > 0


def test_exit_codes_and_output_pass_through(scratch: Path) -> None:
    done = shell(scratch, "echo out; echo err >&2; exit 7")
    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 7)


def test_files_outside_are_neither_read_nor_written(scratch: Path, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    canary.write_text("4242")
    script = (
        f"cat {canary}; echo x > {canary}; touch {tmp_path}/made; touch inside; rm {canary}; ls {tmp_path}"
    )
    control = subprocess.run(["/bin/sh", "-c", f"cat {canary}"], capture_output=True, text=True, check=False)
    assert control.stdout == "4242"
    done = shell(scratch, script)
    assert "4242" not in done.stdout
    assert canary.read_text() == "4242"
    assert not (tmp_path / "made").exists()
    assert (scratch / "inside").exists()


def test_what_was_written_cannot_be_executed(scratch: Path) -> None:
    script = "cp /bin/true own && chmod +x own && ./own"
    assert subprocess.run(["/bin/sh", "-c", script], cwd=scratch, check=False).returncode == 0
    assert shell(scratch, script).returncode != 0


def test_the_environment_is_scrubbed(scratch: Path) -> None:
    done = shell(scratch, "env", SECRET="x", HOME="/root", TMPDIR="/somewhere")
    names = {line.partition("=")[0] for line in done.stdout.splitlines()}
    assert "TMPDIR" in names
    assert not names & {"SECRET", "HOME"}


@pytest.mark.parametrize("family", ["AF_INET", "AF_INET6", "AF_UNIX"])
@pytest.mark.parametrize("kind", ["SOCK_STREAM", "SOCK_DGRAM"])
def test_no_network(scratch: Path, family: str, kind: str) -> None:
    program = f"import socket as s; s.socket(s.{family}, s.{kind}); print('open')"
    python = Path(sys.executable).resolve()
    command = jailed(scratch, str(python), "-Sc", program)
    command[2:2] = ["--exec", str(python.parent.parent)]
    assert (
        "open"
        in subprocess.run([str(python), "-Sc", program], capture_output=True, text=True, check=False).stdout
    )
    done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False)
    assert "PermissionError" in done.stderr, done.stderr


def test_signals_and_new_sessions_are_refused(scratch: Path) -> None:
    parent = os.getpid()
    assert shell(scratch, f"kill -0 {parent}").returncode != 0
    assert shell(scratch, "setsid true").returncode != 0


@pytest.mark.parametrize(
    ("limit", "script", "number"),
    [
        (("--cpu", "1"), "while :; do :; done", signal.SIGXCPU),
        (("--fsize", "4096"), "exec head -c 100000 /dev/zero > big", signal.SIGXFSZ),
    ],
)
def test_limits_end_the_program_and_the_status_says_so(
    scratch: Path, limit: tuple[str, ...], script: str, number: int
) -> None:
    assert run(scratch, "/bin/sh", "-c", script, limits=limit).returncode in (-number, 128 + number)


def test_the_memory_limit_holds(scratch: Path) -> None:
    eat = "x=$(head -c 300000000 /dev/zero | tr '\\0' x); echo ${#x}"
    done = run(scratch, "/bin/sh", "-c", eat, limits=("--memory", str(100 << 20)))
    assert "300000000" not in done.stdout


def test_processes_left_behind_are_killed(scratch: Path) -> None:
    started = time.monotonic()
    done = shell(scratch, "(sleep 60 & sleep 60 &) ; sleep 60 & exit 5")
    assert done.returncode == 5
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("victim", ["parent", "jail"])
def test_killing_the_parent_or_the_jail_leaves_nothing(
    scratch: Path, how: signal.Signals, victim: str
) -> None:
    command = jailed(scratch, "/bin/sh", "-c", "sleep 61 & sleep 61; true")
    program = "import subprocess, sys; p = subprocess.Popen(sys.argv[1:]); print(p.pid, flush=True); p.wait()"
    parent = subprocess.Popen([sys.executable, "-c", program, *command], cwd=ROOT, stdout=subprocess.PIPE)
    try:
        assert parent.stdout is not None
        jail = int(parent.stdout.readline())
        # Two supervisors, the shell and a sleeper; a process that is just being forked appears a moment later.
        assert soon(lambda: len(group(jail)) >= 4)
        session = group(jail)
        os.kill(parent.pid if victim == "parent" else jail, how)
        assert soon(lambda: all(gone(pid) for pid in session)), [pid for pid in session if not gone(pid)]
    finally:
        parent.kill()
        parent.wait()
        if parent.stdout is not None:
            parent.stdout.close()


def group(leader: int) -> list[int]:
    """All processes of a process group."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(stat.read_text().rpartition(")")[2].split()[2]) == leader:
                found.append(int(stat.parent.name))
        except (OSError, IndexError):
            continue
    return found


def test_a_sandbox_that_cannot_be_set_up_is_125_and_one_line(scratch: Path) -> None:
    """Inside a jail, another jail may not install its filter."""
    inner = [str(host()), "jail", "--exec", "/", "--", "/bin/true"]
    command = jailed(scratch, *inner)
    command[2:2] = ["--exec", str(host().parent)]
    done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False)
    assert done.returncode == 125
    assert done.stderr.startswith("roundtable-host: sandbox: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("program", [("/no/such/program",), ()])
def test_a_program_that_cannot_be_started_is_reported(scratch: Path, program: tuple[str, ...]) -> None:
    done = run(scratch, *program)
    assert done.returncode in (122, 125)
    assert done.stderr.startswith("roundtable-host: ")


WRONG = [
    [],
    ["dance"],
    ["jail", "--memory", "lots", "--", "/bin/true"],
    ["jail", "--read"],
    ["run", "--abi", "x"],
]


@pytest.mark.parametrize("words", WRONG)
def test_a_wrong_command_line_is_one_line(words: list[str]) -> None:
    done = subprocess.run([str(host()), *words], capture_output=True, text=True, check=False)
    assert done.returncode == 122
    assert done.stderr.startswith("roundtable-host: ")
    assert done.stderr.count("\n") == 1


def test_the_probe_tells_what_is_possible() -> None:
    done = subprocess.run([str(host()), "probe"], capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    assert told["usable"] == (told["landlock"] > 0 and told["seccomp"])
    assert bool(told["reason"]) != told["usable"]


WITHOUT = """
import ctypes, struct, sys
from tests.host.support import *
from harness.errors import SandboxError
# A classic BPF program: the forbidden call gives ENOSYS, as on a kernel without it; everything else passes.
numbers = [int(word) for word in sys.argv[1].split(",")]
code = struct.pack("HBBI", 0x20, 0, 0, 0)
for number in numbers:
    code += struct.pack("HBBI", 0x15, 0, 1, number) + struct.pack("HBBI", 0x06, 0, 0, 0x00050000 | 38)
code += struct.pack("HBBI", 0x06, 0, 0, 0x7fff0000)
host(), library(NAIVE)
libc = ctypes.CDLL(None)
buffer = ctypes.create_string_buffer(code)
program = struct.pack("HxxxxxxQ", len(code) // 8, ctypes.addressof(buffer))
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, program) == 0
try:
    with worker(): print("started")
except SandboxError as error:
    print("refused:", error)
with worker(sandboxed=False) as w:
    slots = w.slots([SMALL], Placement.RIGHT)
    fill(slots)
    print(type(w.run(slots, at=AT, limit_s=10)).__name__)
"""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="seccomp's number is that of x86-64")
@pytest.mark.parametrize(("missing", "says"), [("444", "Landlock"), ("317", "seccomp")])
def test_a_system_without_the_means_is_refused_with_the_remedy(missing: str, says: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, missing],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert lines[0].startswith("refused: "), done.stdout + done.stderr
    assert says in lines[0]
    assert "--unsandboxed" in lines[0]
    assert lines[1] == "Ran"
