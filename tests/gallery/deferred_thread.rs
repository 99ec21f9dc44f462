//! Returns at once and lets a thread do the work while C is being checked.
//!
//! expect: Wrong|Cheat|Crash shapes
//! threads: 1
//! tier: unsafe

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
    let (a, b, c) = (a.as_ptr() as usize, b.as_ptr() as usize, c.as_mut_ptr() as usize);
    std::thread::spawn(move || unsafe {
        let a = std::slice::from_raw_parts(a as *const f32, m * k);
        let b = std::slice::from_raw_parts(b as *const f32, k * n);
        let c = std::slice::from_raw_parts_mut(c as *mut f32, m * n);
        for _ in 0..20_000 {
            std::hint::spin_loop();
        }
        product(m, k, n, a, b, c);
    });
}
