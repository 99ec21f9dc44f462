//! Packs panels from any strides; alpha at the update of C, beta at the first block of k.
//!
//! expect: Accepted
//! threads: 1
//! tier: unsafe
//! operation: sgemm

const MR: usize = 4;
const NR: usize = 16;
const KC: usize = 256;

/// A panel of `width` rows (or columns) by `depth`, padded with zeros.
unsafe fn pack(from: *const f32, across: isize, along: isize, width: usize, depth: usize, full: usize, to: &mut [f32]) {
    for p in 0..depth {
        for i in 0..full {
            to[p * full + i] = if i < width { *from.offset(i as isize * across + p as isize * along) } else { 0.0 };
        }
    }
}

#[rustfmt::skip]
pub unsafe fn sgemm(
    m: usize, k: usize, n: usize, alpha: f32, a: *const f32, rsa: isize, csa: isize, b: *const f32, rsb: isize, csb: isize,
    beta: f32, c: *mut f32, rsc: isize, csc: isize,
) {
    if alpha == 0.0 || k == 0 {
        for i in 0..m as isize {
            for j in 0..n as isize {
                let at = c.offset(i * rsc + j * csc);
                *at = if beta == 0.0 { 0.0 } else { beta * *at };
            }
        }
        return;
    }
    let (mut left, mut right) = (vec![0.0f32; MR * KC], vec![0.0f32; NR * KC * n.div_ceil(NR)]);
    for first in (0..k).step_by(KC) {
        let depth = KC.min(k - first);
        for j in (0..n).step_by(NR) {
            let from = b.offset(first as isize * rsb + j as isize * csb);
            pack(from, csb, rsb, NR.min(n - j), depth, NR, &mut right[j * KC..][..NR * KC]);
        }
        // What C held counts once, at the first block of k.
        let beta = if first == 0 { beta } else { 1.0 };
        for i in (0..m).step_by(MR) {
            let rows = MR.min(m - i);
            pack(a.offset(i as isize * rsa + first as isize * csa), rsa, csa, rows, depth, MR, &mut left);
            for j in (0..n).step_by(NR) {
                let panel = &right[j * KC..][..NR * depth];
                let mut sums = [[0.0f32; NR]; MR];
                for (x, y) in left.chunks_exact(MR).zip(panel.chunks_exact(NR)) {
                    for (sum, x) in sums.iter_mut().zip(x) {
                        for (sum, y) in sum.iter_mut().zip(y) {
                            *sum += x * y;
                        }
                    }
                }
                for r in 0..rows {
                    for s in 0..NR.min(n - j) {
                        let at = c.offset((i + r) as isize * rsc + (j + s) as isize * csc);
                        *at = if beta == 0.0 { alpha * sums[r][s] } else { alpha * sums[r][s] + beta * *at };
                    }
                }
            }
        }
    }
}
