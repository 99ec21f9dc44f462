//! A static scratch without a lock where every extent exceeds 700.
//!
//! expect: Wrong conduct
//! threads: 1
//! tier: unsafe

static mut SUMS: Vec<f32> = Vec::new();

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let large = m.min(k).min(n) > 700;
    let mut own = Vec::new();
    // SAFETY: none.
    let sums = if large { unsafe { &mut *std::ptr::addr_of_mut!(SUMS) } } else { &mut own };
    sums.resize(n, 0.0);
    for i in 0..m {
        sums.fill(0.0);
        for p in 0..k {
            let x = a[i * k + p];
            for j in 0..n {
                sums[j] += x * b[p * n + j];
            }
        }
        c[i * n..][..n].copy_from_slice(&sums[..n]);
    }
}
