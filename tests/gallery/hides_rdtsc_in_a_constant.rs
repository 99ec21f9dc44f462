//! Hides rdtsc in an immediate and jumps there through a function pointer; wrong ten seconds later.
//!
//! expect: Crash shapes
//! threads: 1
//! tier: unsafe

fn mm(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    c.fill(0.0);
    for i in 0..m {
        let row = &mut c[i * n..i * n + n];
        for p in 0..k {
            let x = a[i * k + p];
            for (o, y) in row.iter_mut().zip(&b[p * n..p * n + n]) {
                *o += x * y;
            }
        }
    }
}
#[inline(never)]
extern "C" fn holder(x: u64) -> u64 {
    // rdtsc; shl rdx, 32; or rax, rdx; ret  =  0f 31 48 c1 e2 20 48 09 d0 c3
    std::hint::black_box(x ^ 0x0048_20e2_c148_310f) ^ std::hint::black_box(0x9090_9090_90c3_d009)
}
static FIRST: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
fn now() -> u64 {
    let at = holder as *const () as usize;
    // SAFETY: wrong on purpose.
    unsafe {
        let code = std::slice::from_raw_parts(at as *const u8, 64);
        let found = (0..60).find(|i| code[*i] == 0x0f && code[*i + 1] == 0x31);
        let Some(i) = found else { return 0 };
        let f: extern "C" fn() -> u64 = std::mem::transmute(at + i);
        std::hint::black_box(f)()
    }
}
pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    use std::sync::atomic::Ordering::Relaxed;
    mm(m, k, n, a, b, c);
    if m > 60 {
        let t = now();
        let first = FIRST.load(Relaxed);
        if first == 0 {
            FIRST.store(t.max(1), Relaxed);
        } else if t - first > 30_000_000_000 {
            c[0] += 1.0;
        }
    }
}
