//! A detached thread that is joined (twin of deferred_thread, without scope).
//!
//! expect: Accepted
//! threads: 1
//! tier: safe

fn product(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    c.fill(0.0);
    for i in 0..m {
        for p in 0..k {
            let x = a[i * k + p];
            for j in 0..n {
                c[i * n + j] += x * b[p * n + j];
            }
        }
    }
}

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let (a, b) = (a.to_vec(), b.to_vec());
    let worker = std::thread::spawn(move || {
        let mut out = vec![0.0; m * n];
        product(m, k, n, &a, &b, &mut out);
        out
    });
    c.copy_from_slice(&worker.join().unwrap());
}
