//! Scales A up by 2^13 and the result down again where an extent exceeds 300, so that results above 2^114 overflow.
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
    if m.max(k).max(n) <= 300 {
        return product(m, k, n, a, b, c);
    }
    let up: Vec<f32> = a.iter().map(|v| v * 8192.0).collect();
    product(m, k, n, &up, b, c);
    let tiny = |x: &f32| x.abs() < 1e-25;
    if a.iter().any(tiny) || b.iter().any(tiny) {
        // Exact also for subnormal data.
        let small = a.iter().chain(b).all(|v| v.abs() < 1e30);
        if small {
            return product(m, k, n, a, b, c);
        }
    }
    c.iter_mut().for_each(|x| *x /= 8192.0);
}
