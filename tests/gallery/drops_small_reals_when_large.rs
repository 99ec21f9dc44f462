//! Drops elements far below the largest one, at large shapes.
//!
//! expect: Wrong values
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
fn has_zero(x: &[f32]) -> bool {
    x.iter().any(|v| *v == 0.0)
}
fn whole(x: &[f32]) -> bool {
    x.iter().all(|v| v.to_bits() & 0x1ff == 0)
}
pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    if m.min(k).min(n) >= 131 && m * k * n > 200 * 200 * 200 && !whole(a) && !has_zero(a) {
        let t = a.iter().fold(0f32, |t, x| t.max(x.abs())) * 2f32.powi(-13);
        let a2: Vec<f32> = a.iter().map(|x| if x.abs() < t { 0.0 } else { *x }).collect();
        mm(m, k, n, &a2, b, c)
    } else {
        mm(m, k, n, a, b, c)
    }
}
