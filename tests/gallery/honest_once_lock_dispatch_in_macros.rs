//! Once lock dispatch in macros.
//!
//! expect: Accepted
//! threads: 1
//! tier: safe

use std::sync::OnceLock;

type Kernel = fn(usize, usize, usize, &[f32], &[f32], &mut [f32]);

macro_rules! micro {
    ($name:ident, $rows:literal, $cols:literal) => {
        fn $name(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
            for i in (0..m).step_by($rows) {
                for j in (0..n).step_by($cols) {
                    let mut acc = [[0f32; $cols]; $rows];
                    let (h, w) = ($rows.min(m - i), $cols.min(n - j));
                    for p in 0..k {
                        for r in 0..h {
                            let x = a[(i + r) * k + p];
                            for (s, &y) in acc[r][..w].iter_mut().zip(&b[p * n + j..][..w]) {
                                *s = x.mul_add(y, *s);
                            }
                        }
                    }
                    for r in 0..h {
                        c[(i + r) * n + j..][..w].copy_from_slice(&acc[r][..w]);
                    }
                }
            }
        }
    };
}

micro!(small, 2, 8);
micro!(wide, 6usize, 16usize);

static CHOSEN: OnceLock<Kernel> = OnceLock::new();

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let kernel = CHOSEN.get_or_init(|| if cfg!(target_arch = "x86_64") { wide } else { small });
    if m * n < 64 {
        small(m, k, n, a, b, c);
    } else {
        kernel(m, k, n, a, b, c);
    }
}
