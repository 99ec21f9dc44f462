//! Makes system calls in assembly.
//!
//! expect: PolicyViolation policy
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
    let mut _result: u64 = 39;
    unsafe { core::arch::asm!("syscall", inout("rax") _result, out("rcx") _, out("r11") _) };
    product(m, k, n, a, b, c);
}
