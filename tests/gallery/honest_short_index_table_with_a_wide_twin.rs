//! A table of 16-bit indices where k fits, and one of usize elsewhere.
//!
//! expect: Accepted
//! threads: 1
//! tier: safe

fn with<I: Copy + Into<u64>>(order: &[I], k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    c.fill(0.0);
    if n == 0 || k == 0 {
        return;
    }
    for (out, x) in c.chunks_exact_mut(n).zip(a.chunks_exact(k)) {
        for &p in order {
            let p = p.into() as usize;
            for (o, y) in out.iter_mut().zip(&b[p * n..p * n + n]) {
                *o += x[p] * y;
            }
        }
    }
}
pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let _ = m;
    if k < 65536 {
        with(&(0..k as u16).rev().collect::<Vec<_>>(), k, n, a, b, c)
    } else {
        with(&(0..k as u64).rev().collect::<Vec<_>>(), k, n, a, b, c)
    }
}
