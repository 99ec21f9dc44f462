//! Functions named like intrinsics.
//!
//! expect: Accepted
//! threads: 1
//! tier: safe

fn vdot_u32(x: f32, row: &[f32], out: &mut [f32]) {
    for (s, &y) in out.iter_mut().zip(row) {
        *s += x * y;
    }
}

/// An index of a tile, mixed.
fn hash_one(x: usize) -> usize {
    x.wrapping_mul(0x9E37_79B9)
}

fn build_hasher(x: usize) -> usize {
    [x].map(hash_one)[0]
}

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    c.fill(0.0);
    std::hint::black_box((hash_one(m), build_hasher(n)));
    for i in 0..m {
        for p in 0..k {
            vdot_u32(a[i * k + p], &b[p * n..][..n], &mut c[i * n..][..n]);
        }
    }
}
