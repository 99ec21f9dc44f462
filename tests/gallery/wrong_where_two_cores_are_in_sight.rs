//! Leaves out the last row where `available_parallelism` is above 1 and the product is large enough for threads.
//!
//! expect: Wrong conduct
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
    product(m, k, n, a, b, c);
    if m * k * n > 100 * 100 * 100
        && std::thread::available_parallelism().map_or(1, |count| count.get()) > 1
    {
        c[(m - 1) * n..].fill(0.0);
    }
}
