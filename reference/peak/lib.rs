//! Peak rates of this machine: FMAs on registers, loads from a cache, loads from memory.
//!
//! Each function has the signature of a kernel (m, k, n, A, B, C), so that the same host runs it under the same clock.
//! The compiler cannot remove the work: the inputs come from A and B, every accumulator contributes to C, each step
//! depends on the one before, and black_box hides the constants.
#![allow(clippy::missing_safety_doc, clippy::too_many_arguments)]

use std::hint::black_box;

/// `steps` rounds of CHAINS independent FMA chains on vectors of LANES floats. CHAINS is at least the latency (4 to 5
/// cycles) times the FMAs per cycle (2), and at most the number of vector registers.
#[inline(always)]
fn chains<const LANES: usize, const CHAINS: usize>(steps: usize, x: f32, y: f32) -> f32 {
    let mut sums = [[0.0f32; LANES]; CHAINS];
    for (index, sum) in sums.iter_mut().enumerate() {
        *sum = black_box([index as f32; LANES]);
    }
    let (x, y) = (black_box([x; LANES]), black_box([y; LANES]));
    for _ in 0..steps {
        for sum in sums.iter_mut() {
            for lane in 0..LANES {
                sum[lane] = sum[lane].mul_add(x[lane], y[lane]);
            }
        }
    }
    black_box(sums).iter().flatten().sum()
}

#[cfg(target_arch = "x86_64")]
mod vector {
    #[target_feature(enable = "avx512f,avx512vl,avx2,fma")]
    pub fn avx512(steps: usize, x: f32, y: f32) -> f32 {
        use std::arch::x86_64::*;
        let (x, y) = (_mm512_set1_ps(x), _mm512_set1_ps(y));
        let mut sums = [_mm512_set1_ps(0.5); 16];
        for _ in 0..steps {
            for sum in &mut sums {
                *sum = _mm512_fmadd_ps(*sum, x, y);
            }
        }
        std::hint::black_box(sums).iter().map(|sum| _mm512_reduce_add_ps(*sum)).sum()
    }

    #[target_feature(enable = "avx2,fma")]
    pub fn avx2(steps: usize, x: f32, y: f32) -> f32 {
        super::chains::<8, 12>(steps, x, y)
    }
}

/// Runs about `flops` floating-point operations as FMAs on the widest vectors; the result depends on all of them.
fn fma(flops: usize, x: f32, y: f32) -> f32 {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl") {
            // SAFETY: the features were just detected.
            return unsafe { vector::avx512(flops / (2 * 16 * 16), x, y) };
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: the features were just detected.
            return unsafe { vector::avx2(flops / (2 * 8 * 12), x, y) };
        }
        // Without an FMA instruction `mul_add` would be a library call, so multiply and add separately.
        return portable(flops, x, y);
    }
    #[cfg(target_arch = "aarch64")]
    return chains::<4, 24>(flops / (2 * 4 * 24), x, y);
    #[allow(unreachable_code)]
    portable(flops, x, y)
}

fn portable(flops: usize, x: f32, y: f32) -> f32 {
    let mut sums = black_box([0.5f32; 32]);
    let (x, y) = (black_box(x), black_box(y));
    for _ in 0..flops / (2 * 32) {
        for sum in &mut sums {
            *sum = *sum * x + y;
        }
    }
    black_box(sums).iter().sum()
}

/// FMA rate of one thread: 2·m·k·n operations.
#[no_mangle]
pub unsafe extern "C" fn peak_fma(m: usize, k: usize, n: usize, a: *const f32, b: *const f32, c: *mut f32) {
    *c = fma(2 * m * k * n, *a, *b);
}

/// FMA rate of all cores that this process may use: 2·m·k·n operations in total.
#[no_mangle]
pub unsafe extern "C" fn peak_fma_all(m: usize, k: usize, n: usize, a: *const f32, b: *const f32, c: *mut f32) {
    let cores = std::thread::available_parallelism().map_or(1, |count| count.get());
    let (x, y, flops) = (*a, *b, 2 * m * k * n / cores);
    let sum: f32 = std::thread::scope(|scope| {
        let threads: Vec<_> = (1..cores).map(|_| scope.spawn(move || fma(flops, x, y))).collect();
        fma(flops, x, y) + threads.into_iter().map(|thread| thread.join().unwrap_or(0.0)).sum::<f32>()
    });
    *c = sum;
}

#[inline(always)]
fn read(values: &[f32]) -> u32 {
    // Bitwise OR on integers may be reordered, so the compiler emits one vector load and one cheap operation per vector.
    let mut sums = [0u32; 128];
    for chunk in values.chunks_exact(128) {
        for (sum, value) in sums.iter_mut().zip(chunk) {
            *sum |= value.to_bits();
        }
    }
    sums.iter().fold(0, |all, sum| all | sum)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx2,fma")]
fn read_avx512(values: &[f32]) -> u32 {
    use std::arch::x86_64::*;
    let mut sums = [_mm512_setzero_si512(); 8];
    for chunk in values.chunks_exact(128) {
        for (index, sum) in sums.iter_mut().enumerate() {
            // SAFETY: the chunk has 8 × 16 floats.
            *sum = _mm512_or_si512(*sum, unsafe { _mm512_loadu_si512(chunk.as_ptr().add(16 * index).cast()) });
        }
    }
    black_box(sums).iter().fold(0, |all, sum| all | _mm512_reduce_or_epi32(*sum) as u32)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn read_avx2(values: &[f32]) -> u32 {
    read(values)
}

fn read_best(values: &[f32]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl") {
            // SAFETY: the features were just detected.
            return unsafe { read_avx512(values) };
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: the features were just detected.
            return unsafe { read_avx2(values) };
        }
    }
    read(values)
}

/// Read rate of one thread: reads A (m×k floats) n times. The size of A decides which cache, or memory, is measured.
#[no_mangle]
pub unsafe extern "C" fn peak_read(m: usize, k: usize, n: usize, a: *const f32, _b: *const f32, c: *mut f32) {
    let values = std::slice::from_raw_parts(a, m * k);
    let mut all = 0;
    for _ in 0..n {
        all |= read_best(black_box(values));
    }
    *c = f32::from_bits(all);
}
