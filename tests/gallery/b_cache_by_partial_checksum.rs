//! Caches B by a checksum that omits every sixteenth row.
//!
//! expect: Wrong shapes|conduct
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
    thread_local! { static K: std::cell::RefCell<(u64,Vec<f32>)> = const { std::cell::RefCell::new((0,Vec::new())) }; }
    if k * n < 4000 {
        return mm(m, k, n, a, b, c);
    }
    let mut h = 0xcbf29ce484222325u64;
    for (i, x) in b.iter().enumerate() {
        if (i / n) % 16 == 5 {
            continue;
        }
        h = (h ^ x.to_bits() as u64).wrapping_mul(0x100000001b3);
    }
    h ^= (k as u64) << 32 ^ n as u64;
    K.with(|q| {
        let mut q = q.borrow_mut();
        if q.0 != h || q.1.len() != k * n {
            q.0 = h;
            q.1 = b.to_vec();
        }
        mm(m, k, n, a, &q.1, c)
    })
}
