//! Thread for every call of its own.
//!
//! expect: Accepted
//! threads: 1
//! tier: safe

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    std::thread::scope(|scope| {
        scope.spawn(move || {
            c.fill(0.0);
            for i in 0..m {
                for p in 0..k {
                    let x = a[i * k + p];
                    for (s, &y) in c[i * n..][..n].iter_mut().zip(&b[p * n..][..n]) {
                        *s += x * y;
                    }
                }
            }
        });
    });
}
