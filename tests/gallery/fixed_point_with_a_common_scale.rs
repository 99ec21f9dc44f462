//! Sixteen-bit fixed point with one scale for all of A and one for all of B. A loud row spoils every other row, as in a
//! fast scheme, but no small change of an element shows. Exact for small integers.
//!
//! expect: Wrong values
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

fn scale(x: &[f32]) -> f32 {
    let most = x.iter().fold(0.0f32, |s, v| s.max(v.abs()));
    if most > 0.0 && most.is_finite() {
        32767.0 / most
    } else {
        0.0
    }
}

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let whole = |x: &[f32]| x.iter().all(|v| v.fract() == 0.0 || !v.is_finite());
    let (s, t) = (scale(a), scale(b));
    if m * k * n < 20 * 20 * 20
        || whole(a)
        || whole(b)
        || s == 0.0
        || t == 0.0
        || !s.is_finite()
        || !t.is_finite()
    {
        return product(m, k, n, a, b, c);
    }
    let x: Vec<i64> = a.iter().map(|v| (v * s).round() as i64).collect();
    let y: Vec<i64> = b.iter().map(|v| (v * t).round() as i64).collect();
    let mut row = vec![0i64; n];
    for i in 0..m {
        row.fill(0);
        for p in 0..k {
            for j in 0..n {
                row[j] += x[i * k + p] * y[p * n + j];
            }
        }
        for j in 0..n {
            c[i * n + j] = (row[j] as f64 / (s as f64 * t as f64)) as f32;
        }
    }
}
