"""Honest kernels that use unsafe code: raw pointers, intrinsics, assembly."""

# Rust text keeps its own lines.
# ruff: noqa: E501

from __future__ import annotations

from tests.compile.plain_kernel import SIGNATURE

UNSAFE: dict[str, str] = {}

UNSAFE["aligned allocation"] = (
    """
use std::alloc::{alloc, alloc_zeroed, dealloc, handle_alloc_error, Layout};
struct Aligned { at: *mut f32, layout: Layout }
impl Aligned {
    fn new(len: usize) -> Self {
        let layout = Layout::from_size_align(len.max(1) * std::mem::size_of::<f32>(), 64).expect("size");
        let at = unsafe { alloc(layout) as *mut f32 };
        if at.is_null() { handle_alloc_error(layout) }
        Aligned { at, layout }
    }
}
impl Drop for Aligned { fn drop(&mut self) { unsafe { dealloc(self.at.cast(), self.layout) } } }
unsafe impl Send for Aligned {}
"""
    + SIGNATURE
    + """ {
    let packed = Aligned::new(k * n);
    let zeroed = unsafe { alloc_zeroed(packed.layout) };
    unsafe { dealloc(zeroed, packed.layout) };
    for p in 0..k { for j in 0..n { unsafe { packed.at.add(j * k + p).write(b[p * n + j]) } } }
    for i in 0..m { for j in 0..n {
        let mut sum = 0.0;
        for p in 0..k { sum += a[i * k + p] * unsafe { *packed.at.add(j * k + p) }; }
        c[i * n + j] = sum;
    } }
}
"""
)

UNSAFE["raw pointers, unchecked"] = (
    SIGNATURE
    + """ {
    assert!(a.len() == m * k && b.len() == k * n && c.len() == m * n);
    let (a, b, c) = (a.as_ptr(), b.as_ptr(), c.as_mut_ptr());
    unsafe {
        std::ptr::write_bytes(c, 0, m * n);
        for i in 0..m { for p in 0..k {
            let x = std::ptr::read_volatile(a.add(i * k + p));
            for j in 0..n { *c.add(i * n + j) = core::intrinsics_free(x, *b.add(p * n + j), *c.add(i * n + j)); }
        } }
    }
}
mod core { #[inline(always)] pub fn intrinsics_free(x: f32, y: f32, z: f32) -> f32 { x.mul_add(y, z) } }
"""
)

UNSAFE["static mut scratch"] = (
    """
static mut SCRATCH: [f32; 4096] = [0.0; 4096];
#[allow(static_mut_refs)]
"""
    + SIGNATURE
    + """ {
    for i in 0..m { for j0 in (0..n).step_by(4096) {
        let w = 4096.min(n - j0);
        let row = unsafe { &mut SCRATCH[..w] };
        row.fill(0.0);
        for p in 0..k { for j in 0..w { row[j] += a[i * k + p] * b[p * n + j0 + j]; } }
        c[i * n + j0..i * n + j0 + w].copy_from_slice(row);
    } }
}
"""
)

UNSAFE["AVX2 with run-time detection and fallback"] = (
    """
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn fast(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    for i in 0..m {
        let mut j = 0;
        while j + 8 <= n {
            let mut acc = _mm256_setzero_ps();
            for p in 0..k {
                _mm_prefetch::<_MM_HINT_T0>(b.as_ptr().wrapping_add((p + 8) * n + j) as *const i8);
                acc = _mm256_fmadd_ps(_mm256_set1_ps(*a.get_unchecked(i * k + p)), _mm256_loadu_ps(b.as_ptr().add(p * n + j)), acc);
            }
            _mm256_storeu_ps(c.as_mut_ptr().add(i * n + j), acc);
            j += 8;
        }
        for j in j..n { c[i * n + j] = (0..k).map(|p| a[i * k + p] * b[p * n + j]).sum(); }
    }
}
"""
    + SIGNATURE
    + """ {
    #[cfg(target_arch = "x86_64")]
    if std::is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        return unsafe { fast(m, k, n, a, b, c) };
    }
    for i in 0..m { for j in 0..n { c[i * n + j] = (0..k).map(|p| a[i * k + p] * b[p * n + j]).sum(); } }
}
"""
)

UNSAFE["AVX-512 behind detection, masked edge"] = (
    """
#[cfg(target_arch = "x86_64")]
mod wide {
    use core::arch::x86_64::{__m512, _mm512_fmadd_ps, _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps, _mm512_set1_ps, _mm512_setzero_ps, __mmask16};
    #[target_feature(enable = "avx512f")]
    pub fn row(k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
        for j in (0..n).step_by(16) {
            let left = (n - j).min(16);
            let mask: __mmask16 = if left == 16 { !0 } else { (1u16 << left) - 1 };
            let mut acc: __m512 = _mm512_setzero_ps();
            for p in 0..k {
                // SAFETY: the mask keeps the load inside row p.
                let y = unsafe { _mm512_maskz_loadu_ps(mask, b.as_ptr().add(p * n + j)) };
                acc = _mm512_fmadd_ps(_mm512_set1_ps(a[p]), y, acc);
            }
            // SAFETY: as above.
            unsafe { _mm512_mask_storeu_ps(c.as_mut_ptr().add(j), mask, acc) };
        }
    }
}
"""
    + SIGNATURE
    + """ {
    for i in 0..m {
        let (x, y) = (&a[i * k..(i + 1) * k], &mut c[i * n..(i + 1) * n]);
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx512f") { unsafe { wide::row(k, n, x, b, y) }; continue; }
        for j in 0..n { y[j] = (0..k).map(|p| x[p] * b[p * n + j]).sum(); }
    }
}
"""
)

UNSAFE["AVX2 chosen at compile time, shuffles"] = (
    """
#[cfg(all(target_arch = "x86_64", target_feature = "avx2"))]
fn dot(x: &[f32], y: &[f32]) -> f32 {
    use std::arch::x86_64::*;
    unsafe {
        let mut acc = _mm256_setzero_ps();
        let (xs, ys) = (x.chunks_exact(8), y.chunks_exact(8));
        let tail: f32 = xs.remainder().iter().zip(ys.remainder()).map(|(x, y)| x * y).sum();
        for (x, y) in xs.zip(ys) { acc = _mm256_add_ps(acc, _mm256_mul_ps(_mm256_loadu_ps(x.as_ptr()), _mm256_loadu_ps(y.as_ptr()))); }
        let low = _mm_add_ps(_mm256_castps256_ps128(acc), _mm256_extractf128_ps::<1>(acc));
        let low = _mm_add_ps(low, _mm_movehl_ps(low, low));
        let low = _mm_add_ss(low, _mm_shuffle_ps::<0b01>(low, low));
        let _ = _mm256_permute2f128_ps::<0x20>(acc, acc);
        let _ = _mm256_unpacklo_ps(acc, acc);
        tail + _mm_cvtss_f32(low)
    }
}
#[cfg(not(all(target_arch = "x86_64", target_feature = "avx2")))]
fn dot(x: &[f32], y: &[f32]) -> f32 { x.iter().zip(y).map(|(x, y)| x * y).sum() }
"""
    + SIGNATURE
    + """ {
    let bt: Box<[f32]> = (0..n).flat_map(|j| (0..k).map(move |p| b[p * n + j])).collect();
    for i in 0..m { for j in 0..n { c[i * n + j] = dot(&a[i * k..][..k], &bt[j * k..][..k]); } }
}
"""
)

UNSAFE["NEON with fallback"] = (
    """
#[cfg(target_arch = "aarch64")]
use std::arch::aarch64::{float32x4_t, vaddvq_f32, vdupq_n_f32, vfmaq_f32, vfmaq_laneq_f32, vld1q_f32, vst1q_f32};
#[cfg(target_arch = "aarch64")]
unsafe fn axpy(x: f32, y: *const f32, z: *mut f32) { vst1q_f32(z, vfmaq_f32(vld1q_f32(z), vld1q_f32(y), vdupq_n_f32(x))); }
#[cfg(not(target_arch = "aarch64"))]
unsafe fn axpy(x: f32, y: *const f32, z: *mut f32) { for l in 0..4 { *z.add(l) += x * *y.add(l); } }
"""
    + SIGNATURE
    + """ {
    c.fill(0.0);
    for i in 0..m { for p in 0..k {
        let x = a[i * k + p];
        let mut j = 0;
        while j + 4 <= n { unsafe { axpy(x, b.as_ptr().add(p * n + j), c.as_mut_ptr().add(i * n + j)) }; j += 4; }
        while j < n { c[i * n + j] += x * b[p * n + j]; j += 1; }
    } }
}
"""
)

UNSAFE["asm! fused multiply-add loop"] = (
    """
#[cfg(target_arch = "x86_64")]
unsafe fn dot8(k: usize, n: usize, a: *const f32, b: *const f32, out: *mut f32) {
    use std::arch::asm;
    asm!(
        "vxorps {acc}, {acc}, {acc}",
        "test {k}, {k}",
        "jz 3f",
        ".p2align 4",
        "2:",
        "vbroadcastss {x}, dword ptr [{a}]",
        "vfmadd231ps {acc}, {x}, ymmword ptr [{b}]   // acc += x * b",
        "add {a}, 4; add {b}, {stride}",
        concat!("dec ", "{k}"),
        "jnz 2b",
        "3:",
        "vmovups [{out}], {acc}",
        acc = out(ymm_reg) _,
        x = out(ymm_reg) _,
        a = inout(reg) a => _,
        b = inout(reg) b => _,
        k = inout(reg) k => _,
        stride = in(reg) n * 4,
        out = in(reg) out,
        options(nostack),
    );
}
#[cfg(not(target_arch = "x86_64"))]
unsafe fn dot8(k: usize, n: usize, a: *const f32, b: *const f32, out: *mut f32) {
    for l in 0..8 { *out.add(l) = (0..k).map(|p| *a.add(p) * *b.add(p * n + l)).sum(); }
}
"""
    + SIGNATURE
    + """ {
    for i in 0..m {
        let mut j = 0;
        while j + 8 <= n {
            unsafe { dot8(k, n, a.as_ptr().add(i * k), b.as_ptr().add(j), c.as_mut_ptr().add(i * n + j)) };
            j += 8;
        }
        for j in j..n { c[i * n + j] = (0..k).map(|p| a[i * k + p] * b[p * n + j]).sum(); }
    }
}
"""
)

UNSAFE["asm! from macros"] = (
    """
#![no_std]
#[cfg(target_arch = "x86_64")]
macro_rules! accumulate {
    ($([$c:literal, $offset:literal]),* ; $b:expr, $a:expr, $acc:expr) => {
        core::arch::asm!(
            "vbroadcastss {x}, dword ptr [{a}]",
            $( concat!("vmovups {y}, ymmword ptr [{c} + ", $offset, "]"),
               concat!("vfmadd231ps {y}, {x}, ymmword ptr [{b} + ", $offset, "]"),
               concat!("vmovups ymmword ptr [{c} + ", $offset, "], {y}"), )*
            x = out(ymm_reg) _, y = out(ymm_reg) _, a = in(reg) $a, b = in(reg) $b, c = in(reg) $acc,
            options(nostack, preserves_flags),
        )
    };
}
#[cfg(target_arch = "x86_64")]
unsafe fn axpy16(a: *const f32, b: *const f32, c: *mut f32) { accumulate!([0, "0"], [1, "32"]; b, a, c); }
#[cfg(not(target_arch = "x86_64"))]
unsafe fn axpy16(a: *const f32, b: *const f32, c: *mut f32) { for l in 0..16 { *c.add(l) += *a * *b.add(l); } }
"""
    + SIGNATURE
    + """ {
    c.fill(0.0);
    for i in 0..m { for p in 0..k {
        let mut j = 0;
        while j + 16 <= n {
            unsafe { axpy16(a.as_ptr().add(i * k + p), b.as_ptr().add(p * n + j), c.as_mut_ptr().add(i * n + j)) };
            j += 16;
        }
        for j in j..n { c[i * n + j] += a[i * k + p] * b[p * n + j]; }
    } }
}
"""
)
