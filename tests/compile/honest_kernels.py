"""Honest kernels in many styles, as test data of the build room: each passes policy, compiler and audit."""

# Rust text keeps its own lines.
# ruff: noqa: E501

from __future__ import annotations

SIGNATURE = "pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32])"

# A body that is right and short, for sources whose point is elsewhere.
PLAIN = (
    SIGNATURE
    + """ {
    for i in 0..m { for j in 0..n {
        let mut sum = 0.0f32;
        for p in 0..k { sum += a[i * k + p] * b[p * n + j]; }
        c[i * n + j] = sum;
    } }
}
"""
)

HONEST: dict[str, str] = {}

HONEST["textbook"] = PLAIN

HONEST["doc comments and words that only look bad"] = (
    """
//! Uses no std::fs, no asm!, no include_str!("x").
/* std::process::exit(1) would be /* nested */ wrong */
/// extern "C" { fn system(); }
#[allow(dead_code)]
const NOTE: &str = "std::fs::read asm! println! #[no_mangle] extern \\"C\\" { }";
"""
    + PLAIN
)

HONEST["harmless names"] = (
    """
mod io { pub fn fetch(x: &[f32], i: usize) -> f32 { x[i] } }
mod fs { pub fn put(x: &mut [f32], i: usize, v: f32) { x[i] = v; } }
struct Path { net: usize }
"""
    + SIGNATURE
    + """ {
    let env = k; let os = n; let process = m; let path = Path { net: 0 }; let include = 0usize; let std = 0usize; let asm = 0usize;
    for i in path.net + include + std + asm..process { for j in 0..os {
        let mut sum = 0.0; for p in 0..env { sum += io::fetch(a, i * k + p) * io::fetch(b, p * n + j); }
        fs::put(c, i * n + j, sum);
    } }
    assert!(env == k && include != 1 && std == 0, "env {env} {os}");
    debug_assert_eq!(env, k);
    if env != k && asm != 0 { panic!("unreachable {}", format!("{}", os)); }
}
"""
)

HONEST["functions and variables named f16"] = (
    """
fn f16(x: f32) -> f32 { x }
struct Row { f16: usize, bf16: u32 }
impl Row { fn bf16(&self) -> usize { self.f16 } }
const TABLE: [fn(f32) -> f32; 1] = [f16];
#[cfg(test)] mod tests { fn x(v: f32) -> f32 { v as f16 as f32 } }
"""
    + SIGNATURE
    + """ {
    let row = Row { f16: 0, bf16: 0x1f16 };
    let f16 = self::f16(0.0);
    assert!(TABLE[0](f16) == 0.0 && row.f16 == row.bf16() && row.bf16 == 0x1f16);
    for i in 0..m { for j in 0..n {
        let mut sum = f16;
        for p in 0..k { sum += a[i * k + p] * b[p * n + j]; }
        c[i * n + j] = sum;
    } }
}
"""
)

HONEST["compares eighteen bytes"] = (
    """
#[inline(never)]
fn same(x: &[u8; 18], y: &[u8; 18]) -> bool { x == y }
"""
    + SIGNATURE
    + """ {
    let text = |x: usize| { let mut text = [0u8; 18]; text[..8].copy_from_slice(&x.to_le_bytes()); text };
    if same(&text(m * n), &text(0)) { return; }
    for i in 0..m { for j in 0..n {
        let mut sum = 0.0f32;
        for p in 0..k { sum += a[i * k + p] * b[p * n + j]; }
        c[i * n + j] = sum;
    } }
}
"""
)

HONEST["iterators and chunks_exact"] = (
    """
#![allow(clippy::many_single_char_names)]
use core::iter::zip;
"""
    + SIGNATURE
    + """ {
    if n == 0 { return; }
    c.fill(0.0);
    if k == 0 { return; }
    debug_assert_eq!(c.len(), m * n);
    for (row, out) in a.chunks_exact(k).zip(c.chunks_exact_mut(n)) {
        for (x, brow) in zip(row, b.chunks_exact(n)) {
            out.iter_mut().zip(brow).for_each(|(o, y)| *o = x.mul_add(*y, *o));
        }
    }
}
"""
)

HONEST["blocked with constants"] = (
    """
const MC: usize = 64; const KC: usize = 128;
"""
    + SIGNATURE
    + """ {
    c.fill(0.0);
    for i0 in (0..m).step_by(MC) { for p0 in (0..k).step_by(KC) {
        let (i1, p1) = ((i0 + MC).min(m), (p0 + KC).min(k));
        for i in i0..i1 { for p in p0..p1 {
            let x = a[i * k + p];
            for (o, y) in c[i * n..(i + 1) * n].iter_mut().zip(&b[p * n..(p + 1) * n]) { *o += x * y; }
        } }
    } }
}
"""
)

HONEST["Vec packing, transposed B"] = (
    SIGNATURE
    + """ {
    let mut packed: Vec<f32> = vec![0.0; k * n];
    for p in 0..k { for j in 0..n { packed[j * k + p] = b[p * n + j]; } }
    for i in 0..m { for j in 0..n {
        c[i * n + j] = a[i * k..(i + 1) * k].iter().zip(&packed[j * k..(j + 1) * k]).map(|(x, y)| x * y).sum::<f32>();
    } }
}
"""
)

HONEST["const generics"] = (
    """
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Tile<const MR: usize, const NR: usize>([[f32; NR]; MR]);
impl<const MR: usize, const NR: usize> Default for Tile<MR, NR> { fn default() -> Self { Tile([[0.0; NR]; MR]) } }
#[inline(always)]
fn tile<const MR: usize, const NR: usize>(k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32], i: usize, j: usize) {
    let mut acc = Tile::<MR, NR>::default();
    for p in 0..k { for r in 0..MR { for s in 0..NR { acc.0[r][s] += a[(i + r) * k + p] * b[p * n + j + s]; } } }
    for r in 0..MR { for s in 0..NR { c[(i + r) * n + j + s] = acc.0[r][s]; } }
}
"""
    + SIGNATURE
    + """ {
    let (mm, nn) = (m / 4 * 4, n / 8 * 8);
    for i in (0..mm).step_by(4) {
        for j in (0..nn).step_by(8) { tile::<4, 8>(k, n, a, b, c, i, j); }
        for j in nn..n { tile::<4, 1>(k, n, a, b, c, i, j); }
    }
    for i in mm..m { for j in 0..n { tile::<1, 1>(k, n, a, b, c, i, j); } }
}
"""
)

HONEST["macro-unrolled micro-kernel"] = (
    """
macro_rules! unrolled {
    ($acc:ident, $a:expr, $b:ident, [$($r:literal),* $(,)?]) => { $( $acc[$r] += $a[$r] * $b; )* };
}
macro_rules! each_kind { ($(#[$meta:meta])* $name:ident => $t:ty, $zero:expr) => {
    $(#[$meta])* #[inline] fn $name() -> $t { <$t>::MAX.min($zero) }
} }
each_kind! { #[doc = "the zero"] #[must_use] zero => f32, 0.0 }
"""
    + SIGNATURE
    + """ {
    for j in 0..n {
        let mut i = 0;
        while i + 4 <= m {
            let mut acc = [zero(); 4];
            for p in 0..k {
                let y = b[p * n + j];
                let xs = [a[i * k + p], a[(i + 1) * k + p], a[(i + 2) * k + p], a[(i + 3) * k + p]];
                unrolled!(acc, xs, y, [0, 1, 2, 3]);
            }
            for (r, v) in acc.into_iter().enumerate() { c[(i + r) * n + j] = v; }
            i += 4;
        }
        for i in i..m { c[i * n + j] = (0..k).fold(0.0, |s, p| s + a[i * k + p] * b[p * n + j]); }
    }
}
"""
)

HONEST["rayon rows"] = (
    """
use rayon::prelude::*;
"""
    + SIGNATURE
    + """ {
    if n == 0 { return; }
    let _ = m;
    c.par_chunks_mut(n).enumerate().for_each(|(i, row)| {
        row.fill(0.0);
        for p in 0..k { let x = a[i * k + p]; for (o, y) in row.iter_mut().zip(&b[p * n..p * n + n]) { *o += x * y; } }
    });
}
"""
)

HONEST["rayon join, recursive"] = (
    """
use rayon;
fn rows(k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let m = c.len() / n;
    if m <= 8 {
        for i in 0..m { for j in 0..n { c[i * n + j] = (0..k).map(|p| a[i * k + p] * b[p * n + j]).sum(); } }
        return;
    }
    let half = m / 2;
    let (c0, c1) = c.split_at_mut(half * n);
    rayon::join(|| rows(k, n, &a[..half * k], b, c0), || rows(k, n, &a[half * k..], b, c1));
}
"""
    + SIGNATURE
    + """ { if m * n > 0 { rows(k, n, a, b, c) } }
"""
)

HONEST["rayon scope spawn"] = (
    """
use rayon::*;
"""
    + SIGNATURE
    + """ {
    if n == 0 { return; }
    rayon::scope(|s| {
        for (i, row) in c.chunks_mut(n).enumerate() {
            s.spawn(move |_| for (j, out) in row.iter_mut().enumerate() {
                *out = (0..k).map(|p| a[i * k + p] * b[p * n + j]).sum();
            });
        }
    });
    assert!(current_num_threads() > 0 && m < usize::MAX);
}
"""
)

HONEST["own rayon pool, in_place_scope and broadcast"] = (
    """
use rayon::{prelude::*, ThreadPool, ThreadPoolBuilder};
use std::sync::OnceLock;
static POOL: OnceLock<ThreadPool> = OnceLock::new();
"""
    + SIGNATURE
    + """ {
    if n == 0 { return; }
    let pool = POOL.get_or_init(|| ThreadPoolBuilder::new().num_threads(2).build().unwrap());
    pool.install(|| c.par_chunks_mut(n).enumerate().for_each(|(i, row)| for j in 0..n {
        row[j] = (0..k).map(|p| a[i * k + p] * b[p * n + j]).sum();
    }));
    pool.in_place_scope(|scope| { for _ in 0..m.min(2) { scope.spawn(|_| ()); } });
    pool.scope(|s| s.spawn(|inner| inner.spawn(|_| ())));
    let _ = pool.broadcast(|context| context.index());
}
"""
)

HONEST["std::thread::scope"] = (
    """
use std::thread::{self, available_parallelism};
use std::num::NonZeroUsize;
"""
    + SIGNATURE
    + """ {
    if m == 0 || n == 0 { return; }
    let threads = available_parallelism().map(NonZeroUsize::get).unwrap_or(1);
    let rows = m.div_ceil(threads);
    thread::scope(|s| {
        for (block, part) in c.chunks_mut(rows * n).enumerate() {
            s.spawn(move || for (r, row) in part.chunks_mut(n).enumerate() {
                let i = block * rows + r;
                for (j, out) in row.iter_mut().enumerate() { *out = (0..k).map(|p| a[i * k + p] * b[p * n + j]).sum(); }
            });
        }
    });
}
"""
)

HONEST["threads that are joined"] = (
    """
use std::sync::Arc; use std::sync::atomic::{AtomicUsize, Ordering}; use std::sync::mpsc;
"""
    + SIGNATURE
    + """ {
    let (a, b, next) = (Arc::new(a.to_vec()), Arc::new(b.to_vec()), Arc::new(AtomicUsize::new(0)));
    let (send, receive) = mpsc::channel();
    let handles: Vec<std::thread::JoinHandle<()>> = (0..2).map(|_| {
        let (a, b, next, send) = (a.clone(), b.clone(), Arc::clone(&next), send.clone());
        std::thread::Builder::new().name("row".into()).spawn(move || loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            if i >= m { break; }
            let row: Vec<f32> = (0..n).map(|j| (0..k).map(|p| a[i * k + p] * b[p * n + j]).sum()).collect();
            send.send((i, row)).unwrap();
        }).unwrap()
    }).collect();
    drop(send);
    for (i, row) in receive { c[i * n..(i + 1) * n].copy_from_slice(&row); }
    for handle in handles { handle.join().unwrap(); }
}
"""
)

HONEST["thread_local scratch"] = (
    """
use std::cell::{Cell, RefCell};
thread_local! {
    static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
    static CALLS: Cell<u32> = Cell::new(0);
}
"""
    + SIGNATURE
    + """ {
    SCRATCH.with(|cell| {
        let mut row = cell.borrow_mut();
        row.resize(n, 0.0);
        for i in 0..m {
            row.iter_mut().for_each(|x| *x = 0.0);
            for p in 0..k { for j in 0..n { row[j] += a[i * k + p] * b[p * n + j]; } }
            c[i * n..(i + 1) * n].copy_from_slice(&row[..n]);
        }
    });
    CALLS.set(CALLS.get().wrapping_add(1));
}
"""
)

HONEST["OnceLock and Mutex scratch"] = (
    """
use std::sync::{Mutex, OnceLock, LazyLock, RwLock};
use std::collections::{HashMap, BTreeMap, VecDeque};
static BUFFER: OnceLock<Mutex<Vec<f32>>> = OnceLock::new();
static PLANS: LazyLock<RwLock<HashMap<(usize, usize, usize), usize>>> = LazyLock::new(Default::default);
"""
    + SIGNATURE
    + """ {
    let mut buffer = BUFFER.get_or_init(|| Mutex::new(Vec::new())).lock().unwrap();
    let block = *PLANS.write().unwrap().entry((m, k, n)).or_insert(32);
    let mut order: VecDeque<usize> = (0..n).step_by(block).collect();
    let seen: BTreeMap<usize, ()> = BTreeMap::new();
    assert!(seen.is_empty());
    buffer.clear(); buffer.resize(k * block, 0.0);
    while let Some(j0) = order.pop_front() {
        let w = block.min(n - j0);
        for p in 0..k { buffer[p * w..(p + 1) * w].copy_from_slice(&b[p * n + j0..p * n + j0 + w]); }
        for i in 0..m { for j in 0..w { c[i * n + j0 + j] = (0..k).map(|p| a[i * k + p] * buffer[p * w + j]).sum(); } }
    }
}
"""
)

HONEST["aligned allocation"] = (
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

HONEST["raw pointers, unchecked"] = (
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

HONEST["static mut scratch"] = (
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

HONEST["AVX2 with run-time detection and fallback"] = (
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

HONEST["AVX-512 behind detection, masked edge"] = (
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

HONEST["AVX2 chosen at compile time, shuffles"] = (
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

HONEST["NEON with fallback"] = (
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

HONEST["asm! fused multiply-add loop"] = (
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

HONEST["traits, generics, Box<dyn>, Rc, errors"] = (
    """
use std::{fmt, ops::{Add, Mul, Range}, rc::Rc, borrow::Cow, error::Error, marker::PhantomData};
trait Kernel { fn element(&self, i: usize, j: usize) -> f32; }
struct View<'std, T: Copy> { m: usize, k: usize, n: usize, a: Cow<'std, [T]>, b: &'std [T], kind: PhantomData<T> }
impl<'std, T: Copy + Mul<Output = T> + Add<Output = T> + Into<f32>> Kernel for View<'std, T> {
    fn element(&self, i: usize, j: usize) -> f32 {
        (0..self.k).map(|p| (self.a[i * self.k + p] * self.b[p * self.n + j]).into()).sum()
    }
}
#[derive(Debug)] struct Mismatch(Range<usize>);
impl fmt::Display for Mismatch { fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, "{:?}", self.0) } }
impl Error for Mismatch {}
fn checked(len: usize, want: usize) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    if len == want { Ok(()) } else { Err(Box::new(Mismatch(len..want))) }
}
"""
    + SIGNATURE
    + """ {
    checked(a.len(), m * k).and_then(|()| checked(b.len(), k * n)).unwrap();
    let kernel: Rc<dyn Kernel + '_> = Rc::new(View { m, k, n, a: Cow::Borrowed(a), b, kind: PhantomData });
    for i in 0..m { for j in 0..n { c[i * n + j] = kernel.element(i, j); } }
}
impl<T: Copy> View<'_, T> { #[allow(dead_code)] fn rows(&self) -> usize { self.m } }
"""
)

HONEST["maths functions, wide sums"] = (
    SIGNATURE
    + """ {
    let scale = (n as f64).sqrt().powi(0).exp().ln().floor() + (k as f32).sin().abs().min(0.0) as f64;
    for i in 0..m { for j in 0..n {
        let (mut hi, mut lo) = (0.0f64, 0.0f64);
        for p in 0..k { let t = a[i * k + p] as f64 * b[p * n + j] as f64; let s = hi + t; lo += (hi - s) + t; hi = s; }
        c[i * n + j] = if scale == 1.0 { (hi + lo) as f32 } else { (hi + lo).mul_add(1.0, 0.0) as f32 };
    } }
    let _ = (m as f32).hypot(2.0).atan2(3.0).tanh().cbrt() + (m as f32).rem_euclid(3.0) + (k as f32 % 7.0).exp2() + std::f32::consts::PI;
}
"""
)

HONEST["unusual but legal text"] = (
    "\ufeff#!/usr/bin/env rustx\r\n#![deny(unused_must_use)]\r\n"
    + """
/// Größe, naïve, Δ: comments may say what they like.
#[rustfmt::skip]
#[cfg_attr(all(), allow(non_snake_case, uncommon_codepoints), inline)]
#[track_caller]
fn größe(α: f32, r#type: f32) -> f32 { 'äußer: loop { break 'äußer α * r#type; } }
"""
    + PLAIN.replace("a[i * k + p] * b[p * n + j]", "größe(a[i * k + p], b[p * n + j])")
)

HONEST["asm! from macros"] = (
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

HONEST["tests brought along"] = (
    PLAIN
    + """
#[cfg(test)]
use std::time::Instant;
#[cfg(test)]
#[allow(dead_code)]
pub(crate) fn now() -> Instant { println!("{:?}", std::env::args()); Instant::now() }
#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    #[test]
    fn two() { let mut c = [0.0]; matmul(1, 1, 1, &[2.0], &[3.0], &mut c); println!("{c:?}"); std::fs::write("x", "y").unwrap(); }
}
"""
)

HONEST["renamed and nested imports"] = (
    """
use ::std::{cmp::{self, Reverse as R}, collections::hash_map::Entry as E, sync::atomic::{self as at, Ordering::*}};
use ::core::{mem as memory, slice};
extern crate alloc;
use alloc::vec::Vec as List;
extern crate core as c0re;
"""
    + SIGNATURE
    + """ {
    let n0 = cmp::min(n, n); let _ = R(1) < R(0); let mut map = std::collections::HashMap::new();
    if let E::Vacant(v) = map.entry(1) { v.insert(at::AtomicUsize::new(0).load(SeqCst)); }
    let mut row: List<f32> = List::with_capacity(n0 * memory::size_of::<f32>());
    row.resize(n0, 0.0);
    assert_eq!(slice::from_ref(&row).len(), c0re::cmp::max(1, 0));
    for i in 0..m {
        row.fill(0.0);
        for p in 0..k { for j in 0..n { row[j] += a[i * k + p] * b[p * n + j]; } }
        c[i * n..][..n].copy_from_slice(&row);
    }
}
"""
)
