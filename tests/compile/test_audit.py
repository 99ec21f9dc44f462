"""The audit of the binary: honest libraries pass; what the policy would stop is found here again without the policy."""

# Rust text keeps its own lines.
# ruff: noqa: E501

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from harness import machine
from harness.compile import audit
from harness.compile.audit import AuditReport
from harness.judge.worker.calls import Abi, Placement, Program
from harness.judge.worker.client import Capacity, Worker
from harness.judge.worker.limits import limits_for
from harness.machine import usable_cores
from harness.shapes import Shape
from harness.verdict import At, Gate, OutOfMemory, PolicyViolation
from tests.compile.honest_kernels import HONEST
from tests.compile.plain_kernel import PLAIN, SIGNATURE
from tests.compile.support import built, tools

x86_linux = pytest.mark.skipif(
    sys.platform != "linux" or machine.read().arch != "x86_64", reason="x86-64 instructions in an ELF file"
)


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_library_passes(name: str) -> None:
    report = audit.check(built(HONEST[name]), tools())
    assert isinstance(report, AuditReport), report
    assert report.exports == ("harness_matmul",)


def calling(body: str, items: str = "") -> str:
    """A kernel whose matmul first runs `body` in unsafe code; `items` are added beside it."""
    return items + PLAIN.replace("{\n    for i", "{\n    unsafe { " + body + " }\n    for i", 1)


REFUSED = [
    ("exports", "#[no_mangle] pub extern \"C\" fn harness_time() -> u64 { 0 }\n" + PLAIN),
    ("exports", "#[export_name = \"malloc\"] pub extern \"C\" fn m(n: usize) -> usize { n }\n" + PLAIN),
    ("exports", "#[no_mangle] pub static VERDICT: u32 = 1;\n" + PLAIN),
    ("constructors", "extern \"C\" fn early() { core::hint::black_box(1); }\n#[used] #[link_section = \".init_array\"]\n"
                     "static A: extern \"C\" fn() = early;\n" + PLAIN),
    ("constructors", "extern \"C\" fn late() { core::hint::black_box(1); }\n#[used] #[link_section = \".fini_array\"]\n"
                     "static A: extern \"C\" fn() = late;\n" + PLAIN),
    ("constructors", "core::arch::global_asm!(\".section .init_array,\\\"aw\\\"\", \".quad 0\", \".text\");\n" + PLAIN),
    ("imports", calling("system(c\"true\".as_ptr());", "extern \"C\" { fn system(c: *const i8) -> i32; }\n")),
    ("imports", calling("fork();", "extern \"C\" { fn fork() -> i32; }\n")),
    ("imports", calling("dlopen(core::ptr::null(), 1);", "extern \"C\" { fn dlopen(c: *const u8, f: i32) -> *mut u8; }\n")),
    ("imports", calling("core::arch::asm!(\"call execve@plt\");")),
    # std itself needs these imports, so the referencing function decides.
    ("imports", calling("dlsym(core::ptr::null_mut(), c\"system\".as_ptr());",
                        "extern \"C\" { fn dlsym(h: *mut u8, c: *const i8) -> *mut u8; }\n")),
    ("imports", calling("core::arch::asm!(\"call open64@plt\");")),
    ("imports", calling("core::arch::asm!(\"call mprotect\");")),
    ("imports", calling("core::arch::asm!(\"lea rax, [rip + getenv@plt]\", out(\"rax\") _);")),
    ("imports", calling("core::arch::asm!(\"mov rax, [rip + dlsym@GOTPCREL]\", out(\"rax\") _);")),
    ("input-output", calling("let _ = std::net::TcpStream::connect(\"127.0.0.1:9\");")),
    ("input-output", calling("let _ = std::process::Command::new(\"true\").spawn();")),
    ("input-output", calling("let _ = std::fs::File::open(\"/etc/passwd\");")),
    ("instructions", calling("core::arch::asm!(\"syscall\", out(\"rax\") _, out(\"rcx\") _, out(\"r11\") _);")),
    ("instructions", calling("core::arch::asm!(\".byte 0x0f, 0x05\", out(\"rax\") _, out(\"rcx\") _, out(\"r11\") _);")),
    ("instructions", calling("core::arch::asm!(\"int 0x80\");")),
    ("instructions", calling("core::hint::black_box(core::arch::x86_64::_rdtsc());")),
    ("instructions", calling("core::arch::asm!(\"ldmxcsr [{}]\", in(reg) &0x9fc0u32);")),
    ("instructions", calling("core::arch::asm!(\"vcvtps2ph xmm0, ymm1, 0\", out(\"xmm0\") _);")),
    ("instructions", calling("core::arch::asm!(\"vdpbf16ps zmm0, zmm1, zmm2\");")),
    ("instructions", calling("core::arch::asm!(\"vaddsh xmm0, xmm1, xmm2\", out(\"xmm0\") _);")),
    ("instructions", calling("core::arch::asm!(\"vcvtss2sh xmm0, xmm1, xmm2\", out(\"xmm0\") _);")),
    ("instructions", calling("core::arch::asm!(\"vcvtw2ph zmm0, zmm1\");")),
    ("instructions", calling("core::arch::asm!(\"vfmadd231ph zmm0, zmm1, zmm2\");")),
    ("instructions", calling("core::arch::asm!(\"tdpbf16ps tmm0, tmm1, tmm2\");")),
    ("instructions", calling("core::arch::asm!(\"rdrand rax\", out(\"rax\") _);")),
    ("instructions", calling("core::arch::asm!(\"rdpru\", in(\"ecx\") 0, out(\"eax\") _, out(\"edx\") _);")),
    ("instructions", calling("core::arch::asm!(\"tpause {0:e}\", in(reg) 0, in(\"eax\") 0, in(\"edx\") 0);")),
    ("instructions", calling("core::arch::asm!(\"monitorx\");")),
    ("instructions", calling("core::arch::asm!(\"mwaitx\", in(\"ecx\") 2, in(\"eax\") 0);")),
    ("instructions", calling("core::arch::asm!(\"jmp 2f - 4\", \"mov eax, 0x9090310f\", \"2:\", out(\"eax\") _);")),
    ("instructions", calling("core::arch::asm!(\"vpmaddubsw ymm0, ymm1, ymm2\", out(\"ymm0\") _);")),
    ("instructions", calling("core::arch::asm!(\"vpdpbusd zmm0, zmm1, zmm2\");")),
    ("static-memory", "static mut S: [core::mem::MaybeUninit<[u8; 300 << 20]>; 1] = [core::mem::MaybeUninit::uninit()];\n"
                      + calling("core::hint::black_box(&raw mut S);")),
    ("static-memory", "thread_local! { static S: core::cell::UnsafeCell<core::mem::MaybeUninit<[u8; 300 << 20]>> =\n"
                      "const { core::cell::UnsafeCell::new(core::mem::MaybeUninit::uninit()) }; }\n"
                      + calling("S.with(|s| { core::hint::black_box(s); });")),
    ("sections", "#[link_section = \".mine\"] #[inline(never)] fn q() -> u32 { core::hint::black_box(1) }\n"
                 + calling("core::hint::black_box(q());")),
]  # fmt: skip


@x86_linux
@pytest.mark.parametrize(
    ("rule", "source"), REFUSED, ids=[f"{rule}-{i}" for i, (rule, _) in enumerate(REFUSED)]
)
def test_forbidden_contents_of_a_library_are_found(rule: str, source: str) -> None:
    verdict = audit.check(built(source), tools())
    assert isinstance(verdict, PolicyViolation), f"passed: {source[:200]}"
    assert verdict.rule == rule, verdict
    assert verdict.at.gate is Gate.AUDIT


@x86_linux
@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("rdtsc", "it reads a clock"),
        ("rdpru", "it reads a clock"),
        ("vpdpbusd zmm0, zmm1, zmm2", "no product of floats"),
        ("rdrand rax", "its result is random"),
        ("ldmxcsr [rsp]", "rounded and flushed"),
        ("syscall", "enters the operating system"),
        ("vdpbf16ps zmm0, zmm1, zmm2", "less precise than f32"),
    ],
)
def test_the_message_says_why_an_instruction_is_forbidden(template: str, told: str) -> None:
    verdict = audit.check(built(calling(f'core::arch::asm!("{template}", out("rax") _);')), tools())
    assert isinstance(verdict, PolicyViolation)
    assert template.split()[0] in verdict.detail
    assert told in verdict.detail


@x86_linux
def test_the_function_with_the_instruction_is_named() -> None:
    source = '#[inline(never)] fn hidden() { unsafe { core::arch::asm!("syscall", out("rax") _, out("rcx") _, out("r11") _) } }\n'
    verdict = audit.check(built(source + calling("hidden();")), tools())
    assert isinstance(verdict, PolicyViolation)
    assert "contract::kernel::hidden" in verdict.detail


@pytest.mark.parametrize("name", ["truncate", "system", "fork", "execve", "dlopen", "open64", "error", "socket", "kill", "addmntent",
                                  "mprotect", "sigaction", "prctl", "ptrace", "memfd_create", "exit", "_exit", "cblas_sgemm"])  # fmt: skip
def test_no_system_interface_counts_as_harmless(name: str) -> None:
    assert audit._HARMLESS.fullmatch(name) is None


@pytest.mark.parametrize(
    "name", ["memcpy", "expf", "fma", "fmaf", "__divti3", "__tls_get_addr", "pthread_create", "sincosf"]
)
def test_mathematics_and_memory_count_as_harmless(name: str) -> None:
    assert audit._HARMLESS.fullmatch(name) is not None


def test_static_memory_within_the_limit_is_accepted() -> None:
    source = (
        "static mut S: [core::mem::MaybeUninit<[u8; 200 << 20]>; 1] = [core::mem::MaybeUninit::uninit()];\n"
    )
    report = audit.check(built(source + calling("core::hint::black_box(&raw mut S);")), tools())
    assert isinstance(report, AuditReport), report


@x86_linux
def test_a_library_that_does_not_fit_is_the_candidates_fault() -> None:
    """Behind the audit: the loader's refusal is the kernel's fault, not the harness's."""
    source = (
        "static mut S: [core::mem::MaybeUninit<[u8; 720 << 20]>; 1] = [core::mem::MaybeUninit::uninit()];\n"
    )
    library = built(source + calling("core::hint::black_box(&raw mut S);"))
    shape, at = Shape(2, 3, 4), At(Gate.SHAPES)
    limits = limits_for(shape, 1, usable_cores()[:1])
    program = Program(library.path, library.symbol, Abi.KERNEL)
    with Worker(tools().host, program, limits, Capacity.of([shape])) as worker:
        outcome = worker.run(worker.slots([shape], Placement.RIGHT), at=at, limit_s=10.0)
    assert outcome == OutOfMemory(limits.memory_bytes, at)


def test_mathematics_may_be_imported() -> None:
    body = " + ".join(
        f"x.{name}()" for name in ("sin", "cos", "tan", "exp", "ln", "sinh", "cbrt", "exp_m1", "atan")
    )
    source = f"{SIGNATURE} {{ let _ = (a, b); for x in c.iter_mut() {{ let x: &mut f32 = x; *x = {{ let x = m as f32 + k as f32 + n as f32; {body} + x.powf(x) + x % 3.0 + x.atan2(x) }}; }} }}"
    report = audit.check(built(source), tools())
    assert isinstance(report, AuditReport), report
    assert "expf" in "".join(report.extra_imports) or sys.platform == "darwin"


def test_a_file_that_is_not_a_library_is_a_fault_of_the_harness(tmp_path: Path) -> None:
    from harness.errors import HarnessFaultError

    torn = tmp_path / "kernel.so"
    shutil.copy(built(PLAIN).path, torn)
    torn.chmod(0o644)
    torn.write_bytes(torn.read_bytes()[:1000])
    with pytest.raises(HarnessFaultError):
        audit.check(replace(built(PLAIN), path=torn), tools())
