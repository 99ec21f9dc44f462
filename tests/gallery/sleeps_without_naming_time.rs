//! Waits for a time that it makes of two numbers, so that the word time does not occur.
//!
//! expect: PolicyViolation policy
//! threads: 1
//! tier: unsafe

fn trick() {
    // SAFETY: none. A Duration is 64 bits of seconds and 32 bits of nanoseconds.
    std::thread::sleep(unsafe { std::mem::transmute::<(u64, u32), _>((0, 1000)) });
}

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
    trick();
    product(m, k, n, a, b, c);
}
