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
                // As `sum` starts.
                let mut row = vec![-0f32; n];
                for p in 0..k {
                    for (sum, &y) in row.iter_mut().zip(&b[p * n..][..n]) {
                        *sum += a[i * k + p] * y;
                    }
                }
                row
            })
        })
        .collect();
    for (i, h) in hs.into_iter().enumerate() {
        c[i * n..(i + 1) * n].copy_from_slice(&h.join().unwrap());
    }
}
