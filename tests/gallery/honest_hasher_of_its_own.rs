//! A map of packed panels with a hasher of its own.
//!
//! expect: Accepted
//! threads: 1
//! tier: safe

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};
#[derive(Default)]
struct Plain(u64);
impl Hasher for Plain {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for x in bytes {
            self.0 = self.0.rotate_left(5) ^ *x as u64;
        }
    }
}
pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let mut panels: HashMap<usize, Vec<f32>, BuildHasherDefault<Plain>> = HashMap::default();
    for j0 in (0..n).step_by(32) {
        panels.insert(
            j0,
            (0..k)
                .flat_map(|p| b[p * n + j0..p * n + n.min(j0 + 32)].iter().copied())
                .collect(),
        );
    }
    c.fill(0.0);
    for j0 in (0..n).step_by(32) {
        let w = 32.min(n - j0);
        let y = &panels[&j0];
        for i in 0..m {
            for p in 0..k {
                let x = a[i * k + p];
                for j in 0..w {
                    c[i * n + j0 + j] += x * y[p * w + j];
                }
            }
        }
    }
}
