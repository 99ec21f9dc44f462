"""Nothing leaves the sandbox: each escape has a planted canary and a control that shows that the leak is real.

A kernel stores what it could read in C[0], so that the control without a sandbox sees it.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.judge.worker.calls import Placement, Ran
from harness.shapes import Shape
from harness.verdict import Cheat, Crash, Rejection, Timeout
from tests.host.support import AT, SMALL, fill, verdict, worker

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has the sandbox")
x86 = pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are those of x86-64")

LEAKED = 4242.0
PATHS = """
    let path = CANARY;
    let c_path = std::ffi::CString::new(CANARY).unwrap();
"""


def outcome(body: str, extra: str = "", *, sandboxed: bool) -> tuple[float, Ran | Rejection]:
    """C[0] after the run, and the outcome."""
    with worker(body, extra, sandboxed=sandboxed, threads=2) as opened:
        slots = opened.slots([SMALL], Placement.LEFT)
        fill(slots)
        ran = opened.run(slots, at=AT, limit_s=5)
        return float(slots[0].c[0, 0]), ran


def caught(body: str, extra: str = "", *, says: str = "") -> None:
    """With the sandbox a rejection, without it the leak."""
    leak, ran = outcome(body, extra, sandboxed=False)
    assert isinstance(ran, Ran), ran
    assert leak == LEAKED, "the control without a sandbox shows no leak, so this test would prove nothing"
    leak, rejection = outcome(body, extra, sandboxed=True)
    assert leak != LEAKED
    assert isinstance(rejection, Cheat), rejection
    assert rejection.trick == "sandbox violation"
    assert says in rejection.detail, rejection.detail


def harmless(body: str, extra: str = "") -> None:
    """With the sandbox no leak, without it the leak; the run may end either way."""
    leak, ran = outcome(body, extra, sandboxed=False)
    assert isinstance(ran, Ran), ran
    assert leak == LEAKED
    leak, _ = outcome(body, extra, sandboxed=True)
    assert leak != LEAKED


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user of this machine may enter, so that file modes are not what stops the kernel."""
    with tempfile.TemporaryDirectory(prefix="roundtable-canary-") as name:
        Path(name).chmod(0o777)
        yield Path(name)


@pytest.fixture
def canary(open_folder: Path) -> str:
    """A constant CANARY with the path of a file that everybody could read and write."""
    file = open_folder / "canary"
    file.write_text("4242")
    file.chmod(0o666)
    return f'const CANARY: &str = "{file}";'


READ = PATHS + "c[0] = std::fs::read_to_string(path).map_or(-1.0, |text| text.parse().unwrap());"


def test_reading_a_file_names_the_path(canary: str) -> None:
    caught(READ, canary, says="/canary")


def test_writing_a_file(canary: str, open_folder: Path) -> None:
    opening = "std::fs::OpenOptions::new().write(true).open(CANARY)"
    caught(f"c[0] = if {opening}.is_ok() {{ 4242.0 }} else {{ -1.0 }};", canary, says="/canary")
    outcome('let _ = std::fs::write(CANARY, "touched");', canary, sandboxed=True)
    assert (open_folder / "canary").read_text() == "4242"


def test_creating_a_file(open_folder: Path) -> None:
    extra = f'const CANARY: &str = "{open_folder}/made";'
    body = "c[0] = if std::fs::File::create(CANARY).is_ok() { 4242.0 } else { -1.0 };"
    outcome(body, extra, sandboxed=True)
    assert not (open_folder / "made").exists()
    outcome(body, extra, sandboxed=False)
    assert (open_folder / "made").exists()


def test_removing_a_file(canary: str) -> None:
    caught("c[0] = if std::fs::remove_file(CANARY).is_ok() { 4242.0 } else { -1.0 };", canary, says="unlink")


def test_asking_whether_a_file_exists(canary: str) -> None:
    caught(
        "c[0] = if std::path::Path::new(CANARY).exists() { 4242.0 } else { -1.0 };", canary, says="/canary"
    )


def test_listing_a_folder(open_folder: Path) -> None:
    extra = f'const CANARY: &str = "{open_folder}";'
    caught("c[0] = if std::fs::read_dir(CANARY).is_ok() { 4242.0 } else { -1.0 };", extra)


@pytest.mark.usefixtures("canary")
def test_reading_through_a_path_that_seems_benign(open_folder: Path) -> None:
    extra = f'const CANARY: &str = "/sys/devices/system/cpu/../../../..{open_folder}/canary";'
    caught(READ, extra)


@x86
def test_mapping_a_file_with_raw_system_calls(canary: str) -> None:
    body = (
        PATHS
        + """
        let fd = syscall(257, -100i32, c_path.as_ptr(), 0) as i32;
        let p = mmap(std::ptr::null_mut(), 4096, 1, 2, fd, 0) as *const u8;
        c[0] = if fd >= 0 && p as isize != -1 && *p == b'4' { 4242.0 } else { -1.0 };"""
    )
    caught(body, canary, says="/canary")


def test_the_environment_of_the_worker_and_of_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUNDTABLE_CANARY", "4242")
    body = 'c[0] = if std::env::var("ROUNDTABLE_CANARY").is_ok() { 4242.0 } else { -1.0 }; '
    for sandboxed in (True, False):  # the environment is empty in both cases
        leak, ran = outcome(body, sandboxed=sandboxed)
        assert isinstance(ran, Ran)
        assert leak == -1.0
    control = f"/proc/{os.getpid()}/environ"
    caught(READ.replace("text.parse().unwrap()", "if text.is_empty() { -1.0 } else { 4242.0 }"),
           f'const CANARY: &str = "{control}";', says="environ")  # fmt: skip


@x86
def test_the_memory_of_the_parent() -> None:
    secret = b"4242" * 16
    import ctypes

    buffer = ctypes.create_string_buffer(secret)
    extra = f"const AT: usize = {ctypes.addressof(buffer)};"
    body = """
        let mut got = [0u8; 4];
        let local = [got.as_mut_ptr() as usize, 4usize];
        let remote = [AT, 4usize];
        let n = syscall(310, getppid(), local.as_ptr(), 1usize, remote.as_ptr(), 1usize, 0usize);
        c[0] = if n == 4 && &got == b"4242" { 4242.0 } else { -1.0 };"""
    caught(body, extra, says="process_vm_readv")


@x86
def test_tracing_the_parent() -> None:
    # PTRACE_TRACEME instead of ATTACH: the control must not stop this test process.
    caught("c[0] = if syscall(101, 0, 0, 0, 0) == 0 { 4242.0 } else { -1.0 };", says="ptrace")


def test_signalling_the_parent() -> None:
    caught("c[0] = if kill(getppid(), 0) == 0 { 4242.0 } else { -1.0 };", says="kill")


def test_reaching_the_network() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        body = 'c[0] = if std::net::TcpStream::connect(("127.0.0.1", PORT)).is_ok() { 4242.0 } else { -1.0 };'
        caught(body, f"const PORT: u16 = {port};", says="socket")
    caught(
        'c[0] = if std::net::UdpSocket::bind("127.0.0.1:0").is_ok() { 4242.0 } else { -1.0 };', says="socket"
    )


def test_a_cluster_is_out_of_reach(tmp_path: Path) -> None:
    """What a fleet's worker has within reach: the token in a file, the head's TCP port, the raylet's socket."""
    from harness.fleet import token_file

    token = token_file.make(tmp_path / "fleet-token")
    read = """
        c[0] = match std::fs::read_to_string(PATH) {
            Ok(token) if token.trim().len() == 64 => 4242.0,
            _ => -1.0,
        };"""
    caught(read, f'const PATH: &str = "{token}";', says="fleet-token")

    with socket.create_server(("127.0.0.1", 0)) as head:
        port = head.getsockname()[1]
        join = 'c[0] = if std::net::TcpStream::connect(("127.0.0.1", PORT)).is_ok() { 4242.0 } else { -1.0 };'
        caught(join, f"const PORT: u16 = {port};", says="socket")

    # Ray's own place for sockets: /tmp/ray/session_…/sockets/raylet, at most 107 bytes long.
    with (
        tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp") as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as raylet,
    ):
        path = f"{folder}/raylet"
        raylet.bind(path)
        raylet.listen()
        talk = "c[0] = if std::os::unix::net::UnixStream::connect(PATH).is_ok() { 4242.0 } else { -1.0 };"
        caught(talk, f'const PATH: &str = "{path}";', says="socket")


def test_starting_a_program() -> None:
    body = 'c[0] = if std::process::Command::new("/bin/true").status().is_ok() { 4242.0 } else { -1.0 };'
    harmless(body)
    assert isinstance(outcome(body, sandboxed=True)[1], Cheat)


@x86
def test_becoming_another_program() -> None:
    body = """
        let path = b"/bin/false\\0"; let argv = [path.as_ptr(), std::ptr::null()];
        syscall(59, path.as_ptr(), argv.as_ptr(), std::ptr::null::<u8>());
        c[0] = -1.0;"""
    _, rejection = outcome(body, sandboxed=True)
    assert rejection == Cheat("sandbox violation", "execve /bin/false", AT)
    _, control = outcome(body, sandboxed=False)
    assert control == Cheat("left the process", "exit with code 1 in the middle of a call", AT)


def test_forking() -> None:
    caught(
        "let child = fork(); if child == 0 { _exit(0) } c[0] = if child > 0 { 4242.0 } else { -1.0 };",
        says="clone",
    )


RAW = {
    "memfd_create": 'syscall(319, b"x\\0".as_ptr(), 0usize)',
    "userfaultfd": "syscall(323, 1usize)",
    "sched_setaffinity": "syscall(203, 0usize, 8usize, [0xffffffffffffffffusize; 1].as_ptr())",
    "setitimer": "syscall(38, 0usize, [0usize; 4].as_ptr(), 0usize)",
    "personality": "syscall(135, 0xffffffffusize)",
    "shmget": "syscall(29, 0usize, 4096usize, 0o1600usize)",
    "rt_sigaction": "{ let old = [0usize; 4]; syscall(13, 11usize, [0usize; 4].as_ptr(), old.as_ptr(), 8usize) }",
    "prctl": "syscall(157, 1usize, 0usize, 0usize, 0usize, 0usize)",
    "mmap": "(mmap(std::ptr::null_mut(), 4096, 7, 0x22, -1, 0) as isize).min(0) as c_long",
    "pipe2": "syscall(293, [0i32; 2].as_mut_ptr(), 0usize)",
    "seccomp": "syscall(317, 2usize, 0usize, [0x7fff0000u32; 1].as_ptr())",
}


@x86
@pytest.mark.parametrize("name", RAW)
def test_raw_system_calls(name: str) -> None:
    caught(f"c[0] = if {RAW[name]} >= 0 {{ 4242.0 }} else {{ -1.0 }};", says=name)


@x86
@pytest.mark.parametrize(
    ("number", "name"), [(425, "io_uring_setup"), (321, "bpf"), (298, "perf_event_open")]
)
def test_system_calls_that_need_more_than_the_control_may_have(number: int, name: str) -> None:
    call = f"syscall({number}, 8usize, [0u8; 120].as_mut_ptr(), 0usize, 0usize, 0usize);"
    _, rejection = outcome(call, sandboxed=True)
    assert rejection == Cheat("sandbox violation", name, AT)


@x86
def test_a_system_call_with_its_signal_blocked_kills_at_once() -> None:
    body = """
        let all = [!0usize; 1];
        syscall(14, 0usize, all.as_ptr(), std::ptr::null::<u8>(), 8usize);
        c[0] = if syscall(41, 2usize, 1usize, 0usize) >= 0 { 4242.0 } else { -1.0 };"""
    caught(body)


@x86
def test_the_old_32_bit_system_calls_are_no_way_around() -> None:
    body = """
        let pid: i64;
        std::arch::asm!("int 0x80", inlateout("rax") 20i64 => pid);
        c[0] = if pid > 0 { 4242.0 } else { -1.0 };"""
    _, rejection = outcome(body, sandboxed=True)
    assert isinstance(rejection, Cheat), rejection


def test_constructors_run_inside_already(canary: str) -> None:
    ctor = """
        static mut GOT: f32 = -1.0;
        #[used] #[link_section = ".init_array"] static START: extern "C" fn() = { extern "C" fn start() {
            unsafe { GOT = std::fs::read_to_string(CANARY).map_or(-1.0, |text| text.parse().unwrap()); } } start };
    """
    caught("c[0] = GOT;", ctor + canary, says="/canary")


def test_loading_another_library() -> None:
    extra = 'extern "C" { fn dlopen(path: *const u8, flags: i32) -> *mut u8; }'
    body = 'c[0] = if !dlopen(b"libutil.so.1\\0".as_ptr(), 2).is_null() { 4242.0 } else { -1.0 };'
    caught(body, extra)


def test_its_own_library_cannot_be_opened_again() -> None:
    extra = 'const CANARY: &str = "/proc/self/exe";'
    harmless("c[0] = if std::fs::read(CANARY).is_ok() { 4242.0 } else { -1.0 };", extra)


def test_files_at_benign_paths_cannot_be_read() -> None:
    for path in ("/proc/self/maps", "/proc/cpuinfo", "/sys/devices/system/cpu/online"):
        body = READ.replace("text.parse().unwrap()", "4242.0")
        leak, ran = outcome(body, f'const CANARY: &str = "{path}";', sandboxed=True)
        assert isinstance(ran, Ran)
        assert leak == -1.0


def test_input_cannot_be_made_writable() -> None:
    body = """
        let page = (a.as_ptr() as usize) & !4095;
        c[0] = if mprotect(page as *mut c_void, 4096, 3) == 0 { 4242.0 } else { -1.0 };"""
    for sandboxed in (True, False):
        leak, ran = outcome(body, sandboxed=sandboxed)
        assert isinstance(ran, Ran)
        assert leak == -1.0


@x86
def test_the_time_stamp_counter_cannot_be_read() -> None:
    body = "c[0] = -1.0; if core::arch::x86_64::_rdtsc() > 0 { c[0] = 4242.0; }"
    leak, rejection = outcome(body, sandboxed=True)
    assert leak == -1.0
    assert isinstance(rejection, Crash), rejection
    assert outcome(body, sandboxed=False)[0] == LEAKED


@x86
def test_shared_memory_cannot_be_shrunk_while_the_parent_uses_it() -> None:
    body = "for fd in 0..64 { syscall(77, fd as usize, 0usize); } right(m, k, n, a, b, c)"
    for sandboxed in (True, False):
        leak, _ = outcome(body, sandboxed=sandboxed)
        assert leak == leak or sandboxed  # reading C did not kill the parent


BOMB = """
    let minute = std::time::Duration::from_secs(60);
    let mut many = 0;
    let start = || std::thread::Builder::new().stack_size(16 << 10).spawn(move || std::thread::sleep(minute));
    while start().is_ok() { many += 1; }
    c[0] = many as f32;
    std::thread::sleep(minute);"""


@pytest.mark.parametrize("sandboxed", [True, False])
def test_a_thread_bomb_leaves_the_machine_alone(sandboxed: bool) -> None:
    _, rejection = outcome(BOMB, sandboxed=sandboxed)
    assert isinstance(rejection, Cheat | Timeout), rejection
    assert subprocess.run(["true"], check=False).returncode == 0


@x86
def test_nothing_that_was_inherited_is_left_open(tmp_path: Path) -> None:
    leaked = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(leaked, True)
    high = os.dup2(leaked, 200, inheritable=True)
    body = """
        let mut open = 0.0;
        for fd in 0..1024usize { if syscall(72, fd, 1usize) >= 0 { open += 1.0; } }
        c[0] = open;"""
    try:
        count, ran = outcome(body, sandboxed=True)
    finally:
        os.close(leaked)
        os.close(high)
    assert isinstance(ran, Ran)
    assert count == 5, "stdin, stdout, stderr, control and answer"


def test_the_worker_owns_nothing_and_no_capability() -> None:
    with worker() as opened:
        slots = opened.slots([Shape(1, 1, 1)], Placement.LEFT)
        fill(slots)
        assert isinstance(opened.run(slots, at=AT, limit_s=5), Ran)
        lines = Path(f"/proc/{opened.pid}/status").read_text().splitlines()
        status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0
    own = Path("/proc/self/status").read_text()
    if os.geteuid() == 0 and int(own.partition("CapEff:")[2].split()[0], 16) & 0xE0 == 0xE0:
        assert "0" not in status["Uid"].split()


def test_a_signal_to_the_group_reaches_nobody() -> None:
    received: list[int] = []
    former = signal.signal(signal.SIGUSR1, lambda number, frame: received.append(number))
    try:
        assert isinstance(verdict("kill(0, 10); kill(-1, 10); right(m, k, n, a, b, c)"), Cheat)
    finally:
        signal.signal(signal.SIGUSR1, former)
    assert received == []
