"""Honest kernels in many styles, as test data: each passes policy, compiler and audit."""

# Rust text keeps its own lines.
# ruff: noqa: E501

from __future__ import annotations

from tests.compile.honest_threads import THREADED
from tests.compile.honest_unsafe import UNSAFE
from tests.compile.plain_kernel import PLAIN, SIGNATURE

HONEST: dict[str, str] = {**THREADED, **UNSAFE}

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
