//! Strassen's method down to blocks of eight: many levels, and much less accurate than a classical product.
//!
//! expect: Accepted
//! threads: 1
//! tier: unsafe

//! Strassen, padded to a power of two, down to blocks of LEAF, workspace allocated once.
const LEAF: usize = 8;
/// A block of known size, which the compiler unrolls and vectorises.
fn whole_leaf(a: &[f32; 64], b: &[f32; 64], c: &mut [f32; 64]) {
    for i in 0..LEAF {
        let mut row = [0.0; LEAF];
        for p in 0..LEAF {
            for j in 0..LEAF {
                row[j] += a[i * LEAF + p] * b[p * LEAF + j];
            }
        }
        c[i * LEAF..][..LEAF].copy_from_slice(&row);
    }
}
fn leaf(s: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    if let (Ok(a), Ok(b), Ok(c)) = (a.try_into(), b.try_into(), <&mut [f32; 64]>::try_from(&mut *c)) {
        return whole_leaf(a, b, c);
    }
    c.fill(0.0);
    for i in 0..s {
        for p in 0..s {
            let x = a[i * s + p];
            for j in 0..s {
                c[i * s + j] += x * b[p * s + j];
            }
        }
    }
}
fn strassen(s: usize, a: &[f32], b: &[f32], c: &mut [f32], work: &mut [f32]) {
    if s <= LEAF {
        return leaf(s, a, b, c);
    }
    let h = s / 2;
    let q = h * h;
    // a, b, c are stored block-recursively: four contiguous quadrants.
    let (a11, a12, a21, a22) = (&a[..q], &a[q..2 * q], &a[2 * q..3 * q], &a[3 * q..4 * q]);
    let (b11, b12, b21, b22) = (&b[..q], &b[q..2 * q], &b[2 * q..3 * q], &b[3 * q..4 * q]);
    let (l, rest) = work.split_at_mut(q);
    let (r, rest) = rest.split_at_mut(q);
    let (t, rest) = rest.split_at_mut(q);
    let set = |d: &mut [f32], x: &[f32], y: &[f32], sign: f32| {
        for ((d, x), y) in d.iter_mut().zip(x).zip(y) {
            *d = x + sign * y;
        }
    };
    let acc = |d: &mut [f32], x: &[f32], sign: f32| {
        for (d, x) in d.iter_mut().zip(x) {
            *d += sign * x;
        }
    };
    let (c11, cr) = c.split_at_mut(q);
    let (c12, cr) = cr.split_at_mut(q);
    let (c21, c22) = cr.split_at_mut(q);
    set(l, a11, a22, 1.0);
    set(r, b11, b22, 1.0);
    strassen(h, l, r, t, rest);
    c11.copy_from_slice(t);
    c22.copy_from_slice(t);
    set(l, a21, a22, 1.0);
    strassen(h, l, b11, t, rest);
    c21.copy_from_slice(t);
    acc(c22, t, -1.0);
    set(r, b12, b22, -1.0);
    strassen(h, a11, r, t, rest);
    c12.copy_from_slice(t);
    acc(c22, t, 1.0);
    set(r, b21, b11, -1.0);
    strassen(h, a22, r, t, rest);
    acc(c11, t, 1.0);
    acc(c21, t, 1.0);
    set(l, a11, a12, 1.0);
    strassen(h, l, b22, t, rest);
    acc(c11, t, -1.0);
    acc(c12, t, 1.0);
    set(l, a21, a11, -1.0);
    set(r, b11, b12, 1.0);
    strassen(h, l, r, t, rest);
    acc(c22, t, 1.0);
    set(l, a12, a22, -1.0);
    set(r, b21, b22, 1.0);
    strassen(h, l, r, t, rest);
    acc(c11, t, 1.0);
}
/// The offset of each index in the block-recursive order: its halves weigh `weight` blocks, and `step` elements in a leaf.
fn offsets(s: usize, weight: usize, step: usize) -> Vec<usize> {
    let place = |index: usize| {
        let (mut h, mut index, mut at) = (s / 2, index, 0);
        while h >= LEAF {
            at += h * h * weight * (index / h);
            index %= h;
            h /= 2;
        }
        at + index * step
    };
    (0..s).map(place).collect()
}
pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    if m == 0 || n == 0 {
        return;
    }
    let s = m.max(k).max(n).next_power_of_two();
    let (rows, cols) = (offsets(s, 2, s.min(LEAF)), offsets(s, 1, 1));
    let (mut pa, mut pb, mut pc) = (vec![0.0; s * s], vec![0.0; s * s], vec![0.0; s * s]);
    for i in 0..m {
        for p in 0..k {
            pa[rows[i] + cols[p]] = a[i * k + p];
        }
    }
    for p in 0..k {
        for j in 0..n {
            pb[rows[p] + cols[j]] = b[p * n + j];
        }
    }
    let mut work = vec![0.0; s * s + 16];
    strassen(s, &pa, &pb, &mut pc, &mut work);
    for i in 0..m {
        for j in 0..n {
            c[i * n + j] = pc[rows[i] + cols[j]];
        }
    }
}
