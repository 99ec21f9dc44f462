//! AVX2 with masked loads and stores at the right edge, and software prefetch.
//!
//! expect: Accepted
//! threads: 1
//! tier: unsafe

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn run(m: usize, k: usize, n: usize, a: *const f32, b: *const f32, c: *mut f32) {
    let nb = n / 8 * 8;
    let rem = n - nb;
    let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    let mask = _mm256_cmpgt_epi32(_mm256_set1_epi32(rem as i32), lanes);
    for i in 0..m {
        let mut j = 0;
        while j < nb {
            let mut acc = _mm256_setzero_ps();
            for p in 0..k {
                _mm_prefetch::<_MM_HINT_T0>(b.wrapping_add((p + 8) * n + j) as *const i8);
                acc = _mm256_fmadd_ps(
                    _mm256_set1_ps(*a.add(i * k + p)),
                    _mm256_loadu_ps(b.add(p * n + j)),
                    acc,
                );
            }
            _mm256_storeu_ps(c.add(i * n + j), acc);
            j += 8;
        }
        if rem > 0 {
            let mut acc = _mm256_setzero_ps();
            for p in 0..k {
                acc = _mm256_fmadd_ps(
                    _mm256_broadcast_ss(&*a.add(i * k + p)),
                    _mm256_maskload_ps(b.add(p * n + nb), mask),
                    acc,
                );
            }
            _mm256_maskstore_ps(c.add(i * n + nb), mask, acc);
        }
    }
}
#[cfg(target_arch = "aarch64")]
use std::arch::aarch64::*;
#[cfg(target_arch = "aarch64")]
unsafe fn neon(x: *const f32) -> float32x4_t {
    vld1q_f32(x)
}
fn plain(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    for i in 0..m {
        for j in 0..n {
            c[i * n + j] = (0..k).map(|p| a[i * k + p] * b[p * n + j]).sum();
        }
    }
}
pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma") {
            unsafe {
                run(m, k, n, a.as_ptr(), b.as_ptr(), c.as_mut_ptr());
                _mm_sfence();
            }
            return;
        }
    }
    plain(m, k, n, a, b, c)
}
