"""Inline assembly that is refused, with the rule that rejects each: a part of refused_sources.py."""

# Rust text keeps its own lines.
# ruff: noqa: E501

from __future__ import annotations

ASSEMBLY: list[tuple[str, str]] = [
    ("asm-instruction", 'fn x() { unsafe { core::arch::r#asm!("rdtsc", out("eax") _, out("edx") _) } }'),
    ("asm-directive", 'use core::arch::r#asm; fn x() { unsafe { r#asm!(".byte 0x0f, 0x05") } }'),
    ("asm-instruction", 'fn x() { unsafe { core::arch::asm!("syscall") } }'),
    ("asm-instruction", 'fn x() { unsafe { core::arch::asm!("nop", "mov eax, 1; SYSCALL") } }'),
    ("asm-instruction", 'fn x() { unsafe { core::arch::asm!("int 0x80") } }'),
    ("asm-instruction", 'fn x() { unsafe { core::arch::asm!("/* */ rdtsc", out("eax") _, out("edx") _) } }'),
    ("asm-instruction", 'fn x() { unsafe { core::arch::asm!("2: lock rdtscp") } }'),
    ("asm-instruction", 'fn x() { unsafe { core::arch::asm!(r"svc #0") } }'),
    ("asm-instruction", 'fn x() { unsafe { core::arch::asm!("sys\\x63all") } }'),
    ("asm-instruction", 'fn x() { unsafe { core::arch::asm!(concat!("sys", "call")) } }'),
    ("asm-instruction", 'fn x() { unsafe { core::arch::asm!("vdpbf16ps zmm0, zmm1, zmm2") } }'),
    ("asm-instruction", 'fn x() { unsafe { core::arch::asm!("vcvtps2ph xmm0, ymm1, 0") } }'),
    ("asm-instruction", 'fn x() { unsafe { core::arch::asm!("ldmxcsr [{}]", in(reg) &0u32) } }'),
    ("asm-reference", 'fn x() { unsafe { core::arch::asm!("call system") } }'),
    ("asm-reference", 'fn x() { unsafe { core::arch::asm!("jmp open64@plt") } }'),
    ("asm-reference", 'fn x() { unsafe { core::arch::asm!("lea rax, [rip + open64]", out("rax") _) } }'),
    (
        "asm-reference",
        'fn x() { unsafe { core::arch::asm!("mov rax, [rip+dlsym@GOTPCREL]", out("rax") _) } }',
    ),
    ("asm-directive", 'fn x() { unsafe { core::arch::asm!(".byte 0x0f, 0x05") } }'),
    ("asm-directive", 'fn x() { unsafe { core::arch::asm!("nop; .pushsection .init_array") } }'),
    ("asm-directive", 'fn x() { unsafe { core::arch::asm!(concat!(".by", "te 15, 5")) } }'),
    ("asm-directive", 'fn x() { unsafe { core::arch::asm!("# /*", ".byte 15, 5", "# */") } }'),
    ("asm-directive", 'fn x() { unsafe { core::arch::asm!(".balign 4, 0xcc", ".align 2; .int 5") } }'),
    # text that only looks like a comment
    ("asm-directive", 'fn x() { unsafe { core::arch::asm!("nop // /*", ".byte 15, 5", "// */") } }'),
    ("asm-directive", 'fn x() { unsafe { core::arch::asm!("nop /* //", "*/ .byte 15, 5") } }'),
    ("asm-directive", 'fn x() { unsafe { core::arch::asm!("nop /*/ */; .byte 15, 5 // */") } }'),
    ("asm-instruction", "fn x() { unsafe { core::arch::asm!(\"mov al, '#'; syscall\") } }"),
    ("asm-instruction", "fn x() { unsafe { core::arch::asm!(\"mov al, '/*'; syscall; nop /* */\") } }"),
    ("asm-instruction", 'fn x() { unsafe { core::arch::asm!("nop // x\\r syscall") } }'),
    ("asm-reference", 'fn x() { unsafe { core::arch::asm!("mov rax, qword ptr [\\"a//b\\"]") } }'),
    ("asm-reference", 'fn x() { unsafe { core::arch::asm!("lea rax, [rip+open64] // ok") } }'),
    ("asm-reference", 'fn x() { unsafe { core::arch::asm!("jmp open64 // open64:") } }'),
    (
        "asm-instruction",
        'macro_rules! a { ($t:literal) => { unsafe { core::arch::asm!("nop /*", concat!($t), "syscall", "/* */") } } } fn x() { a!("*/") }',
    ),
    (
        "asm-instruction",
        'macro_rules! a { ($t:literal) => { unsafe { core::arch::asm!(concat!($t, "// */ syscall")) } } } fn x() { a!("/*") }',
    ),
    ("asm-directive", 'fn x() { unsafe { core::arch::asm!(".p2align 4, 0xcc, 10") } }'),
    ("asm-directive", 'fn x() { unsafe { core::arch::asm!(".p2align 4,,10,5") } }'),
    # assembly templates joined by macros
    (
        "asm-instruction",
        'macro_rules! a { ($t:expr) => { unsafe { core::arch::asm!($t) } } } fn x() { a!("syscall") }',
    ),
    (
        "asm-instruction",
        'macro_rules! a { ($($t:tt)*) => { unsafe { core::arch::asm!($($t)*) } } } fn x() { a!("syscall") }',
    ),
    (
        "asm-directive",
        'macro_rules! a { ($($t:tt)*) => { unsafe { core::arch::asm!($($t)*) } } } fn x() { a!(".byte 15, 5") }',
    ),
    (
        "asm-directive",
        'macro_rules! a { ($t:literal) => { unsafe { core::arch::asm!(concat!("nop\\n.by", $t)) } } } fn x() { a!("te 15, 5") }',
    ),
    (
        "asm-computed",
        'macro_rules! a { ($t:literal) => { unsafe { core::arch::asm!(concat!("nop;", "{{}} .", $t)) } } } fn x() { a!("byte 15, 5") }',
    ),
    ("asm-directive", "fn x() { unsafe { core::arch::asm!(concat!('.', \"byte 15, 5\")) } }"),
    (
        "asm-directive",
        "macro_rules! a { ($t:literal) => { unsafe { core::arch::asm!(concat!($t, \"byte 15, 5\")) } } } fn x() { a!('.') }",
    ),
    (
        "asm-computed",
        'macro_rules! a { ($t:tt) => { unsafe { core::arch::asm!(concat!(stringify!($t), "byte 15, 5")) } } } fn x() { a!(.) }',
    ),
    ("asm-computed", "fn x() { unsafe { core::arch::asm!(stringify!(syscall)) } }"),
    ("asm-instruction", 'fn x() { unsafe { core::arch::asm!("rdpru") } }'),
    ("asm-instruction", 'fn x() { unsafe { core::arch::asm!("vpmaddwd ymm0, ymm1, ymm2") } }'),
    ("asm-instruction", 'fn x() { unsafe { core::arch::asm!("vpdpwssd zmm0, zmm1, zmm2") } }'),
    ("asm-instruction", 'fn x() { unsafe { core::arch::asm!("vpmadd52luq zmm0, zmm1, zmm2") } }'),
    ("asm-instruction", 'fn x() { unsafe { core::arch::asm!("mov eax, 0x9090310f") } }'),
    ("asm-instruction", 'fn x() { unsafe { core::arch::asm!("mov eax, 1295") } }'),
    ("asm-reference", 'fn x() { unsafe { core::arch::asm!("jmp 2f - 4", "2:") } }'),
    ("asm-reference", 'fn x() { unsafe { core::arch::asm!("jmp 2f+1", "2:") } }'),
    # A jump to an address in a register, to a label operand plus one byte, to an operand that is no label.
    ("asm-reference", 'fn x(p: usize) { unsafe { core::arch::asm!("jmp {}", in(reg) p) } }'),
    ("asm-reference", 'fn x(p: usize) { unsafe { core::arch::asm!("jmp {to}", to = in(reg) p) } }'),
    ("asm-reference", 'fn x() { unsafe { core::arch::asm!("jmp {to}+1", to = label {}) } }'),
    ("asm-reference", 'fn x(p: usize) { unsafe { core::arch::asm!("jmp {0}", in(reg) p, label {}) } }'),
    ("asm-reference", 'fn x(p: usize) { unsafe { core::arch::asm!("jmp {}", in(reg) p, label {}) } }'),
    ("asm-reference", 'fn x() { unsafe { core::arch::asm!("jmp {f}", f = sym x) } }'),
]
