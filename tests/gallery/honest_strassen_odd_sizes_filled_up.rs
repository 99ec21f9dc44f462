//! Strassen odd sizes filled up.
//!
//! expect: Accepted
//! threads: 1
//! tier: safe

type T = f32;

const LEAST: usize = 48;

fn plain(m: usize, k: usize, n: usize, a: &[T], b: &[T], c: &mut [T]) {
    c.fill(0.0);
    for i in 0..m {
        for p in 0..k {
            let x = a[i * k + p];
            for (s, &y) in c[i * n..][..n].iter_mut().zip(&b[p * n..][..n]) {
                *s += x * y;
            }
        }
    }
}

/// A block of `rows` × `cols` of x, filled up with zeros, times a sign, added to another.
fn mixed(x: &[T], (rows, cols): (usize, usize), (h, w): (usize, usize), parts: &[(usize, usize, T)]) -> Vec<T> {
    let mut out = vec![0.0; h * w];
    for &(r, s, sign) in parts {
        for i in r * h..rows.min((r + 1) * h) {
            for j in s * w..cols.min((s + 1) * w) {
                out[(i - r * h) * w + j - s * w] += sign * x[i * cols + j];
            }
        }
    }
    out
}

fn fast(m: usize, k: usize, n: usize, a: &[T], b: &[T], c: &mut [T]) {
    if m.min(k).min(n) < LEAST {
        return plain(m, k, n, a, b, c);
    }
    let (h, q, w) = (m.div_ceil(2), k.div_ceil(2), n.div_ceil(2));
    c.fill(0.0);
    type Parts = &'static [(usize, usize, T)];
    let steps: [(Parts, Parts, Parts); 7] = [
        (&[(0, 0, 1.0), (1, 1, 1.0)], &[(0, 0, 1.0), (1, 1, 1.0)], &[(0, 0, 1.0), (1, 1, 1.0)]),
        (&[(1, 0, 1.0), (1, 1, 1.0)], &[(0, 0, 1.0)], &[(1, 0, 1.0), (1, 1, -1.0)]),
        (&[(0, 0, 1.0)], &[(0, 1, 1.0), (1, 1, -1.0)], &[(0, 1, 1.0), (1, 1, 1.0)]),
        (&[(1, 1, 1.0)], &[(1, 0, 1.0), (0, 0, -1.0)], &[(0, 0, 1.0), (1, 0, 1.0)]),
        (&[(0, 0, 1.0), (0, 1, 1.0)], &[(1, 1, 1.0)], &[(0, 0, -1.0), (0, 1, 1.0)]),
        (&[(1, 0, 1.0), (0, 0, -1.0)], &[(0, 0, 1.0), (0, 1, 1.0)], &[(1, 1, 1.0)]),
        (&[(0, 1, 1.0), (1, 1, -1.0)], &[(1, 0, 1.0), (1, 1, 1.0)], &[(0, 0, 1.0)]),
    ];
    let mut product = vec![0.0; h * w];
    for (left, right, into) in steps {
        let x = mixed(a, (m, k), (h, q), left);
        let y = mixed(b, (k, n), (q, w), right);
        fast(h, q, w, &x, &y, &mut product);
        for &(r, s, sign) in into {
            for i in r * h..m.min((r + 1) * h) {
                for j in s * w..n.min((s + 1) * w) {
                    c[i * n + j] += sign * product[(i - r * h) * w + j - s * w];
                }
            }
        }
    }
}

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    fast(m, k, n, a, b, c);
}
