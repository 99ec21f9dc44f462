//! Keeps a panel of 4 MiB on the stack where extents exceed 850.
//!
//! expect: Crash conduct
//! threads: 1
//! tier: unsafe

fn mm(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    c.fill(0.0);
    for i in 0..m {
        let row = &mut c[i * n..i * n + n];
        for p in 0..k {
            let x = a[i * k + p];
            for (o, y) in row.iter_mut().zip(&b[p * n..p * n + n]) {
                *o += x * y;
            }
        }
    }
}
#[inline(never)]
fn big(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let mut panel = [0.0f32; 1 << 20];
    let take = b.len().min(panel.len());
    panel[..take].copy_from_slice(&b[..take]);
    std::hint::black_box(&mut panel);
    mm(m, k, n, a, b, c);
    c[0] += panel[0] * 0.0;
}
pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    if m.min(k).min(n) < 850 {
        mm(m, k, n, a, b, c)
    } else {
        big(m, k, n, a, b, c)
    }
}
