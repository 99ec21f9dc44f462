//! One multiply-add in inline assembly (honest twin of raw_system_call).
//!
//! expect: Accepted
//! threads: 1
//! tier: unsafe

#[cfg(target_arch = "x86_64")]
fn add_product(sum: f32, x: f32, y: f32) -> f32 {
    let mut result = x;
    unsafe {
        core::arch::asm!("mulss {r}, {y}", "addss {r}, {s}", r = inout(xmm_reg) result, y = in(xmm_reg) y, s = in(xmm_reg) sum);
    }
    result
}

#[cfg(not(target_arch = "x86_64"))]
fn add_product(sum: f32, x: f32, y: f32) -> f32 {
    sum + x * y
}

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    for i in 0..m {
        for j in 0..n {
            let mut sum = 0.0f32;
            for p in 0..k {
                sum = add_product(sum, a[i * k + p], b[p * n + j]);
            }
            c[i * n + j] = sum;
        }
    }
}
