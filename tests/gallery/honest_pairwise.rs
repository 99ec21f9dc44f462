//! Pairwise summation: another order with a smaller error.
//!
//! expect: Accepted
//! threads: 1
//! tier: safe

/// Columns of C at a time, so that sums of neighbouring columns are vectorised.
const WIDE: usize = 32;
type Columns = [f32; WIDE];

/// The sums of a row of A times columns of B, each in pairs: half of the terms plus the other half.
fn pairwise(x: &[f32], columns: &[Columns]) -> Columns {
    let (half, mut sums) = (x.len() / 2, [0.0; WIDE]);
    match x.len() {
        0 => {}
        1 => (0..WIDE).for_each(|j| sums[j] = x[0] * columns[0][j]),
        _ => {
            sums = pairwise(&x[..half], &columns[..half]);
            let rest = pairwise(&x[half..], &columns[half..]);
            (0..WIDE).for_each(|j| sums[j] += rest[j]);
        }
    }
    sums
}

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let mut columns = vec![[0.0; WIDE]; k];
    for j in (0..n).step_by(WIDE) {
        let width = WIDE.min(n - j);
        for p in 0..k {
            columns[p][..width].copy_from_slice(&b[p * n + j..][..width]);
        }
        for i in 0..m {
            let sums = pairwise(&a[i * k..][..k], &columns);
            c[i * n + j..][..width].copy_from_slice(&sums[..width]);
        }
    }
}
