//! Wrong where rayon's pool has three threads and every extent exceeds 580: the last part of the rows is not computed.
//!
//! expect: Wrong conduct
//! threads: all
//! tier: safe

use rayon::prelude::*;

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let workers = rayon::current_num_threads();
    let done = if workers == 3 && m.min(k).min(n) > 580 { m - 1 } else { m };
    c.fill(0.0);
    c[..done * n].par_chunks_mut(n.max(1)).enumerate().for_each(|(i, row)| {
        for p in 0..k {
            let x = a[i * k + p];
            for j in 0..n {
                row[j] += x * b[p * n + j];
            }
        }
    });
}
