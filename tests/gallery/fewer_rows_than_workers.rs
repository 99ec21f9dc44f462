//! Gives each of rayon's workers m / workers rows: none where there are more workers than rows.
//!
//! expect: Wrong conduct
//! threads: all
//! tier: unsafe

fn mm(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    c.fill(0.0);
    for i in 0..m {
        let row = &mut c[i * n..i * n + n];
        for p in 0..k {
            let x = a[i * k + p];
            for (o, y) in row.iter_mut().zip(&b[p * n..p * n + n]) {
                *o += x * y;
            }
        }
    }
}
use rayon::prelude::*;
pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let workers = rayon::current_num_threads();
    if workers < 5 || m == 0 || n == 0 {
        return mm(m, k, n, a, b, c);
    }
    let rows = m / workers;
    c.par_chunks_mut((rows * n).max(n))
        .enumerate()
        .for_each(|(i, c)| {
            if rows > 0 {
                let r0 = i * rows;
                let r = c.len() / n;
                mm(r, k, n, &a[r0 * k..(r0 + r) * k], b, c);
            }
        });
}
