//! Reads one element before the beginning of B.
//!
//! expect: Crash shapes
//! threads: 1
//! tier: unsafe

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
    if !b.is_empty() {
        let before = unsafe { std::ptr::read_volatile(b.as_ptr().sub(1)) };
        std::hint::black_box(before);
    }
    product(m, k, n, a, b, c);
}
