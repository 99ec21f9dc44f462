"""Sources that the policy must refuse, with the rule that names the reason: (rule, text beside a right matmul)."""

# Rust text keeps its own lines.
# ruff: noqa: E501

from __future__ import annotations

# Not awaited when spawned on.
POOL = "fn pool() -> &'static rayon::ThreadPool { todo!() }"

TRICKS: list[tuple[str, str]] = [
    # input and output, spelled in every way
    ("files", 'fn x() { let _ = std::fs::read("/etc/passwd"); }'),
    ("files", "use std::fs;"),
    ("files", "use std::{mem, fs::File};"),
    ("files", "use ::std::{cell::{Cell}, fs::{self as q}};"),
    ("files", 'use std as s; fn x() { let _ = s::fs::read("x"); }'),
    ("files", 'use std as s; use s as t; fn x() { let _ = t::fs::read("x"); }'),
    ("files", "use std::{self as s}; use self::s::fs;"),
    ("files", 'extern crate std as s; fn x() { let _ = s::fs::read("x"); }'),
    ("files", 'mod q { pub use std as s; } fn x() { let _ = q::s::fs::read("x"); }'),
    ("files", 'fn x() { let _ = r#std::r#fs::read("x"); }'),
    ("files", 'fn x() { let _ = std /* . */ :: /* . */ fs\n::read("x"); }'),
    ("files", 'fn x() { let _ = <std::fs::File>::open("x"); }'),
    ("files", 'fn x() -> bool { std::path::Path::new("/etc/passwd").exists() }'),
    ("files", 'macro_rules! r { () => { std::fs::read("x") } } fn x() { let _ = r!(); }'),
    ("files", 'macro_rules! r { ($p:path) => { $p("x") } } fn x() { let _ = r!(std::fs::read); }'),
    ("std-glob", 'use std::*; fn x() { let _ = fs::read("x"); }'),
    ("std-glob", "use std::{mem, *};"),
    ("computed-path", 'macro_rules! r { ($a:ident) => { std::$a::read("x") } } fn x() { let _ = r!(fs); }'),
    (
        "computed-path",
        'macro_rules! r { ($s:ident, $a:ident) => { $s::$a::read("x") } } fn x() { let _ = r!(std, fs); }',
    ),
    ("computed-path", "macro_rules! r { ($($t:tt)*) => { $($t)* } } fn x() { let _ = r!(std :: , fs); }"),
    ("computed-path", "macro_rules! i { ($n:ident) => { use std as $n; } } i!(s);"),
    (
        "computed-path",
        'macro_rules! assert { ($s:ident $f:ident) => { $s::$f::read("x") } } fn x() { let _ = assert!(std fs); }',
    ),
    (
        "computed-path",
        'mod e { macro_rules! evil { ($s:ident $f:ident) => { $s::$f::read("x") } } pub(crate) use evil; }'
        " use e::evil as vec; fn x() { let _ = vec!(std fs); }",
    ),
    ("network", 'fn x() { let _ = std::net::TcpStream::connect("127.0.0.1:80"); }'),
    ("network", 'use std::{net as n}; fn x() { let _ = n::UdpSocket::bind("127.0.0.1:0"); }'),
    ("processes", "fn x() { std::process::exit(0) }"),
    ("processes", 'use std::process::Command; fn x() { let _ = Command::new("sh").spawn(); }'),
    ("environment", 'fn x() { let _ = std::env::var("HOME"); }'),
    ("environment", 'const X: &str = env!("PATH");'),
    ("environment", 'const X: Option<&str> = option_env!("PATH");'),
    ("environment", 'const X: &str = core::env!("PATH");'),
    ("environment", "use std::env; fn x() { let _ = env::args(); }"),
    ("input-output", 'fn x() { println!("verdict: accepted"); }'),
    ("input-output", 'fn x() { eprint!("x"); }'),
    ("input-output", "fn x() -> u32 { dbg!(1) }"),
    ("input-output", 'fn x() { std::println!("x"); }'),
    ("computed-macro", 'use std::println as p; fn x() { p!("x"); }'),
    ("input-output", "use std::io::Write; fn x() { }"),
    ("input-output", "fn x() { let _ = std::io::stdout(); }"),
    ("computed-macro", 'macro_rules! m { ($m:ident) => { $m!("x") } } fn x() { m!(println); }'),
    ("system", "use std::os::fd::FromRawFd;"),
    ("system", "use std::os::unix::process::CommandExt;"),
    ("backtrace", "fn x() { let _ = std::backtrace::Backtrace::force_capture(); }"),
    ("std-allow-list", "use std::intrinsics::likely;"),
    # other files while compiling
    ("include", 'include!("/etc/hosts");'),
    ("include", 'const X: &str = include_str!("/etc/passwd");'),
    ("include", 'const X: &[u8] = include_bytes!(concat!("/etc", "/passwd"));'),
    ("include", 'const X: &str = core::include_str!("/etc/passwd");'),
    ("include", 'macro_rules! m { ($m:ident) => { $m!("/etc/passwd") } } const X: &str = m!(include_str);'),
    ("computed-macro", 'use core::include as inc; inc!("/etc/passwd");'),
    ("include", 'macro_rules! m { ($a:tt $b:tt $c:tt) => { $a $b $c } } m!(include ! ("x"));'),
    ("outside-module", "mod other;"),
    ("outside-module", '#[path = "/etc/passwd"] mod other;'),
    ("outside-module", "macro_rules! m { ($n:ident) => { mod $n; } } m!(other);"),
    ("outside-module", "macro_rules! m { ($a:tt $b:tt $c:tt) => { $a $b ; } } m!(mod other {});"),
    # symbols, sections, linking, hooks
    ("extern-block", 'extern "C" { fn system(c: *const u8) -> i32; }'),
    ("extern-block", 'unsafe extern "C" { fn system(c: *const u8) -> i32; }'),
    ("extern-block", "extern { fn fork() -> i32; }"),
    ("extern-block", 'macro_rules! e { ($b:tt) => { extern "C" $b } } e!({ fn fork() -> i32; });'),
    ("extern-block", 'macro_rules! e { ($a:literal) => { extern $a { fn fork() -> i32; } } } e!("C");'),
    ("extern-crate", "extern crate proc_macro;"),
    ("extern-crate", "extern crate libc as c;"),
    ("exported-symbol", '#[no_mangle] pub extern "C" fn harness_time() -> u64 { 0 }'),
    ("exported-symbol", '#[unsafe(no_mangle)] pub extern "C" fn harness_time() -> u64 { 0 }'),
    (
        "exported-symbol",
        '#[export_name = "malloc"] pub extern "C" fn m(_: usize) -> *mut u8 { core::ptr::null_mut() }',
    ),
    (
        "exported-symbol",
        'extern "C" fn early() {} #[link_section = ".init_array"] static A: extern "C" fn() = early;',
    ),
    ("exported-symbol", "#[cfg_attr(all(), no_mangle)] pub fn q() {}"),
    ("exported-symbol", "#[used] static A: u32 = 1;"),
    ("exported-symbol", "macro_rules! a { ($($m:tt)*) => { #[$($m)*] pub fn q() {} } } a!(no_mangle);"),
    ("linking", '#[link(name = "openblas")] extern "C" {}'),
    ("global-hook", "#[global_allocator] static A: std::alloc::System = std::alloc::System;"),
    ("global-hook", "fn x() { std::panic::set_hook(Box::new(|_| ())); }"),
    ("global-hook", "#[panic_handler] fn p(_: &core::panic::PanicInfo) -> ! { loop {} }"),
    ("crate-attribute", "#![feature(portable_simd)]"),
    ("crate-attribute", "mod q { #![cfg_attr(all(), feature(asm))] }"),
    ("attribute", "#[tokio::main] async fn q() {}"),
    ("attribute", "#[proc_macro_attribute] pub fn q() {}"),
    # assembly
    ("global-asm", 'core::arch::global_asm!(".section .init_array");'),
    ("global-asm", 'use std::arch::global_asm as g; g!("nop");'),
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
    # what only looks like a comment
    ("asm-directive", 'fn x() { unsafe { core::arch::asm!("nop // /*", ".byte 15, 5", "// */") } }'),
    ("asm-directive", 'fn x() { unsafe { core::arch::asm!("nop /* //", "*/ .byte 15, 5") } }'),
    ("asm-directive", 'fn x() { unsafe { core::arch::asm!("nop /*/ */; .byte 15, 5 // */") } }'),
    ("asm-instruction", 'fn x() { unsafe { core::arch::asm!("mov al, \'#\'; syscall") } }'),
    ("asm-instruction", 'fn x() { unsafe { core::arch::asm!("mov al, \'/*\'; syscall; nop /* */") } }'),
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
    # what only looks like a test
    ("files", "#[cfg(test)] mod a {} mod b { use std::fs; }"),
    ("files", '#[cfg(test)] fn a() {} fn b() { let _ = std::fs::read("x"); }'),
    ("files", "#[cfg(test)] use a::b; use std::fs;"),
    ("files", "#[cfg(not(test))] mod a { use std::fs; }"),
    ("files", "#[cfg(any(test, not(test)))] mod a { use std::fs; }"),
    ("files", "#[cfg_attr(test, cfg(test))] mod a { use std::fs; }"),
    ("files", "struct A { #[cfg(test)] x: u8, y: std::fs::File }"),
    ("files", 'fn a() { #[cfg(test)] let x = 1; let _ = std::fs::read("x"); }'),
    ("files", 'trait A { #[cfg(test)] fn a(); fn b() { let _ = std::fs::read("x"); } }'),
    (
        "files",
        'macro_rules! a { ($(#[$m:meta])* $i:item) => { $i } } a! { #[cfg(test)] fn b() { let _ = std::fs::read("x"); } }',
    ),
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
    ("computed-macro", 'use core::arch::asm as a; fn x() { unsafe { a!("syscall") } }'),
    (
        "computed-macro",
        'macro_rules! m { ($m:ident) => { unsafe { $m!("syscall") } } } use core::arch::asm; fn x() { m!(asm) }',
    ),
    # deferred work, clocks, randomness, precision
    ("deferred-work", "fn x() { rayon::spawn(|| ()); }"),
    ("deferred-work", "use rayon::{join, spawn_fifo}; fn x() { spawn_fifo(|| ()); }"),
    ("deferred-work", "use rayon as r; fn x() { r::spawn(|| ()); }"),
    ("deferred-work", "use rayon::*; fn x() { spawn(|| ()); }"),
    (
        "deferred-work",
        "fn x(n: usize) { let pool = rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap(); pool.spawn(|| ()); }",
    ),
    (
        "deferred-work",
        "fn x(n: usize) { rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap().spawn_fifo(|| ()); }",
    ),
    (
        "deferred-work",
        "fn x() { let p = rayon::ThreadPoolBuilder::new().build().unwrap(); rayon::ThreadPool::spawn(&p, || ()); }",
    ),
    (
        "deferred-work",
        POOL + "  fn x() { let b = pool(); b.spawn(|| ()); }",
    ),
    (
        "deferred-work",
        POOL + "  fn x(b: &rayon::ThreadPool) { b.spawn(|| ()); }",
    ),
    (
        "deferred-work",
        POOL + "  fn x(s: u8) { fn y() { pool().spawn(|| ()); } { let s = pool(); s.spawn(|| ()); } }",
    ),
    (
        "deferred-work",
        POOL
        + "  fn x(s: Option<u8>) { let _ = |s: u8| s; if let Some(s) = s.map(|_| pool()) { s.spawn(|| ()); } }",
    ),
    (
        "deferred-work",
        POOL + "  fn x() { rayon::scope(|s| { match pool() { s => s.spawn(|| ()) } }); }",
    ),
    (
        "deferred-work",
        POOL
        + "  macro_rules! m { ($x:ident) => { let $x = pool(); } } fn x(s: u8) { m!(s); s.spawn(|| ()); }",
    ),
    (
        "deferred-work",
        POOL + "  macro_rules! m { ($x:expr) => { $x.spawn(|| ()) } } fn x() { m!(pool()); }",
    ),
    (
        "deferred-work",
        POOL + "  fn x() { let _ = vec![pool().spawn(|| ())]; }",
    ),
    (
        "deferred-work",
        "use rayon::ThreadPoolBuilder as Builder; fn x() { Builder::new().build().unwrap().spawn(|| ()); }",
    ),
    (
        "deferred-work",
        "use rayon::ThreadPool as Scope; fn x(s: &Scope) { s.spawn(|| ()); }",
    ),
    (
        "deferred-work",
        "type Builder = rayon::ThreadPoolBuilder; fn x() { let builder = Builder::new().build().unwrap(); builder.spawn(|| ()); }",
    ),
    (
        "deferred-work",
        POOL
        + "  fn x() { let b = std::thread::Builder::new().spawn(pool).unwrap().join().unwrap(); b.spawn(|| ()); }",
    ),
    (
        "deferred-work",
        POOL
        + "  fn x() { let b = std::thread::Builder::new(); { let b = pool(); b.spawn(|| ()); } let _ = b; }",
    ),
    ("clock", "use std::time::Instant; fn x() { let _ = Instant::now(); }"),
    ("clock", "fn x() { let _ = std::time::SystemTime::now(); }"),
    ("clock", "fn x() -> u64 { unsafe { core::arch::x86_64::_rdtsc() } }"),
    ("clock", "use std::arch::x86_64::{__rdtscp as t};"),
    ("randomness", "fn x() { unsafe { let mut v = 0; core::arch::x86_64::_rdrand64_step(&mut v); } }"),
    ("fp-environment", "fn x() { unsafe { core::arch::x86_64::_mm_setcsr(0x9fc0) } }"),
    ("fp-environment", "fn x() { unsafe { core::arch::x86_64::_MM_SET_FLUSH_ZERO_MODE(0x8000) } }"),
    ("transactions", "fn x() { unsafe { core::arch::x86_64::_xbegin(); } }"),
    ("precision", "use core::arch::x86_64::_mm512_dpbf16_ps;"),
    ("precision", "use core::arch::x86_64::{_mm512_cvtneps_pbh as q};"),
    ("precision", "use core::arch::x86_64::{_mm256_cvtps_ph, _mm256_cvtph_ps};"),
    ("precision", "use core::arch::x86_64::_mm512_fmadd_ph;"),
    ("precision", "use core::arch::x86_64::_mm_add_sh;"),
    ("precision", "use core::arch::x86_64::_tile_dpbf16ps;"),
    ("precision", "use core::arch::aarch64::vfmaq_f16;"),
    ("precision", "use core::arch::aarch64::{vbfdotq_f32, vbfmmlaq_f32};"),
    ("precision", '#[target_feature(enable = "avx512bf16")] fn q() {}'),
    ("precision", "fn x(v: f32) -> f32 { v as f16 as f32 }"),
    # text that reads unlike what it is
    ("bidirectional-text", "// \u202e } ;)(fi"),
    ("bidirectional-text", 'const X: &str = "\u2066";'),
    ("look-alike", "fn \u212a() {}"),
    ("nesting", "const X: u32 = " + "(" * 250 + "1" + ")" * 250 + ";"),
]

# Broken sources: the policy lets them go on to rustc, which says what is wrong.
BROKEN: list[str] = [
    "pub fn matmul(m: usize, k: usize",
    'pub fn matmul() { let x = "unterminated; }',
    "this is no Rust }} at all",
    "```rust\npub fn matmul() {}\n```",
    "",
    "pub fn matmul(m: usize) -> u32 { 'x }",
    "fn f() { let = ; } }",
]
