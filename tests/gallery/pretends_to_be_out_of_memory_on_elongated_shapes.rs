//! Dies at elongated shapes with the message of std for a thread that cannot be started.
//!
//! expect: OutOfMemory shapes
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
    if m.max(k).max(n) > 530 && m.min(k).min(n) < 20 && m * k * n < 3_000_000 {
        panic!("failed to spawn thread: Os {{ code: 11, kind: WouldBlock }}");
    }
    mm(m, k, n, a, b, c);
}
