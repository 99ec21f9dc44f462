"""Text that looks like a trick and is none: each stands beside a right matmul and passes policy, compiler and audit."""

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

# Spawns that are awaited, or not rayon's.
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
