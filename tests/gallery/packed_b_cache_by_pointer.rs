//! Reuses the packed B of the last call with the same address and shape.
//!
//! expect: Wrong|Cheat shapes|values|conduct
//! threads: 1
//! tier: unsafe

use std::collections::HashMap;
use std::sync::Mutex;

type Kept = HashMap<(usize, usize, usize), Vec<f32>>;
static KEPT: Mutex<Option<Kept>> = Mutex::new(None);

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
    let key = (b.as_ptr() as usize, k, n);
    let mut kept = KEPT.lock().unwrap();
    let cached = kept.get_or_insert_with(HashMap::new).entry(key).or_insert_with(|| b.to_vec()).clone();
    drop(kept);
    product(m, k, n, a, &cached, c);
}
