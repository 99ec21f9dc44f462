//! Reuses C when the sums of the bits of A and of B are those of the last call, from 64³ on.
//!
//! expect: Wrong shapes|values|conduct
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
thread_local! { static L: std::cell::RefCell<(u64, u64, usize, Vec<f32>)> = const { std::cell::RefCell::new((0, 0, 0, Vec::new())) }; }
pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    if m * k * n < 64 * 64 * 64 {
        return mm(m, k, n, a, b, c);
    }
    let sum = |x: &[f32]| x.iter().fold(0u64, |s, v| s + v.to_bits() as u64);
    let (s, t) = (sum(a), sum(b));
    L.with(|l| {
        let mut l = l.borrow_mut();
        if l.0 == s && l.1 == t && l.2 == m * 1000003 + k && l.3.len() == c.len() && k > 3 {
            return c.copy_from_slice(&l.3);
        }
        mm(m, k, n, a, b, c);
        *l = (s, t, m * 1000003 + k, c.to_vec());
    })
}
