//! The scheme <2,2,3;11>, one level, where extents divide; the textbook elsewhere.
//!
//! expect: Accepted
//! threads: 1
//! tier: safe

fn naive(m: usize, k: usize, n: usize, a: &[f32], b: &[f32]) -> Vec<f32> {
    let mut c = vec![0.0; m * n];
    for i in 0..m {
        for p in 0..k {
            let x = a[i * k + p];
            for (o, y) in c[i * n..i * n + n].iter_mut().zip(&b[p * n..p * n + n]) {
                *o += x * y;
            }
        }
    }
    c
}
fn block(x: &[f32], cols: usize, r: usize, h: usize, q: usize, w: usize) -> Vec<f32> {
    (0..h)
        .flat_map(|i| x[(r * h + i) * cols + q * w..][..w].iter().copied())
        .collect()
}
fn sum(parts: &[(f32, &Vec<f32>)]) -> Vec<f32> {
    let mut s = vec![0.0; parts[0].1.len()];
    for (f, x) in parts {
        for (o, v) in s.iter_mut().zip(x.iter()) {
            *o += f * v;
        }
    }
    s
}
/// Coefficients of Hopcroft and Kerr's scheme are not needed: <2,2,3;11> is Strassen on two columns and the textbook on the third.
fn two_by_three(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let (h, g, w) = (m / 2, k / 2, n / 3);
    let x = |r, q| block(a, k, r, h, q, g);
    let y = |r, q| block(b, n, r, g, q, w);
    let (a11, a12, a21, a22) = (x(0, 0), x(0, 1), x(1, 0), x(1, 1));
    let (b11, b12, b21, b22, b13, b23) = (y(0, 0), y(0, 1), y(1, 0), y(1, 1), y(0, 2), y(1, 2));
    let p = |u: &Vec<f32>, v: &Vec<f32>| naive(h, g, w, u, v);
    let m1 = p(
        &sum(&[(1.0, &a11), (1.0, &a22)]),
        &sum(&[(1.0, &b11), (1.0, &b22)]),
    );
    let m2 = p(&sum(&[(1.0, &a21), (1.0, &a22)]), &b11);
    let m3 = p(&a11, &sum(&[(1.0, &b12), (-1.0, &b22)]));
    let m4 = p(&a22, &sum(&[(1.0, &b21), (-1.0, &b11)]));
    let m5 = p(&sum(&[(1.0, &a11), (1.0, &a12)]), &b22);
    let m6 = p(
        &sum(&[(1.0, &a21), (-1.0, &a11)]),
        &sum(&[(1.0, &b11), (1.0, &b12)]),
    );
    let m7 = p(
        &sum(&[(1.0, &a12), (-1.0, &a22)]),
        &sum(&[(1.0, &b21), (1.0, &b22)]),
    );
    let out = [
        sum(&[(1.0, &m1), (1.0, &m4), (-1.0, &m5), (1.0, &m7)]),
        sum(&[(1.0, &m3), (1.0, &m5)]),
        sum(&[(1.0, &p(&a11, &b13)), (1.0, &p(&a12, &b23))]),
        sum(&[(1.0, &m2), (1.0, &m4)]),
        sum(&[(1.0, &m1), (-1.0, &m2), (1.0, &m3), (1.0, &m6)]),
        sum(&[(1.0, &p(&a21, &b13)), (1.0, &p(&a22, &b23))]),
    ];
    for (at, part) in out.iter().enumerate() {
        for i in 0..h {
            c[((at / 3) * h + i) * n + (at % 3) * w..][..w].copy_from_slice(&part[i * w..i * w + w]);
        }
    }
}
pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    if m % 2 == 0 && k % 2 == 0 && n % 3 == 0 && m.min(k).min(n) >= 48 {
        return two_by_three(m, k, n, a, b, c);
    }
    c.copy_from_slice(&naive(m, k, n, a, b));
}
