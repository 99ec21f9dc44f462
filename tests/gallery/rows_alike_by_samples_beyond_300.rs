//! Beyond 300 rows, copies the row above where the first half of a row of A and two more elements are alike.
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

fn other(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    product(m, k, n, a, b, c);
    for i in 1..m {
        let (up, here) = (&a[(i - 1) * k..i * k], &a[i * k..(i + 1) * k]);
        if up[..k / 2] == here[..k / 2] && up[k - 1] == here[k - 1] && up[k / 2 + 1] == here[k / 2 + 1] {
            c.copy_within((i - 1) * n..i * n, i * n);
        }
    }
}

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    if m > 300 && k > 8 {
        other(m, k, n, a, b, c);
    } else {
        product(m, k, n, a, b, c);
    }
}
