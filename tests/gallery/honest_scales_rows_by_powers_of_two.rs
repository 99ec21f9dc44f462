//! Honest: scales each row of A by a power of two, from its largest magnitude, and sums in f64 (counterpart of the
//! kernels that forget the magnitude).
//!
//! expect: Accepted
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
    let mut row = vec![0f64; n];
    for i in 0..m {
        let most = a[i * k..][..k].iter().fold(0.0f64, |s, v| s.max(v.abs() as f64));
        let scale = if most > 0.0 && most.is_finite() {
            most.log2().floor().exp2()
        } else {
            1.0
        };
        row.fill(0.0);
        for p in 0..k {
            let x = a[i * k + p] as f64 / scale;
            for j in 0..n {
                row[j] += x * b[p * n + j] as f64;
            }
        }
        for j in 0..n {
            c[i * n + j] = (row[j] * scale) as f32;
        }
    }
    if k == 0 {
        product(m, k, n, a, b, c);
    }
}
