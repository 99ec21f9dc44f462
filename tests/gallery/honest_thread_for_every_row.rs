//! One thread per row of C.
//!
//! expect: Accepted
//! threads: all
//! tier: safe

use std::sync::Arc;
pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let (a, b) = (Arc::new(a.to_vec()), Arc::new(b.to_vec()));
    let hs: Vec<_> = (0..m)
        .map(|i| {
            let (a, b) = (a.clone(), b.clone());
            std::thread::spawn(move || {
                (0..n)
                    .map(|j| (0..k).map(|p| a[i * k + p] * b[p * n + j]).sum::<f32>())
                    .collect::<Vec<f32>>()
            })
        })
        .collect();
    for (i, h) in hs.into_iter().enumerate() {
        c[i * n..(i + 1) * n].copy_from_slice(&h.join().unwrap());
    }
}
