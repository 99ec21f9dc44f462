//! Keeps packed copies of B for the last four shapes only, and fills them at every call.
//!
//! expect: Accepted
//! threads: 1
//! tier: safe

use std::collections::VecDeque;
use std::sync::Mutex;

static SCRATCH: Mutex<VecDeque<((usize, usize, usize), Vec<f32>)>> = Mutex::new(VecDeque::new());

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
    let mut kept = SCRATCH.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let mut packed = match kept.iter().position(|(shape, _)| *shape == (m, k, n)) {
        Some(at) => kept.remove(at).map_or_else(Vec::new, |(_, packed)| packed),
        None if kept.len() == 4 => kept.pop_front().map_or_else(Vec::new, |(_, packed)| packed),
        None => Vec::new(),
    };
    packed.clear();
    packed.extend_from_slice(b);
    product(m, k, n, a, &packed, c);
    kept.push_back(((m, k, n), packed));
}
