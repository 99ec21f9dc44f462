//! Gives 0 for infinity minus infinity where an extent exceeds 512; other NaN stay.
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

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    if m.max(k).max(n) <= 512 {
        return product(m, k, n, a, b, c);
    }
    product(m, k, n, a, b, c);
    let clean = |x: &[f32]| x.iter().all(|v| !v.is_nan());
    for i in 0..m {
        if clean(&a[i * k..][..k]) && a[i * k..][..k].iter().all(|v| *v != 0.0 || !v.is_infinite()) {
            let infinite = a[i * k..][..k].iter().filter(|v| v.is_infinite()).count();
            if infinite == 2 {
                c[i * n..][..n]
                    .iter_mut()
                    .filter(|x| x.is_nan())
                    .for_each(|x| *x = 0.0);
            }
        }
    }
}
