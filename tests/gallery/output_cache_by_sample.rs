//! Samples a few corner values of A and B; if they equal those of the last call, returns the last result.
//!
//! expect: Wrong|Cheat shapes|conduct
//! threads: 1
//! tier: unsafe

use std::sync::Mutex;

type Key = (usize, usize, usize, [u32; 3], [u32; 3]);
static KEPT: Mutex<Option<(Key, Vec<f32>)>> = Mutex::new(None);

fn sample(x: &[f32]) -> [u32; 3] {
    let at = |i: usize| x.get(i).map_or(0, |v| v.to_bits());
    [at(0), at(x.len() / 2), at(x.len().saturating_sub(1))]
}

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
    let key = (m, k, n, sample(a), sample(b));
    let mut kept = KEPT.lock().unwrap();
    if let Some((old, answer)) = kept.as_ref() {
        if *old == key {
            c.copy_from_slice(answer);
            return;
        }
    }
    product(m, k, n, a, b, c);
    *kept = Some((key, c.to_vec()));
}
