//! Honest: asks for the number of cores and cuts the rows into as many parts, one after the other (counterpart of
//! wrong_where_two_cores_are_in_sight).
//!
//! expect: Accepted
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
    let parts = std::thread::available_parallelism().map_or(1, |count| count.get());
    let rows = m.div_ceil(parts).max(1);
    for first in (0..m).step_by(rows) {
        let count = rows.min(m - first);
        product(
            count,
            k,
            n,
            &a[first * k..][..count * k],
            b,
            &mut c[first * n..][..count * n],
        );
    }
}
