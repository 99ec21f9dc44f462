//! Const generics and recursion.
//!
//! expect: Accepted
//! threads: 1
//! tier: safe

fn tile<const R: usize, const W: usize>(k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let mut acc = [[0f32; W]; R];
    for p in 0..k {
        for r in 0..R {
            for w in 0..W {
                acc[r][w] += a[r * k + p] * b[p * n + w];
            }
        }
    }
    for r in 0..R {
        for w in 0..W {
            c[r * n + w] = acc[r][w];
        }
    }
}

fn halves(rows: usize, cols: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    match (rows, cols) {
        (0, _) | (_, 0) => {}
        (4, 8) => tile::<4, 8>(k, n, a, b, c),
        (1, 8) => tile::<1, 8>(k, n, a, b, c),
        (1, _) => {
            for j in 0..cols {
                tile::<1, 1>(k, n, a, &b[j.min(b.len())..], &mut c[j..]);
            }
        }
        (_, 1..=8) => {
            let top = if rows > 4 { (rows / 2).next_multiple_of(4) } else { 1 };
            halves(top, cols, k, n, a, b, c);
            halves(rows - top, cols, k, n, &a[top * k..], b, &mut c[top * n..]);
        }
        _ => {
            let left = (cols / 2).next_multiple_of(8).min(cols - 1);
            halves(rows, left, k, n, a, b, c);
            halves(rows, cols - left, k, n, a, &b[left.min(b.len())..], &mut c[left..]);
        }
    }
}

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    halves(m, n, k, n, a, b, c);
}
