//! packed avx2 6x16 kc512
//!
//! C (m x n) = A (m x k) * B (k x n), row-major and contiguous, f32.
//! BLIS-style loops around a 6 x 16 register tile (2 vectors of 8 floats per row), one thread. A is
//! read in place; B is packed a KC x NC block at a time. Nothing is packed if m*k*n <= 128^3.
//!
//! the analytical model for this machine's registers and caches
//!
//! Schedule: family = packed, isa = avx2, mr = 6, nr = 16, kc = 512, mc = 48, nc = 2048, resident = b,
//! pack_a = none, pack_b = panel, direct_edge = 128, threads = 1, scratch = thread_local.
//! Key: 0b9b18c7db981604.

use std::cell::RefCell;

/// Floats per vector register of the target.
const LANES: usize = 8;
/// The register tile: MR rows of C by NR columns, which are NV vectors.
const MR: usize = 6;
const NV: usize = 2;
const NR: usize = NV * LANES;
/// Cache blocks in elements: KC is depth, MC rows (a multiple of MR), NC columns (a multiple of NR).
const KC: usize = 512;
const MC: usize = 48;
const NC: usize = 2048;
/// No packing while m*k*n <= DIRECT_EDGE^3: it would cost more than it saves.
const DIRECT_EDGE: usize = 128;

/// One vector of B.
type Vector = [f32; LANES];

/// The operands: A (m x k, rows lda apart) and B (k x n, rows ldb apart).
#[derive(Clone, Copy)]
struct Job<'a> {
    m: usize,
    k: usize,
    n: usize,
    a: &'a [f32],
    lda: usize,
    b: &'a [f32],
    ldb: usize,
}

/// Multiplies A (m x k) by B (k x n) into C (m x n). C is overwritten; its previous content is never read.
pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    if m == 0 || n == 0 {
        return;
    }
    let c = &mut c[..m * n];
    if k == 0 {
        return c.fill(0.0);
    }
    serial(Job { m, k, n, a, lda: k, b, ldb: n }, c);
}

/// x*y + sum, fused if the target has an FMA instruction; without one `mul_add` would be a slow library call.
#[inline(always)]
fn multiply_add(x: f32, y: f32, sum: f32) -> f32 {
    if cfg!(any(target_feature = "fma", target_arch = "aarch64")) {
        x.mul_add(y, sum)
    } else {
        x * y + sum
    }
}

/// Cuts `total` into the fewest pieces of at most `most`: (start, length), with lengths that differ by at most 1.
fn cuts(total: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let pieces = total.div_ceil(most);
    let (size, longer) = (total / pieces, total % pieces);
    (0..pieces).map(move |i| (i * size + i.min(longer), size + usize::from(i < longer)))
}

/// Like `cuts`, for columns: the length of every piece but the last is a multiple of NR.
fn strips(total: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    cuts(total.div_ceil(NR), most / NR).map(move |(j, w)| (j * NR, (w * NR).min(total - j * NR)))
}

thread_local! {
    /// Never freed, and grown only when a larger product needs it: later calls neither allocate nor fault in pages.
    static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Calls `work` with `floats` floats of this thread's scratch buffer, aligned to a cache line.
fn with_scratch(floats: usize, work: impl FnOnce(&mut [f32])) {
    SCRATCH.with_borrow_mut(|buffer| {
        if buffer.len() < floats + 16 {
            *buffer = vec![0.0; floats + 16];
        }
        let skip = buffer.as_ptr().align_offset(64).min(16);
        work(&mut buffer[skip..skip + floats])
    })
}

/// One thread's share: small products without packing, large ones with packed blocks.
fn serial(job: Job, c: &mut [f32]) {
    if job.ldb == 1 {
        return dots(job, c);
    }
    if job.m * job.k * job.n <= DIRECT_EDGE.pow(3) {
        return direct(job, c);
    }
    let a_floats = 0;
    let b_floats = (KC.min(job.k) * NC.min(job.n.next_multiple_of(NR))).next_multiple_of(16);
    with_scratch(a_floats + b_floats, |scratch| {
        let (b_block, a_block) = scratch.split_at_mut(b_floats);
        packed(job, c, a_block, b_block)
    });
}

/// The BLIS loop nest around the micro-kernel.
fn packed(job: Job, c: &mut [f32], _a_block: &mut [f32], b_block: &mut [f32]) {
    // LOOP 5: columns of B and C, NC at a time.
    for (jc, nc) in strips(job.n, NC) {
        // LOOP 4: depth, KC at a time. The first iteration stores to C, later ones add to it.
        for (pc, kc) in cuts(job.k, KC) {
            let first = pc == 0;
            pack_b(&job.b[pc * job.ldb + jc..], job.ldb, kc, nc, b_block);
            // LOOP 3: rows of A and C, MC at a time.
            for (ic, mc) in cuts(job.m, MC) {
                let a = &job.a[ic * job.lda + pc..];
                let lda = job.lda;
                // LOOP 2: columns, NR at a time. The strip of B stays in L1 while A is streamed.
                for jr in (0..nc).step_by(NR) {
                    // LOOP 1: rows, MR at a time.
                    for (ir, rows) in cuts(mc, MR) {
                        let cols = NR.min(nc - jr);
                        let (b, ldb) = (&b_block[jr * kc..], NR);
                        let to = &mut c[(ic + ir) * job.n + jc + jr..];
                        tile(rows, cols, kc, &a[ir * lda..], lda, b, ldb, to, job.n, first);
                    }
                }
            }
        }
    }
}

/// Packs a kc x nc block of B into strips of NR columns, which the micro-kernel reads contiguously.
/// The strip at column j starts at j*kc. Columns beyond nc are zero: multiplied, but never stored.
fn pack_b(b: &[f32], ldb: usize, kc: usize, nc: usize, block: &mut [f32]) {
    for (p, row) in b.chunks(ldb).take(kc).enumerate() {
        let (whole, rest) = row[..nc].as_chunks::<NR>();
        for (j, from) in whole.iter().enumerate() {
            block[(j * kc + p) * NR..][..NR].copy_from_slice(from);
        }
        if !rest.is_empty() {
            let to = &mut block[(whole.len() * kc + p) * NR..][..NR];
            to.fill(0.0);
            to[..rest.len()].copy_from_slice(rest);
        }
    }
}

/// The product without packing: the micro-kernel reads A and B in place over the full depth and writes C once.
/// Only the columns beyond the last full tile are packed, because safe code has no masked loads.
fn direct(job: Job, c: &mut [f32]) {
    /// Depth of one packed piece of the ragged last strip.
    const STRIP: usize = 2048;
    /// Elements of B above which each strip of columns is read once, from wherever it lies, and used by all rows.
    const LARGE_B: usize = 1 << 16;
    let whole = job.n / NR * NR;
    let mut by_tile = |i: usize, rows: usize, j: usize| {
        let (a, b) = (&job.a[i * job.lda..], &job.b[j..]);
        tile(rows, NR, job.k, a, job.lda, b, job.ldb, &mut c[i * job.n + j..], job.n, true);
    };
    if job.k * job.n > LARGE_B {
        for j in (0..whole).step_by(NR) {
            cuts(job.m, MR).for_each(|(i, rows)| by_tile(i, rows, j));
        }
    } else {
        for (i, rows) in cuts(job.m, MR) {
            (0..whole).step_by(NR).for_each(|j| by_tile(i, rows, j));
        }
    }
    let cols = job.n - whole;
    if cols > 0 {
        with_scratch(STRIP.min(job.k) * NR, |strip| {
            for (pc, kc) in cuts(job.k, STRIP) {
                pack_b(&job.b[pc * job.ldb + whole..], job.ldb, kc, cols, strip);
                for (i, rows) in cuts(job.m, MR) {
                    let (a, to) = (&job.a[i * job.lda + pc..], &mut c[i * job.n + whole..]);
                    tile(rows, cols, kc, a, job.lda, strip, NR, to, job.n, pc == 0);
                }
            }
        });
    }
}

/// Matrix times vector (n = 1): one dot product per row of A, with four independent vector accumulators.
fn dots(job: Job, c: &mut [f32]) {
    const STEP: usize = 4 * LANES;
    for (row, to) in job.a.chunks(job.lda).zip(c) {
        let (steps, rest) = row[..job.k].as_chunks::<STEP>();
        let (others, other_rest) = job.b[..job.k].as_chunks::<STEP>();
        let mut sums = [0.0f32; STEP];
        for (x, y) in steps.iter().zip(others) {
            for lane in 0..STEP {
                sums[lane] = multiply_add(x[lane], y[lane], sums[lane]);
            }
        }
        for ((x, y), sum) in rest.iter().zip(other_rest).zip(&mut sums) {
            *sum = multiply_add(*x, *y, *sum);
        }
        // Pairwise reduction: add the upper half to the lower half until one sum is left.
        let mut half = STEP / 2;
        while half > 0 {
            for lane in 0..half {
                sums[lane] += sums[lane + half];
            }
            half /= 2;
        }
        *to = sums[0];
    }
}

/// One tile of C. If its last vector is incomplete, the tile is computed in a buffer and its valid columns are copied.
#[inline]
#[allow(clippy::too_many_arguments)]
fn tile(
    rows: usize,
    cols: usize,
    k: usize,
    a: &[f32],
    lda: usize,
    b: &[f32],
    ldb: usize,
    c: &mut [f32],
    ldc: usize,
    first: bool,
) {
    let vectors = cols.div_ceil(LANES);
    if cols == vectors * LANES {
        return exact(rows, vectors, k, a, lda, b, ldb, c, ldc, first);
    }
    let mut own = [0.0f32; MR * NR];
    if !first {
        for (to, from) in own.chunks_mut(NR).zip(c.chunks(ldc)).take(rows) {
            to[..cols].copy_from_slice(&from[..cols]);
        }
    }
    exact(rows, vectors, k, a, lda, b, ldb, &mut own, NR, first);
    for (from, to) in own.chunks(NR).zip(c.chunks_mut(ldc)).take(rows) {
        to[..cols].copy_from_slice(&from[..cols]);
    }
}

/// Calls the micro-kernel for exactly this many rows and vectors.
#[inline]
#[allow(clippy::too_many_arguments)]
fn exact(
    rows: usize,
    vectors: usize,
    k: usize,
    a: &[f32],
    lda: usize,
    b: &[f32],
    ldb: usize,
    c: &mut [f32],
    ldc: usize,
    first: bool,
) {
    match (rows, vectors) {
        (1, 1) => micro::<1, 1>(k, a, lda, b, ldb, c, ldc, first),
        (1, 2) => micro::<1, 2>(k, a, lda, b, ldb, c, ldc, first),
        (2, 1) => micro::<2, 1>(k, a, lda, b, ldb, c, ldc, first),
        (2, 2) => micro::<2, 2>(k, a, lda, b, ldb, c, ldc, first),
        (3, 1) => micro::<3, 1>(k, a, lda, b, ldb, c, ldc, first),
        (3, 2) => micro::<3, 2>(k, a, lda, b, ldb, c, ldc, first),
        (4, 1) => micro::<4, 1>(k, a, lda, b, ldb, c, ldc, first),
        (4, 2) => micro::<4, 2>(k, a, lda, b, ldb, c, ldc, first),
        (5, 1) => micro::<5, 1>(k, a, lda, b, ldb, c, ldc, first),
        (5, 2) => micro::<5, 2>(k, a, lda, b, ldb, c, ldc, first),
        (6, 1) => micro::<6, 1>(k, a, lda, b, ldb, c, ldc, first),
        (6, 2) => micro::<6, 2>(k, a, lda, b, ldb, c, ldc, first),
        _ => unreachable!("a tile has 1 to MR rows and 1 to NV vectors"),
    }
}

/// The micro-kernel: accumulates ROWS x COLS vectors of C in registers over all k.
///
/// The accumulators are arrays that are indexed only with compile-time bounds, so that the compiler can keep them in
/// registers. Each element of C is one chain of multiply-adds in the order of k, for any block sizes.
#[inline(never)]
#[allow(clippy::too_many_arguments)]
fn micro<const ROWS: usize, const COLS: usize>(
    k: usize,
    a: &[f32],
    lda: usize,
    b: &[f32],
    ldb: usize,
    c: &mut [f32],
    ldc: usize,
    first: bool,
) {
    let mut sums = [[[0.0f32; LANES]; COLS]; ROWS];
    if !first {
        for (i, row) in sums.iter_mut().enumerate() {
            row.as_flattened_mut().copy_from_slice(&c[i * ldc..][..COLS * LANES]);
        }
    }
    let mut rows: [&[f32]; ROWS] = [&[]; ROWS];
    for (i, row) in rows.iter_mut().enumerate() {
        *row = &a[i * lda..][..k];
    }
    for p in 0..k {
        let vectors: &[Vector] = b[p * ldb..][..COLS * LANES].as_chunks().0;
        for i in 0..ROWS {
            let x = rows[i][p];
            for j in 0..COLS {
                for lane in 0..LANES {
                    sums[i][j][lane] = multiply_add(x, vectors[j][lane], sums[i][j][lane]);
                }
            }
        }
    }
    for (i, row) in sums.iter().enumerate() {
        c[i * ldc..][..COLS * LANES].copy_from_slice(row.as_flattened());
    }
}
