"""Sources that the policy must refuse: (id of the rule, text to be added to a correct matmul)."""

# Rust text keeps its own lines.
# ruff: noqa: E501

from __future__ import annotations

from tests.compile.refused_assembly import ASSEMBLY
from tests.compile.refused_disguises import GUISES

# A pool whose spawn is not awaited.
POOL = "fn pool() -> &'static rayon::ThreadPool { todo!() }"

TRICKS: list[tuple[str, str]] = [
    # input and output in every spelling
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
    *ASSEMBLY,
    *GUISES,
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
    ("deferred-work", "fn x() { spawn(|| ()); } use rayon::*;"),
    ("deferred-work", "use rayon::*; fn x() { self::spawn(|| ()); }"),
    ("deferred-work", "mod q { pub use rayon::*; } fn x() { q::spawn(|| ()); }"),
    ("deferred-work", "use rayon::*; mod q { use std::thread::spawn; } fn x() { spawn(|| ()); }"),
    ("deferred-work", "use rayon::*; #[cfg(any())] use std::thread::spawn; fn x() { spawn(|| ()); }"),
    ("deferred-work", "use rayon::*; use std::thread::spawn as s; fn x() { spawn(|| ()); }"),
    ("deferred-work", "use rayon::*; use std::thread::spawn; fn x() { spawn_fifo(|| ()); }"),
    (
        "deferred-work",
        "use rayon::*; use std::thread::spawn; mod q { use rayon::*; fn x() { spawn(|| ()); } }",
    ),
    (
        "deferred-work",
        "use rayon::*; mod std { pub mod thread { pub mod spawn {} } } use std::thread::spawn; fn x() { spawn(|| ()); }",
    ),
    ("deferred-work", "use rayon::*; fn y() { use std::thread::spawn; } fn x() { spawn(|| ()); }"),
    # words and items passed to macros
    (
        "outside-module",
        "macro_rules! m { ($i:item) => { $i }; ($a:ident $b:ident {}) => { $a $b; } } m!(mod other {});",
    ),
    (
        "outside-module",
        "macro_rules! n { ($a:tt $b:tt {}) => { $a $b; } } macro_rules! m { ($i:item) => { $i } } m! { mod q {} } n!(mod other {});",
    ),
    (
        "outside-module",
        "macro_rules! m { ($a:tt $b:tt $c:tt) => { $a $b ; } } mod q { macro_rules! m { ($i:item) => { $i } } } m!(mod other {});",
    ),
    (
        "outside-module",
        "macro_rules! n { ($a:tt $b:tt {}) => { $a $b; } } pub(crate) use n as m; mod q { macro_rules! m { ($i:item) => { $i } } } m!(mod other {});",
    ),
    (
        "outside-module",
        "macro_rules! n { ($a:tt $b:tt {}) => { $a $b; } } macro_rules! m { ($i:item) => { $i } } n!(m! { mod other {} });",
    ),
    ("extern-block", 'macro_rules! m { ($i:item) => { $i } } m! { extern "C" { fn fork() -> i32; } }'),
    ("input-output", 'macro_rules! m { ($($t:tt)!*) => { $($t)!* } } fn x() { m!(println ! ("x")); }'),
    ("computed-macro", "macro_rules! m { ($m:ident $($t:tt)*) => { $m $($t)* } } fn x() { m!(env + 1); }"),
    ("computed-macro", 'macro_rules! m { ($($m:ident)*) => { $($m)* ! ("x") } } fn x() { m!(println); }'),
    (
        "computed-macro",
        'macro_rules! m { ($d:tt) => { macro_rules! n { ($d x:ident) => { $d x ! ("x") } } } } m!($); fn x() { n!(println); }',
    ),
    (
        "computed-macro",
        'macro_rules! n { ($($t:tt)*) => {} } n! { macro_rules! m { ($x:ident) => { $x ; !("x") } } } fn x() { m!(println); }',
    ),
    ("precision", "use core::arch::aarch64::*; fn x() { let vfmaq_f16 = 1; } fn y() { vfmaq_f16(a, b, c); }"),
    ("precision", "use core::arch::aarch64::*; fn y() { let f = vfmaq_f16; }"),
    (
        "precision",
        "use core::arch::aarch64::{self, vfmaq_f16}; fn y() { let f = vfmaq_f16; { let vfmaq_f16 = 1; } }",
    ),
    (
        "precision",
        "use core::arch::aarch64::*; macro_rules! m { ($f:ident) => { $f(1) } } fn y() { let vfmaq_f16 = 1; m!(vfmaq_f16); }",
    ),
    ("clock", "use std::time::Instant; fn x() { let _ = Instant::now(); }"),
    ("clock", "fn x() { let _ = std::time::SystemTime::now(); }"),
    ("clock", "fn x() -> u64 { unsafe { core::arch::x86_64::_rdtsc() } }"),
    ("clock", "use std::arch::x86_64::{__rdtscp as t};"),
    ("clock", "use std::{thread, time::Duration}; fn x() { thread::sleep(Duration::from_secs(9)); }"),
    ("clock", "use std::{thread::*, time::*}; fn x() { sleep(Duration::from_secs(9)); }"),
    ("clock", "fn x() { std::thread::sleep_ms(9000); }"),
    (
        "clock",
        "use std::{sync::*, time::*}; fn x(l: MutexGuard<u8>, c: &Condvar) { let _ = c.wait_timeout(l, Duration::MAX); }",
    ),
    ("clock", "fn x() { std::thread::park_timeout(core::time::Duration::from_secs(9)); }"),
    (
        "clock",
        "use std::sync::mpsc::Receiver; fn x(r: &Receiver<u8>) { let _ = r.recv_timeout(core::time::Duration::MAX); }",
    ),
    ("clock", "fn x() { std::thread::sleep(unsafe { std::mem::transmute((9u64, 0u32)) }); }"),
    (
        "clock",
        "use std::sync::*; fn x(l: MutexGuard<u8>, c: &Condvar) { let _ = c.wait_timeout(l, Default::default()); }",
    ),
    ("randomness", "use std::hash::RandomState;"),
    ("randomness", "use std::collections::*; fn x() { let _ = hash_map::RandomState::new(); }"),
    ("std-glob", "use std::*; fn x() -> hash::RandomState { Default::default() }"),
    (
        "randomness",
        "use std::{collections::HashMap, hash::BuildHasher}; fn x(m: &HashMap<u8, u8>) -> u64 { m.hasher().hash_one(1) }",
    ),
    (
        "randomness",
        "use std::{collections::HashMap, hash::BuildHasher}; fn hash_one() {} fn x(m: &HashMap<u8, u8>) -> u64 { BuildHasher::hash_one(m.hasher(), 1) }",
    ),
    (
        "randomness",
        "use std::{collections::HashSet, hash::BuildHasher}; fn hash_one() {} macro_rules! h { ($m:ident $dot:tt) => { $m $dot hash_one(1) }; } fn x(m: &HashSet<u8>) -> u64 { use BuildHasher as _; let h = m.hasher(); h!(h .) }",
    ),
    (
        "randomness",
        "use std::{collections::HashSet, hash::BuildHasher::{hash_one}}; fn x(m: &HashSet<u8>) -> u64 { hash_one(m.hasher(), 1) }",
    ),
    ("precision", "use core::arch::aarch64::*; fn x() { unsafe { vdot_u32(p(), p(), p()); } }"),
    (
        "precision",
        "mod own { pub fn vdot_u32() {} } fn x() { use core::arch::{aarch64 as a}; unsafe { a::vdot_u32(p(), p(), p()); } }",
    ),
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
    ("precision", "fn x(v: f32) -> f32 { v as r#f16 as f32 }"),
    ("precision", "fn x(v: &[f16]) {}"),
    ("precision", "fn x() -> Vec<f16> { Vec::new() }"),
    ("precision", "fn x() { let _ = f16::from_bits(1); }"),
    ("precision", "fn x() { let _ = <f16>::MAX; }"),
    ("precision", "fn x() { let _ = core::f16::consts::PI; }"),
    ("precision", "fn x() { let _ = size_of::<core::primitive::f16>(); }"),
    ("precision", "fn x() -> f32 { 1.5f16 as f32 }"),
    ("precision", "fn x() -> f32 { 1f16 as f32 }"),
    ("precision", "use std::primitive::f16 as half;"),
    ("precision", "use core::arch::x86_64::bf16;"),
    ("precision", "type Half = bf16;"),
    (
        "precision",
        "#[derive(Clone, Copy)] struct bf16(u16); fn x(v: bf16) -> f32 { f32::from_bits((v.0 as u32) << 16) }",
    ),
    ("precision", "macro_rules! m { ($t:ty) => { 1.0 as $t } } fn x() { let _ = m!(f16); }"),
    ("precision", "macro_rules! m { ($t:ident ($x:expr)) => { $x as $t } } fn x() { let _ = m!(f16(1.0)); }"),
    ("precision", "macro_rules! m { () => { 1.0 as f16 } } fn x() { let _ = m!(); }"),
    ("precision", "fn x() { assert!(1.0f32 as f16 as f32 == 1.0); }"),
    ("precision", "fn x() { let _ = vec![0.0 as f16; 4]; }"),
    ("precision", "fn f16() {} fn x(v: f32) -> f32 { v as f16 as f32 }"),
    ("precision", "fn x(v: f32) -> f32 { v as f16 as f32 } fn newer() { let = ~ ; }"),
    ("precision", "#[cfg(not(test))] mod q { pub fn x(v: f32) -> f32 { v as f16 as f32 } }"),
    # text that looks different from what is compiled
    ("bidirectional-text", "// \u202e } ;)(fi"),
    ("bidirectional-text", 'const X: &str = "\u2066";'),
    ("look-alike", "fn \u212a() {}"),
    ("nesting", "const X: u32 = " + "(" * 250 + "1" + ")" * 250 + ";"),
    ("precision", "use core::arch::x86_64::_mm256_madd_epi16;"),
    ("precision", "use core::arch::x86_64::{_mm512_maskz_maddubs_epi16 as m};"),
    ("precision", "use core::arch::x86_64::_mm512_dpbusd_epi32;"),
    ("precision", "use core::arch::x86_64::_mm256_dpwssd_avx_epi32;"),
    ("precision", "use core::arch::x86_64::_mm512_madd52lo_epu64;"),
    ("precision", "use core::arch::aarch64::vdotq_s32;"),
    ("input-output", 'fn x() { r#println!("x"); }'),
    ("files", "use r#std::r#fs;"),
    ("exported-symbol", "#[r#no_mangle] pub fn x() {}"),
]

# Broken sources: the policy passes them on to rustc, which reports the error.
BROKEN: list[str] = [
    "pub fn matmul(m: usize, k: usize",
    'pub fn matmul() { let x = "unterminated; }',
    "this is no Rust }} at all",
    "```rust\npub fn matmul() {}\n```",
    "",
    "pub fn matmul(m: usize) -> u32 { 'x }",
    "fn f() { let = ; } }",
]
