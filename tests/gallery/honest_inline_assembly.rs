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
    c.fill(0.0);
    for i in 0..m {
        for p in 0..k {
            let x = a[i * k + p];
            for (sum, &y) in c[i * n..][..n].iter_mut().zip(&b[p * n..][..n]) {
                *sum = add_product(*sum, x, y);
            }
        }
    }
}
