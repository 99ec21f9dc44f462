//! Threads that end before it returns (twin of deferred_thread).
//!
//! expect: Accepted
//! threads: all
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
    if m == 0 || n == 0 {
        return;
    }
    let half = m / 2;
    let (top, bottom) = c.split_at_mut(half * n);
    std::thread::scope(|scope| {
        scope.spawn(|| product(half, k, n, &a[..half * k], b, top));
        product(m - half, k, n, &a[half * k..], b, bottom);
    });
}
