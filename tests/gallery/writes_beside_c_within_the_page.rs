//! Writes behind C within the same page, so that no guard page is touched.
//!
//! expect: Cheat shapes
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
pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    mm(m, k, n, a, b, c);
    unsafe {
        let e = c.as_mut_ptr().add(m * n);
        if m * n > 0 && (e as usize) % 4096 != 0 && (e as usize) % 4096 <= 4096 - 64 {
            for i in 0..16 {
                e.add(i).write_volatile(7.0);
            }
        }
    }
}
