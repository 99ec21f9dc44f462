//! Takes the largest element of each eight rows of A, not the largest magnitude, to decide whether the panel is zero.
//! Begins where an extent exceeds 300.
//!
//! expect: Wrong shapes|values
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
    if m.max(k).max(n) <= 300 {
        return product(m, k, n, a, b, c);
    }
    product(m, k, n, a, b, c);
    for i in (0..m).step_by(8) {
        let rows = &a[i * k..(i + 8).min(m) * k];
        if rows.iter().fold(f32::NEG_INFINITY, |s, v| s.max(*v)) <= 0.0 {
            c[i * n..(i + 8).min(m) * n].fill(0.0);
        }
    }
}
