//! Heights of row blocks as bytes, scaled to offsets: LLVM computes them with vpmaddwd, in ordinary integer code.
//!
//! expect: Accepted
//! threads: 1
//! tier: safe

/// The first element of each block of rows, from the blocks' heights in rows.
#[inline(never)]
fn sizes(heights: &[u8; 64], k: i32, into: &mut [i32; 64]) {
    for (size, height) in into.iter_mut().zip(heights) {
        *size = *height as i32 * 100;
    }
    into[0] += k;
}

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let mut heights = [4u8; 64];
    heights[..8].copy_from_slice(&[1, 1, 2, 2, 3, 3, 4, 4]);
    let mut into = [0i32; 64];
    sizes(&std::hint::black_box(heights), 0, &mut into);
    c.fill(0.0);
    let mut first = 0;
    for size in into.iter().cycle() {
        let rows = (*size as usize / 100).min(m - first);
        for i in first..first + rows {
            for p in 0..k {
                let x = a[i * k + p];
                for j in 0..n {
                    c[i * n + j] += x * b[p * n + j];
                }
            }
        }
        first += rows;
        if first == m {
            return;
        }
    }
}
