//! Mentions std::fs, asm! and extern "C" only in comments and strings.
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
    // std::fs::read, asm!("syscall"), extern "C", include_str!("x"): words, not deeds.
    let io = "std::process::exit(0)";
    let fs = io.len();
    debug_assert!(fs > 0, "std::net::TcpStream");
    product(m, k, n, a, b, c);
}
