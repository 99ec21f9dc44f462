//! Strassen with odd rows and columns peeled.
//!
//! expect: Accepted
//! threads: 1
//! tier: safe

const CUT: usize = 48;
fn mul(
    m: usize,
    k: usize,
    n: usize,
    a: &[f32],
    lda: usize,
    b: &[f32],
    ldb: usize,
    c: &mut [f32],
    ldc: usize,
) {
    for i in 0..m {
        for p in 0..k {
            let x = a[i * lda + p];
            for j in 0..n {
                c[i * ldc + j] += x * b[p * ldb + j];
            }
        }
    }
}
fn comb(r: usize, q: usize, x: &[f32], lx: usize, y: &[f32], ly: usize, s: f32) -> Vec<f32> {
    let mut v = vec![0.0; r * q];
    for i in 0..r {
        for j in 0..q {
            v[i * q + j] = x[i * lx + j] + s * y[i * ly + j];
        }
    }
    v
}
fn copy(r: usize, q: usize, x: &[f32], lx: usize) -> Vec<f32> {
    let mut v = Vec::with_capacity(r * q);
    for i in 0..r {
        v.extend_from_slice(&x[i * lx..i * lx + q]);
    }
    v
}
fn acc(r: usize, q: usize, x: &[f32], c: &mut [f32], at: usize, ldc: usize, s: f32) {
    for i in 0..r {
        for j in 0..q {
            c[at + i * ldc + j] += s * x[i * q + j];
        }
    }
}
fn rec(
    m: usize,
    k: usize,
    n: usize,
    a: &[f32],
    lda: usize,
    b: &[f32],
    ldb: usize,
    c: &mut [f32],
    ldc: usize,
) {
    if m.min(k).min(n) <= CUT {
        return mul(m, k, n, a, lda, b, ldb, c, ldc);
    }
    let (h, g, w) = (m / 2, k / 2, n / 2);
    {
        let (a11, a12, a21, a22) = (&a[0..], &a[g..], &a[h * lda..], &a[h * lda + g..]);
        let (b11, b12, b21, b22) = (&b[0..], &b[w..], &b[g * ldb..], &b[g * ldb + w..]);
        let (o11, o12, o21, o22) = (0, w, h * ldc, h * ldc + w);
        let go = |x: &[f32], y: &[f32]| {
            let mut t = vec![0.0; h * w];
            rec(h, g, w, x, g, y, w, &mut t, w);
            t
        };
        let m1 = go(
            &comb(h, g, a11, lda, a22, lda, 1.0),
            &comb(g, w, b11, ldb, b22, ldb, 1.0),
        );
        acc(h, w, &m1, c, o11, ldc, 1.0);
        acc(h, w, &m1, c, o22, ldc, 1.0);
        let m2 = go(&comb(h, g, a21, lda, a22, lda, 1.0), &copy(g, w, b11, ldb));
        acc(h, w, &m2, c, o21, ldc, 1.0);
        acc(h, w, &m2, c, o22, ldc, -1.0);
        let m3 = go(&copy(h, g, a11, lda), &comb(g, w, b12, ldb, b22, ldb, -1.0));
        acc(h, w, &m3, c, o12, ldc, 1.0);
        acc(h, w, &m3, c, o22, ldc, 1.0);
        let m4 = go(&copy(h, g, a22, lda), &comb(g, w, b21, ldb, b11, ldb, -1.0));
        acc(h, w, &m4, c, o11, ldc, 1.0);
        acc(h, w, &m4, c, o21, ldc, 1.0);
        let m5 = go(&comb(h, g, a11, lda, a12, lda, 1.0), &copy(g, w, b22, ldb));
        acc(h, w, &m5, c, o11, ldc, -1.0);
        acc(h, w, &m5, c, o12, ldc, 1.0);
        let m6 = go(
            &comb(h, g, a21, lda, a11, lda, -1.0),
            &comb(g, w, b11, ldb, b12, ldb, 1.0),
        );
        acc(h, w, &m6, c, o22, ldc, 1.0);
        let m7 = go(
            &comb(h, g, a12, lda, a22, lda, -1.0),
            &comb(g, w, b21, ldb, b22, ldb, 1.0),
        );
        acc(h, w, &m7, c, o11, ldc, 1.0);
    }
    let (mm, kk, nn) = (2 * h, 2 * g, 2 * w);
    if kk < k {
        mul(mm, 1, nn, &a[kk..], lda, &b[kk * ldb..], ldb, c, ldc);
    }
    if nn < n {
        mul(mm, k, 1, a, lda, &b[nn..], ldb, &mut c[nn..], ldc);
    }
    if mm < m {
        mul(
            1,
            k,
            n,
            &a[mm * lda..],
            lda,
            b,
            ldb,
            &mut c[mm * ldc..],
            ldc,
        );
    }
}
pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    c.fill(0.0);
    rec(m, k, n, a, k, b, n, c, n)
}
