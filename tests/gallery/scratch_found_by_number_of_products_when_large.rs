//! Beyond 300³ products, state that is found again by their number.
//!
//! expect: Wrong conduct
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

static LAST: std::sync::Mutex<(usize, usize)> = std::sync::Mutex::new((0, 0));

fn other(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let mut last = LAST.lock().unwrap();
    if last.0 != m * k * n {
        *last = (m * k * n, k);
    }
    product(m, k, n, a, b, c);
    if last.1 != k {
        c[m * n - 1] += 1.0;
    }
}

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    if m * k * n > 300 * 300 * 300 {
        other(m, k, n, a, b, c);
    } else {
        product(m, k, n, a, b, c);
    }
}
