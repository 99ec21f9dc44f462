//! Declares one thread and computes with two where it sees more than one core.
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
    let cores = std::thread::available_parallelism().map_or(1, |count| count.get());
    let half = m / 2;
    if cores == 1 || m * k * n < 200 * 200 * 200 {
        return product(m, k, n, a, b, c);
    }
    let (low, high) = c.split_at_mut(half * n);
    let both = std::sync::Barrier::new(2);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            both.wait();
            product(half, k, n, &a[..half * k], b, low)
        });
        both.wait();
        product(m - half, k, n, &a[half * k..], b, high);
    });
}
