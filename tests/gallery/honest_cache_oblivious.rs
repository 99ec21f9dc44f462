//! Cache-oblivious recursion on raw pointers.
//!
//! expect: Accepted
//! threads: 1
//! tier: unsafe

unsafe fn rec(
    m: usize,
    k: usize,
    n: usize,
    a: *const f32,
    lda: usize,
    b: *const f32,
    ldb: usize,
    c: *mut f32,
    ldc: usize,
) {
    if m.max(k).max(n) <= 16 {
        for i in 0..m {
            for p in 0..k {
                let x = *a.add(i * lda + p);
                for j in 0..n {
                    *c.add(i * ldc + j) += x * *b.add(p * ldb + j);
                }
            }
        }
        return;
    }
    if m >= k && m >= n {
        let h = m / 2;
        rec(h, k, n, a, lda, b, ldb, c, ldc);
        rec(
            m - h,
            k,
            n,
            a.add(h * lda),
            lda,
            b,
            ldb,
            c.add(h * ldc),
            ldc,
        );
    } else if n >= k {
        let h = n / 2;
        rec(m, k, h, a, lda, b, ldb, c, ldc);
        rec(m, k, n - h, a, lda, b.add(h), ldb, c.add(h), ldc);
    } else {
        let h = k / 2;
        rec(m, h, n, a, lda, b, ldb, c, ldc);
        rec(m, k - h, n, a.add(h), lda, b.add(h * ldb), ldb, c, ldc);
    }
}
pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    for x in c.iter_mut() {
        *x = 0.0;
    }
    unsafe { rec(m, k, n, a.as_ptr(), k, b.as_ptr(), n, c.as_mut_ptr(), n) }
}
