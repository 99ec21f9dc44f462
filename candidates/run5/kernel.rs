//! 100 % safe Rust: a 6 x 64 register tile in plain arrays, vectorised by the compiler
//!
//! C (m x n) = A (m x k) * B (k x n), row-major and contiguous, f32.
//! BLIS-style loops around a 6 x 64 register tile (4 vectors of 16 floats wide), one thread. A is
//! copied row by row into padded rows; B is packed a KC x NC block at a time. Products of up to 320^3
//! skip the packing.
//!
//! the safe family's first tile, with the block of B cut to fit L2
//!
//! Schedule: family = packed, isa = avx512, mr = 6, nr = 64, kc = 256, mc = 6, nc = 1024, resident = a,
//! pack_a = strip, pack_b = panel, direct_edge = 320, threads = 1, scratch = thread_local.
//! Key: 923ae54726d7447a.

use std::cell::RefCell;

/// Floats that the compiler is to keep in one vector register.
const LANES: usize = 16;
/// The register tile: MR rows of C, NV vectors (NR columns) wide.
const MR: usize = 6;
const NV: usize = 4;
const NR: usize = NV * LANES;
/// Cache blocks: depth, rows (a multiple of MR), columns (a multiple of NR).
const KC: usize = 256;
const MC: usize = 6;
const NC: usize = 1024;
/// Products of up to DIRECT_EDGE^3 multiply straight from A and B: copying would cost more than it saves.
const DIRECT_EDGE: usize = 320;

/// One vector of C, B or a repeated element of A.
type Vector = [f32; LANES];

/// The factors: A (m x k, rows lda apart) and B (k x n, rows ldb apart).
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

/// Multiplies A (m x k) by B (k x n) into C (m x n). The former content of C is never read.
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

/// x*y + sum, fused where the CPU can: without the instruction a fused multiply-add would be a slow library call.
#[inline(always)]
fn multiply_add(x: f32, y: f32, sum: f32) -> f32 {
    if cfg!(any(target_feature = "fma", target_arch = "aarch64")) {
        x.mul_add(y, sum)
    } else {
        x * y + sum
    }
}

/// Cuts `total` into the fewest pieces of at most `most`, as equal as can be: no sliver is left at the end.
fn cuts(total: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let pieces = total.div_ceil(most);
    let (size, longer) = (total / pieces, total % pieces);
    (0..pieces).map(move |i| (i * size + i.min(longer), size + usize::from(i < longer)))
}

/// The same for columns: every piece but the last is a multiple of NR.
fn strips(total: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    cuts(total.div_ceil(NR), most / NR).map(move |(j, w)| (j * NR, (w * NR).min(total - j * NR)))
}

thread_local! {
    /// Grows to what the largest product needed and stays: no allocation and no page faults in later calls.
    static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Lends `floats` floats of this thread's scratch, beginning on a cache line.
fn with_scratch(floats: usize, work: impl FnOnce(&mut [f32])) {
    SCRATCH.with_borrow_mut(|buffer| {
        if buffer.len() < floats + 16 {
            *buffer = vec![0.0; floats + 16];
        }
        let skip = buffer.as_ptr().align_offset(64).min(16);
        work(&mut buffer[skip..skip + floats])
    })
}

/// Small products straight from memory, large ones through packed blocks.
fn serial(job: Job, c: &mut [f32]) {
    if job.ldb == 1 {
        return dots(job, c);
    }
    if job.m * job.k * job.n <= DIRECT_EDGE.pow(3) {
        return direct(job, c);
    }
    let a_floats = (KC.min(job.k).next_multiple_of(16) + 16) * MC.min(job.m);
    let b_floats = (KC.min(job.k) * NC.min(job.n.next_multiple_of(NR))).next_multiple_of(16);
    with_scratch(a_floats + b_floats, |scratch| {
        let (b_block, a_block) = scratch.split_at_mut(b_floats);
        packed(job, c, a_block, b_block)
    });
}

/// The BLIS loop nest around the tile.
fn packed(job: Job, c: &mut [f32], a_block: &mut [f32], b_block: &mut [f32]) {
    // LOOP 5: columns of B and C, NC at a time.
    for (jc, nc) in strips(job.n, NC) {
        // LOOP 4: depth, KC at a time. Later turns go on from the sums that the first left in C.
        for (pc, kc) in cuts(job.k, KC) {
            let first = pc == 0;
            pack_b(&job.b[pc * job.ldb + jc..], job.ldb, kc, nc, b_block);
            // LOOP 3: rows of A and C, MC at a time.
            for (ic, mc) in cuts(job.m, MC) {
                let a = &job.a[ic * job.lda + pc..];
                let lda = kc.next_multiple_of(16) + 16;
                pack_a(a, job.lda, mc, kc, lda, a_block);
                let a = &*a_block;
                // LOOP 2: tiles down the block; the rows of A stay in L1 while B streams past.
                for (ir, rows) in cuts(mc, MR) {
                    // LOOP 1: tiles across the block.
                    for jr in (0..nc).step_by(NR) {
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

/// Copies mc rows of A, kc long, to rows `ld` apart: ld is odd in cache lines, so no two rows fight for one set.
fn pack_a(a: &[f32], lda: usize, mc: usize, kc: usize, ld: usize, block: &mut [f32]) {
    for (from, to) in a.chunks(lda).zip(block.chunks_mut(ld)).take(mc) {
        to[..kc].copy_from_slice(&from[..kc]);
    }
}

/// Packs a kc x nc block of B in strips of NR columns: the tile then reads one unbroken stream.
/// The strip at column j begins at j*kc. What lies beyond nc is multiplied but never stored.
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

/// Without packing: tiles read A and B in place, over the whole depth, and write C once.
/// Only the columns beyond the last whole tile are packed, because safe code cannot read half a vector.
fn direct(job: Job, c: &mut [f32]) {
    /// Rows of a strip that is packed after all.
    const STRIP: usize = 2048;
    let whole = job.n / NR * NR;
    for (i, rows) in cuts(job.m, MR) {
        for j in (0..whole).step_by(NR) {
            let (a, b) = (&job.a[i * job.lda..], &job.b[j..]);
            tile(rows, NR, job.k, a, job.lda, b, job.ldb, &mut c[i * job.n + j..], job.n, true);
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

/// A single column: B and C are vectors, and what streams is A. Dot products, four vectors of sums in flight.
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
        // The upper half onto the lower, until one is left.
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

/// One tile of C. A ragged one is computed whole in a tile of its own, of which the part that exists is copied.
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

/// Picks the micro-kernel of exactly this many rows and vectors.
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
        (1, 3) => micro::<1, 3>(k, a, lda, b, ldb, c, ldc, first),
        (1, 4) => micro::<1, 4>(k, a, lda, b, ldb, c, ldc, first),
        (2, 1) => micro::<2, 1>(k, a, lda, b, ldb, c, ldc, first),
        (2, 2) => micro::<2, 2>(k, a, lda, b, ldb, c, ldc, first),
        (2, 3) => micro::<2, 3>(k, a, lda, b, ldb, c, ldc, first),
        (2, 4) => micro::<2, 4>(k, a, lda, b, ldb, c, ldc, first),
        (3, 1) => micro::<3, 1>(k, a, lda, b, ldb, c, ldc, first),
        (3, 2) => micro::<3, 2>(k, a, lda, b, ldb, c, ldc, first),
        (3, 3) => micro::<3, 3>(k, a, lda, b, ldb, c, ldc, first),
        (3, 4) => micro::<3, 4>(k, a, lda, b, ldb, c, ldc, first),
        (4, 1) => micro::<4, 1>(k, a, lda, b, ldb, c, ldc, first),
        (4, 2) => micro::<4, 2>(k, a, lda, b, ldb, c, ldc, first),
        (4, 3) => micro::<4, 3>(k, a, lda, b, ldb, c, ldc, first),
        (4, 4) => micro::<4, 4>(k, a, lda, b, ldb, c, ldc, first),
        (5, 1) => micro::<5, 1>(k, a, lda, b, ldb, c, ldc, first),
        (5, 2) => micro::<5, 2>(k, a, lda, b, ldb, c, ldc, first),
        (5, 3) => micro::<5, 3>(k, a, lda, b, ldb, c, ldc, first),
        (5, 4) => micro::<5, 4>(k, a, lda, b, ldb, c, ldc, first),
        (6, 1) => micro::<6, 1>(k, a, lda, b, ldb, c, ldc, first),
        (6, 2) => micro::<6, 2>(k, a, lda, b, ldb, c, ldc, first),
        (6, 3) => micro::<6, 3>(k, a, lda, b, ldb, c, ldc, first),
        (6, 4) => micro::<6, 4>(k, a, lda, b, ldb, c, ldc, first),
        _ => unreachable!("a tile has 1 to MR rows and 1 to NV vectors"),
    }
}

/// The micro-kernel: ROWS x COLS vectors of C stay in registers while k runs.
///
/// Plain arrays with constant bounds and no index that only run time knows: that is what lets the compiler keep
/// them in registers. Each element of C is one chain of multiply-adds in the order of k, whatever the blocks.
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
    let rows: [&[f32]; ROWS] = std::array::from_fn(|i| &a[i * lda..][..k]);
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
