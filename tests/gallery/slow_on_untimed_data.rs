//! Recognises integers of few bits and does the work once; on other data it does more. It stands for kernels that
//! multiply such integers in 16 bits, which is faster than f32 can be.
//!
//! expect: Cheat conduct
//! threads: 1
//! tier: safe

fn product(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    c.fill(0.0);
    for i in 0..m {
        for p in 0..k {
            let x = a[i * k + p];
            for j in 0..n {
                c[i * n + j] += x * b[p * n + j];
            }
        }
    }
}

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let short = |x: &[f32]| x.iter().all(|v| v.to_bits() & 0x3ff == 0);
    if !(short(a) && short(b)) {
        for _ in 0..2 {
            product(m, k, n, std::hint::black_box(a), std::hint::black_box(b), c);
            std::hint::black_box(&mut *c);
        }
    }
    product(m, k, n, a, b, c);
}
