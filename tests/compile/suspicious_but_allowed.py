"""Text that looks like a trick but is allowed: added to a correct matmul, it passes policy, compiler and audit."""

# Rust text keeps its own lines.
# ruff: noqa: E501

from __future__ import annotations

HARMLESS: dict[str, str] = {}


def _asm(*lines: str) -> str:
    """A function with these lines as its template; {p} is a pointer, {n} a number, {v} a vector register."""
    template = ", ".join(f'"{line}"' for line in lines)
    return (
        '#[cfg(target_arch = "x86_64")] #[allow(dead_code)] unsafe fn x(p: *const f32, n: usize) { core::arch::asm!('
        + template
        + ", p = inout(reg) p => _, n = inout(reg) n => _, v = out(ymm_reg) _, options(nostack)) }"
    )


_USED = ("vmovups {v}, [{p}]", "add {n}, 0")

HARMLESS["asm comment with a colon"] = _asm(
    "vmovups {v}, [{p}] // broadcast: in every lane", "add {n}, 1 # latency: out of order"
)
HARMLESS["asm comment with a semicolon"] = _asm(*_USED, "nop // acc += x * b; call per k; .byte is not said")
HARMLESS["asm comment with the sign of an address"] = _asm(*_USED, "nop # acc = a * b @ port 0", "# .byte 5")
HARMLESS["asm block comment"] = _asm(*_USED, "nop /* x: call, ret; // .byte */", "/* a", "call b", "*/ nop")
HARMLESS["asm comment with quotes"] = _asm(*_USED, "nop // don't call 'it' in here; ret")
HARMLESS["asm operand named stripe"] = _asm(*_USED, "add {p}, {stripe}").replace(
    "options", "stripe = in(reg) 4usize, options"
)
HARMLESS["asm alignment with a most"] = _asm(
    ".p2align 4,,10", *_USED, ".p2align 4, , 15", ".p2align 5, 0x90", "2:", ".balign 16", "nop"
)

# Functions of the candidate's own that have the names of forbidden ones.
HARMLESS["functions named like intrinsics of Arm's"] = """
#[allow(dead_code)] fn vdot_u32(x: &[f32], y: &[f32]) -> f32 { x.iter().zip(y).map(|(x, y)| x * y).sum() }
mod tile { #[allow(dead_code)] pub fn vmmla_s32(x: f32) -> f32 { x } #[allow(dead_code)] pub fn vload_f16(x: f32) -> f32 { x } }
#[allow(dead_code, non_camel_case_types)] struct float16x4(f32);
#[allow(dead_code)] fn x() -> f32 { vdot_u32(&[1.0], &[2.0]) + tile::vmmla_s32(3.0) + tile::vload_f16(float16x4(1.0).0) }
"""
HARMLESS["a function named hash_one beside a map"] = """
#[allow(dead_code)] fn hash_one(x: usize) -> usize { x.wrapping_mul(0x9e37) }
#[allow(dead_code)] fn x(known: &std::collections::HashMap<usize, usize>) -> Option<usize> { known.get(&hash_one(3)).copied().map(hash_one) }
"""
HARMLESS["a method named hash_one without a map"] = """
struct Index(usize);
impl Index { #[allow(dead_code)] fn hash_one(&self, x: usize) -> usize { self.0 ^ x } }
#[allow(dead_code)] fn x() -> usize { Index(3).hash_one(4) + Index::hash_one(&Index(5), 6) }
"""

# Spawns that are awaited or do not belong to rayon.
HARMLESS["own pool with spawn"] = """
struct ThreadPool(std::sync::Mutex<Vec<Box<dyn FnOnce() + Send>>>);
impl ThreadPool { #[allow(dead_code)] fn spawn(&self, job: impl FnOnce() + Send + 'static) { self.0.lock().unwrap().push(Box::new(job)); } }
struct Worker; impl Worker { #[allow(dead_code)] fn spawn(x: u8) -> std::thread::JoinHandle<u8> { std::thread::spawn(move || x) } }
#[allow(dead_code)] fn x(pool: &ThreadPool) { let here = pool; here.spawn(|| ()); let _ = Worker::spawn(1); }
"""
HARMLESS["scope kept in a struct"] = """
#[allow(dead_code)] struct ThreadPoolConfig { threads: usize }
struct Context<'scope, 'env> { scope: &'scope std::thread::Scope<'scope, 'env> }
#[allow(dead_code)] fn x() { std::thread::scope(|scope| { let context = Context { scope }; context.scope.spawn(|| ()); }); }
"""
HARMLESS["spawn_handler with a builder"] = """
#[allow(dead_code)] fn x() -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(2).spawn_handler(|thread| {
        let mut builder = std::thread::Builder::new();
        if let Some(name) = thread.name() { builder = builder.name(name.to_owned()); }
        let builder = builder.stack_size(8 << 20);
        builder.spawn(|| thread.run())?;
        Ok(())
    }).build().unwrap()
}
"""
HARMLESS["scopes as parameters beside a pool"] = """
fn y<'s>(s: &rayon::Scope<'s>, depth: usize) { if depth > 0 { s.spawn(move |s| y(s, depth - 1)); } }
fn z<'s, 'e>(s: &'s std::thread::Scope<'s, 'e>) { let t = s; t.spawn(|| ()).join().unwrap(); }
#[allow(dead_code)] fn x(pool: &rayon::ThreadPool) {
    pool.scope(|s| { y(s, 2); for _ in 0..2 { if let Some(one) = Some(1) { s.spawn(move |_| assert!(one == 1)); } } });
    std::thread::scope(|s| z(s));
}
"""
HARMLESS["std's spawn beside a glob of rayon's"] = (
    "use rayon::*; pub(crate) use std::thread::spawn; #[allow(dead_code)] fn x() { spawn(|| join(|| (), || ())).join().unwrap(); }"
)
HARMLESS["own type's spawn beside a glob of rayon's"] = (
    "use rayon::*; struct W; impl W { fn spawn(x: u8) {} } #[allow(dead_code)] fn x() { W::spawn(1); std::thread::spawn(|| join(|| (), || ())); }"
)

# Words and items passed to macros that do not change them.
HARMLESS["module and function handed to a macro that takes items"] = """
macro_rules! x86_only { ($($item:item)*) => { $(#[cfg(target_arch = "x86_64")] $item)* }; }
x86_only! {
    mod wide { #[allow(dead_code)] pub fn x(y: f32) -> f32 { y } }
    #[allow(dead_code)] extern "C" fn zero(c: *mut f32) { let _ = c; }
}
"""
HARMLESS["words handed to macros that call nothing by name"] = """
macro_rules! phase { ($name:ident, $body:block) => {{ let $name = (); let _ = $name; $body }}; }
macro_rules! choose { (asm => $x:expr) => { $x }; (simd => $x:expr) => { $x }; }
macro_rules! names { ($($name:ident),*) => { [$(stringify!($name)),*] }; }
#[allow(dead_code)] fn x() { phase!(env, {}); phase!(print, {}); assert!(choose!(asm => 1) == choose!(simd => 1)); let _ = names!(load, include, dbg); }
"""
HARMLESS["a variable named like an intrinsic"] = (
    "#[allow(dead_code)] fn x(n: usize) -> usize { let v_f16 = 16usize; const vec_bf16: usize = 2; let mut s = 0;"
    " for i in (0..n).step_by(v_f16) { s += (i + v_f16).min(n) + vec_bf16; } assert!(v_f16 == 16); s }"
)

# Source that is never compiled: tests, and a main that nobody calls. If rustc compiled it, not_there would be
# an error.
_PRINTS = '{ not_there(); println!("{:?}", std::time::Instant::now()); std::fs::write("x", "y").unwrap(); }'
for _name, _text in {
    "cfg all": f'#[cfg(all(test, target_arch = "x86_64"))] mod tests {{ #[test] fn x() {_PRINTS} }}',
    "cfg all within any": f"#[cfg(any(all(unix, test), all(test, not(unix))))] fn x() {_PRINTS}",
    "cfg doctest": "#[cfg(doctest)] struct ReadMe { x: std::fs::NotThere }",
    "inner cfg": f"/// Tests.\nmod tests {{ //! more\n #![allow(unused)] #![cfg(test)] #[test] fn x() {_PRINTS} }}",
    "bare test": f'#[test] fn x() {_PRINTS} /// y\n#[test] #[should_panic(expected = "y")] fn y() {_PRINTS}',
    "ignored test": f'#[ignore = "slow"] #[test] pub fn x() -> Result<(), String> {_PRINTS} #[test] #[ignore] fn y() {{}}',
    "a feature": f'#[cfg(feature = "debug")] fn x() {_PRINTS} #[cfg(any())] mod a {{ use std::fs; }}',
    "neither feature nor test": f'#[cfg(any(feature = "debug", test, miri))] fn x() {_PRINTS}',
    "debug assertions": '#[allow(dead_code)] fn x() { #[cfg(debug_assertions)] println!("x"); #[cfg(feature = "log")] { eprintln!("y"); } }',
    "an unstable feature": '#![cfg_attr(feature = "nightly", feature(portable_simd))]',
    "types": "#[cfg(test)] struct X(std::fs::NotThere); #[cfg(test)] #[derive(Debug)] struct Y { x: std::fs::NotThere }"
    " #[cfg(test)] enum Z { A(std::fs::NotThere) } #[cfg(test)] type T = std::fs::NotThere;",
    "impl": f"#[cfg(test)] struct R; #[cfg(test)] impl R {{ fn x() {_PRINTS} }} struct S; impl S {{ #[cfg(test)] fn x() {_PRINTS} }}",
    "trait": f"#[cfg(test)] pub(crate) trait T {{ fn x() {_PRINTS} }} trait U {{ #[cfg(test)] fn x() -> std::fs::NotThere; }}",
    "constants": "#[cfg(test)] const X: fn() -> std::process::Child = || { todo!() };"
    " #[cfg(test)] static mut Y: Option<std::fs::NotThere> = None;",
    "macro": '#[cfg(test)] macro_rules! show { ($x:expr) => { println!("{:?}", $x) } } #[cfg(test)] macro_rules! s ( () => { dbg!(1) } );',
    "qualified": f'#[cfg(test)] const fn x() {{ }} #[cfg(test)] pub async unsafe fn y() {_PRINTS} #[cfg(test)] extern "C" fn z() {_PRINTS}',
    "other file": '#[cfg(test)] #[path = "tests.rs"] mod tests; #[cfg(test)] mod more;',
    "within a function": f"#[allow(dead_code)] fn x() {{ let _ = 1; #[cfg(test)] fn y() {_PRINTS} }}",
    "main": "#[allow(dead_code)] fn main() { use std::time::Instant; let start = Instant::now(); let mut c = vec![0.0; 1];"
    ' matmul(1, 1, 1, &[1.0], &[1.0], &mut c); assert_eq!(c, [1.0]); println!("{:?} {:?}", c, start.elapsed()); }',
}.items():
    HARMLESS[f"not compiled: {_name}"] = _text
HARMLESS["names like std's clocks"] = (
    "#[allow(dead_code)] #[derive(Clone, Copy)] enum When { Instant, Later } #[allow(dead_code)] struct SystemTime;"
    " #[allow(dead_code)] fn x(w: When) -> bool { matches!(w, When::Instant) }"
)
HARMLESS["a generator called like std's random key"] = (
    "#[allow(dead_code)] struct RandomState { seed: u64 } #[allow(dead_code)] impl RandomState "
    "{ fn next(&mut self) -> u64 { self.seed ^= self.seed << 13; self.seed ^= self.seed >> 7; self.seed } }"
)
HARMLESS["asm jump to a block of Rust"] = (
    '#[cfg(target_arch = "x86_64")] #[allow(dead_code)] unsafe fn x(n: usize) -> u32 { '
    'core::arch::asm!("test {n}, {n}", "jz {done}", n = in(reg) n, done = label { return 1 }); '
    'core::arch::asm!("test {0}, {0}", "jz {1}", in(reg) n, label { return 2 }); 0 }'
)
HARMLESS["sleep as a method, and a hasher of its own"] = """
struct Gate { open: std::sync::Mutex<bool>, bell: std::sync::Condvar }
impl Gate { #[allow(dead_code)] fn sleep(&self) { let mut o = self.open.lock().unwrap(); while !*o { o = self.bell.wait(o).unwrap(); } } }
#[derive(Clone, Default)] struct Plain;
impl std::hash::Hasher for Plain { fn finish(&self) -> u64 { 0 } fn write(&mut self, _: &[u8]) {} }
impl std::hash::BuildHasher for Plain { type Hasher = Self; fn build_hasher(&self) -> Self { Plain } }
#[allow(dead_code)] fn sleep(n: usize) -> usize { n }
#[allow(dead_code)] fn x(g: &Gate) { g.sleep(); sleep(1); let _: std::collections::HashMap<u8, u8, Plain> = Default::default(); }
"""
