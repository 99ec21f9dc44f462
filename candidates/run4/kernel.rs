//! AVX-512: a 12 x 32 register tile whose accumulators are pinned, straight from memory up to 320^3
//!
//! C (m x n) = A (m x k) * B (k x n), row-major and contiguous, f32.
//! BLIS-style loops around a 12 x 32 register tile (2 vectors of 16 floats wide), one thread. A is
//! copied row by row into padded rows; B is packed a KC x NC block at a time. Products of up to 320^3
//! skip the packing.
//!
//! the analytical model for a core with 48 KiB of L1, 2 MiB of L2 and two multiply-adds per cycle
//!
//! Schedule: family = packed_intrinsics, isa = avx512, mr = 12, nr = 32, kc = 256, mc = 12, nc = 1536,
//! unroll = 4, resident = a, pack_a = strip, pack_b = panel, prefetch_b = 0, prefetch_c = True, edges =
//! mask, direct_edge = 320, threads = 1, scratch = thread_local.
//! Key: 05c77ad44fdb664f.

/// Multiplies A (m x k) by B (k x n) into C (m x n). The former content of C is never read.
pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    // Every pointer below stays inside these three slices because of this line.
    assert!(a.len() >= m * k && b.len() >= k * n && c.len() >= m * n);
    if m == 0 || n == 0 {
        return;
    }
    if k == 0 {
        return c[..m * n].fill(0.0);
    }
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f") {
        let job = simd::Job::new(m, k, n, a, b, c);
        // SAFETY: the CPU has the features, and the job spans exactly the three slices.
        return unsafe { simd::run(job) };
    }
    portable(k, n, a, b, &mut c[..m * n]);
}

/// For CPUs without avx512f: rows of B scaled and summed, which any vector unit can do.
fn portable(k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    for (row, out) in a.chunks_exact(k).zip(c.chunks_exact_mut(n)) {
        out.fill(0.0);
        for (&x, from) in row.iter().zip(b.chunks_exact(n)) {
            for (sum, &y) in out.iter_mut().zip(from) {
                *sum += x * y;
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod simd {
    use std::arch::x86_64::*;
    use std::cell::RefCell;

    /// One vector register of C, B or a repeated element of A.
    type Vector = __m512;

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn zero() -> Vector {
        _mm512_setzero_ps()
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn splat(x: f32) -> Vector {
        _mm512_set1_ps(x)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn fma(a: Vector, b: Vector, c: Vector) -> Vector {
        _mm512_fmadd_ps(a, b, c)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn load(p: *const f32) -> Vector {
        // SAFETY: the caller owns the lanes that are touched.
        unsafe { _mm512_loadu_ps(p) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn store(p: *mut f32, v: Vector) {
        // SAFETY: the caller owns the lanes that are touched.
        unsafe { _mm512_storeu_ps(p, v) }
    }

    type Mask = __mmask16;

    /// The first `count` lanes.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn mask(count: usize) -> Mask {
        ((1u32 << count) - 1) as Mask
    }

    /// Lanes outside the mask are zero and their memory is not touched.
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn load_part(p: *const f32, lanes: Mask) -> Vector {
        // SAFETY: the caller owns the lanes that are touched.
        unsafe { _mm512_maskz_loadu_ps(lanes, p) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn store_part(p: *mut f32, lanes: Mask, v: Vector) {
        // SAFETY: the caller owns the lanes that are touched.
        unsafe { _mm512_mask_storeu_ps(p, lanes, v) }
    }

    /// `v` as it is, and no instruction: the compiler must have it in a register here, and may not move later loads
    /// before it. Left alone, it gathers the loads of several steps first, more than there are registers for.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn pin(mut v: Vector) -> Vector {
        // SAFETY: the text is a comment; it touches nothing.
        unsafe { std::arch::asm!("/* {0} */", inout(zmm_reg) v, options(nostack, preserves_flags)) };
        v
    }

    /// Floats in one vector.
    const LANES: usize = 16;
    /// The register tile: MR rows of C, NV vectors (NR columns) wide.
    const MR: usize = 12;
    const NV: usize = 2;
    const NR: usize = NV * LANES;
    /// Cache blocks: depth, rows (a multiple of MR), columns (a multiple of NR).
    const KC: usize = 256;
    const MC: usize = 12;
    const NC: usize = 1536;
    /// Products of up to DIRECT_EDGE^3 multiply straight from A and B: copying would cost more than it saves.
    const DIRECT_EDGE: usize = 320;

    /// One product: C (m x n, rows ldc apart) = A (m x k, rows lda apart) * B (k x n, rows ldb apart).
    #[derive(Clone, Copy)]
    pub struct Job {
        m: usize,
        k: usize,
        n: usize,
        a: *const f32,
        lda: usize,
        b: *const f32,
        ldb: usize,
        c: *mut f32,
        ldc: usize,
    }

    impl Job {
        pub fn new(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) -> Job {
            Job { m, k, n, a: a.as_ptr(), lda: k, b: b.as_ptr(), ldb: n, c: c.as_mut_ptr(), ldc: n }
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

    /// The whole product on this thread.
    pub unsafe fn run(job: Job) {
        // SAFETY: forwarded from the caller.
        unsafe { serial(job) }
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
            let skip = buffer.as_ptr().align_offset(64);
            work(&mut buffer[skip..skip + floats])
        })
    }

    /// Packs a kc x nc block of B in strips of NR columns: the tile then reads one unbroken stream.
    /// The strip at column j begins at j*kc. What lies beyond nc is never read.
    #[target_feature(enable = "avx512f")]
    unsafe fn pack_b(b: *const f32, ldb: usize, kc: usize, nc: usize, block: *mut f32) {
        for p in 0..kc {
            // SAFETY: row p of B has nc columns here; the strips have room for kc rows of NR.
            unsafe {
                let row = b.add(p * ldb);
                let mut j = 0;
                while j + NR <= nc {
                    std::ptr::copy_nonoverlapping(row.add(j), block.add(j * kc + p * NR), NR);
                    j += NR;
                }
                std::ptr::copy_nonoverlapping(row.add(j), block.add(j * kc + p * NR), nc - j);
            }
        }
    }

    /// Small products straight from memory, large ones through packed blocks.
    unsafe fn serial(job: Job) {
        if job.ldb == 1 {
            // SAFETY: forwarded from the caller.
            return unsafe { dots(job) };
        }
        if job.m * job.k * job.n <= DIRECT_EDGE.pow(3) {
            // SAFETY: forwarded from the caller.
            return unsafe { direct(job) };
        }
        let a_floats = (KC.min(job.k).next_multiple_of(16) + 16) * MC.min(job.m);
        let b_floats = (KC.min(job.k) * NC.min(job.n.next_multiple_of(NR))).next_multiple_of(16);
        // SAFETY: forwarded from the caller; the two buffers have the sizes that the packing needs.
        with_scratch(a_floats + b_floats, |scratch| unsafe {
            let (b_block, a_block) = scratch.split_at_mut(b_floats);
            packed(job, a_block.as_mut_ptr(), b_block.as_mut_ptr())
        });
    }
    /// The BLIS loop nest around the tile.
    #[target_feature(enable = "avx512f")]
    unsafe fn packed(job: Job, a_block: *mut f32, b_block: *mut f32) {
        // SAFETY: every block lies inside the job, every packed element inside its buffer.
        unsafe {
            // LOOP 5: columns of B and C, NC at a time.
            for (jc, nc) in strips(job.n, NC) {
                // LOOP 4: depth, KC at a time. Later turns go on from the sums that the first left in C.
                for (pc, kc) in cuts(job.k, KC) {
                    let first = pc == 0;
                    let b = job.b.add(pc * job.ldb + jc);
                    pack_b(b, job.ldb, kc, nc, b_block);
                    let (b, b_strip, ldb) = (b_block, kc, NR);
                    // LOOP 3: rows of A and C, MC at a time.
                    for (ic, mc) in cuts(job.m, MC) {
                        let c = job.c.add(ic * job.ldc + jc);
                        let a = job.a.add(ic * job.lda + pc);
                        let lda = kc.next_multiple_of(16) + 16;
                        pack_a(a, job.lda, mc, kc, lda, a_block);
                        let a = a_block;
                        // LOOP 2: tiles down the block; the rows of A stay in L1 while B streams past.
                        for (ir, rows) in cuts(mc, MR) {
                            // LOOP 1: tiles across the block.
                            for jr in (0..nc).step_by(NR) {
                                let cols = NR.min(nc - jr);
                                let (a, b) = (a.add(ir * lda), b.add(jr * b_strip));
                                let to = c.add(ir * job.ldc + jr);
                                tile(rows, cols, kc, a, lda, b, ldb, to, job.ldc, first);
                            }
                        }
                    }
                }
            }
        }
    }

    /// Copies mc rows of A, kc long, to rows `ld` apart: ld is odd in cache lines, so no two rows fight for one set.
    #[target_feature(enable = "avx512f")]
    unsafe fn pack_a(a: *const f32, lda: usize, mc: usize, kc: usize, ld: usize, block: *mut f32) {
        for i in 0..mc {
            // SAFETY: row i of A has kc elements here, row i of the block has room for ld >= kc.
            unsafe { std::ptr::copy_nonoverlapping(a.add(i * lda), block.add(i * ld), kc) };
        }
    }

    /// Without packing: tiles read A and B in place, over the whole depth, and write C once.
    #[target_feature(enable = "avx512f")]
    unsafe fn direct(job: Job) {
        for (i, rows) in cuts(job.m, MR) {
            for j in (0..job.n).step_by(NR) {
                let cols = NR.min(job.n - j);
                // SAFETY: the tile lies inside the job.
                unsafe {
                    let (a, b) = (job.a.add(i * job.lda), job.b.add(j));
                    let to = job.c.add(i * job.ldc + j);
                    tile(rows, cols, job.k, a, job.lda, b, job.ldb, to, job.ldc, true);
                }
            }
        }
    }

    /// A single column: B and C are vectors, and what streams is A. Dot products, four sums of vectors in flight.
    #[target_feature(enable = "avx512f")]
    unsafe fn dots(job: Job) {
        const STEP: usize = 4 * LANES;
        for i in 0..job.m {
            let mut sums = [zero(); 4];
            // SAFETY: row i of A and all of B have k elements; C has m.
            unsafe {
                let row = job.a.add(i * job.lda);
                let mut p = 0;
                while p + STEP <= job.k {
                    for (j, sum) in sums.iter_mut().enumerate() {
                        *sum = fma(load(row.add(p + j * LANES)), load(job.b.add(p + j * LANES)), *sum);
                    }
                    p += STEP;
                }
                while p + LANES <= job.k {
                    sums[0] = fma(load(row.add(p)), load(job.b.add(p)), sums[0]);
                    p += LANES;
                }
                if p < job.k {
                    let part = mask(job.k - p);
                    sums[1] = fma(load_part(row.add(p), part), load_part(job.b.add(p), part), sums[1]);
                }
                let mut lanes = [0.0f32; STEP];
                for (j, sum) in sums.into_iter().enumerate() {
                    store(lanes.as_mut_ptr().add(j * LANES), sum);
                }
                // The upper half onto the lower, until one is left.
                let mut half = STEP / 2;
                while half > 0 {
                    for lane in 0..half {
                        lanes[lane] += lanes[lane + half];
                    }
                    half /= 2;
                }
                *job.c.add(i * job.ldc) = lanes[0];
            }
        }
    }
    /// Picks the micro-kernel of exactly this many rows and vectors, so that no work is padding.
    #[inline]
    #[target_feature(enable = "avx512f")]
    #[allow(clippy::too_many_arguments)]
    unsafe fn tile(
        rows: usize,
        cols: usize,
        k: usize,
        a: *const f32,
        lda: usize,
        b: *const f32,
        ldb: usize,
        c: *mut f32,
        ldc: usize,
        first: bool,
    ) {
        let vectors = cols.div_ceil(LANES);
        // SAFETY: forwarded from the caller.
        unsafe {
            match (rows, vectors, cols % LANES) {
                (1, 1, 0) => micro::<1, 1, false>(k, a, lda, b, ldb, c, ldc, 0, first),
                (1, 1, tail) => micro::<1, 1, true>(k, a, lda, b, ldb, c, ldc, tail, first),
                (1, 2, 0) => micro::<1, 2, false>(k, a, lda, b, ldb, c, ldc, 0, first),
                (1, 2, tail) => micro::<1, 2, true>(k, a, lda, b, ldb, c, ldc, tail, first),
                (2, 1, 0) => micro::<2, 1, false>(k, a, lda, b, ldb, c, ldc, 0, first),
                (2, 1, tail) => micro::<2, 1, true>(k, a, lda, b, ldb, c, ldc, tail, first),
                (2, 2, 0) => micro::<2, 2, false>(k, a, lda, b, ldb, c, ldc, 0, first),
                (2, 2, tail) => micro::<2, 2, true>(k, a, lda, b, ldb, c, ldc, tail, first),
                (3, 1, 0) => micro::<3, 1, false>(k, a, lda, b, ldb, c, ldc, 0, first),
                (3, 1, tail) => micro::<3, 1, true>(k, a, lda, b, ldb, c, ldc, tail, first),
                (3, 2, 0) => micro::<3, 2, false>(k, a, lda, b, ldb, c, ldc, 0, first),
                (3, 2, tail) => micro::<3, 2, true>(k, a, lda, b, ldb, c, ldc, tail, first),
                (4, 1, 0) => micro::<4, 1, false>(k, a, lda, b, ldb, c, ldc, 0, first),
                (4, 1, tail) => micro::<4, 1, true>(k, a, lda, b, ldb, c, ldc, tail, first),
                (4, 2, 0) => micro::<4, 2, false>(k, a, lda, b, ldb, c, ldc, 0, first),
                (4, 2, tail) => micro::<4, 2, true>(k, a, lda, b, ldb, c, ldc, tail, first),
                (5, 1, 0) => micro::<5, 1, false>(k, a, lda, b, ldb, c, ldc, 0, first),
                (5, 1, tail) => micro::<5, 1, true>(k, a, lda, b, ldb, c, ldc, tail, first),
                (5, 2, 0) => micro::<5, 2, false>(k, a, lda, b, ldb, c, ldc, 0, first),
                (5, 2, tail) => micro::<5, 2, true>(k, a, lda, b, ldb, c, ldc, tail, first),
                (6, 1, 0) => micro::<6, 1, false>(k, a, lda, b, ldb, c, ldc, 0, first),
                (6, 1, tail) => micro::<6, 1, true>(k, a, lda, b, ldb, c, ldc, tail, first),
                (6, 2, 0) => micro::<6, 2, false>(k, a, lda, b, ldb, c, ldc, 0, first),
                (6, 2, tail) => micro::<6, 2, true>(k, a, lda, b, ldb, c, ldc, tail, first),
                (7, 1, 0) => micro::<7, 1, false>(k, a, lda, b, ldb, c, ldc, 0, first),
                (7, 1, tail) => micro::<7, 1, true>(k, a, lda, b, ldb, c, ldc, tail, first),
                (7, 2, 0) => micro::<7, 2, false>(k, a, lda, b, ldb, c, ldc, 0, first),
                (7, 2, tail) => micro::<7, 2, true>(k, a, lda, b, ldb, c, ldc, tail, first),
                (8, 1, 0) => micro::<8, 1, false>(k, a, lda, b, ldb, c, ldc, 0, first),
                (8, 1, tail) => micro::<8, 1, true>(k, a, lda, b, ldb, c, ldc, tail, first),
                (8, 2, 0) => micro::<8, 2, false>(k, a, lda, b, ldb, c, ldc, 0, first),
                (8, 2, tail) => micro::<8, 2, true>(k, a, lda, b, ldb, c, ldc, tail, first),
                (9, 1, 0) => micro::<9, 1, false>(k, a, lda, b, ldb, c, ldc, 0, first),
                (9, 1, tail) => micro::<9, 1, true>(k, a, lda, b, ldb, c, ldc, tail, first),
                (9, 2, 0) => micro::<9, 2, false>(k, a, lda, b, ldb, c, ldc, 0, first),
                (9, 2, tail) => micro::<9, 2, true>(k, a, lda, b, ldb, c, ldc, tail, first),
                (10, 1, 0) => micro::<10, 1, false>(k, a, lda, b, ldb, c, ldc, 0, first),
                (10, 1, tail) => micro::<10, 1, true>(k, a, lda, b, ldb, c, ldc, tail, first),
                (10, 2, 0) => micro::<10, 2, false>(k, a, lda, b, ldb, c, ldc, 0, first),
                (10, 2, tail) => micro::<10, 2, true>(k, a, lda, b, ldb, c, ldc, tail, first),
                (11, 1, 0) => micro::<11, 1, false>(k, a, lda, b, ldb, c, ldc, 0, first),
                (11, 1, tail) => micro::<11, 1, true>(k, a, lda, b, ldb, c, ldc, tail, first),
                (11, 2, 0) => micro::<11, 2, false>(k, a, lda, b, ldb, c, ldc, 0, first),
                (11, 2, tail) => micro::<11, 2, true>(k, a, lda, b, ldb, c, ldc, tail, first),
                (12, 1, 0) => micro::<12, 1, false>(k, a, lda, b, ldb, c, ldc, 0, first),
                (12, 1, tail) => micro::<12, 1, true>(k, a, lda, b, ldb, c, ldc, tail, first),
                (12, 2, 0) => micro::<12, 2, false>(k, a, lda, b, ldb, c, ldc, 0, first),
                (12, 2, tail) => micro::<12, 2, true>(k, a, lda, b, ldb, c, ldc, tail, first),
                _ => unreachable!("a tile has 1 to MR rows and 1 to NV vectors"),
            }
        }
    }

    /// The micro-kernel: ROWS x COLS vectors of C stay in registers while k runs.
    ///
    /// Each element of C is one chain of fused multiply-adds in the order of k, whatever the blocks and threads.
    /// RAGGED: only `tail` lanes of the last vector exist; the others are neither read nor written.
    #[target_feature(enable = "avx512f")]
    #[allow(clippy::too_many_arguments)]
    unsafe fn micro<const ROWS: usize, const COLS: usize, const RAGGED: bool>(
        k: usize,
        a: *const f32,
        lda: usize,
        b: *const f32,
        ldb: usize,
        c: *mut f32,
        ldc: usize,
        tail: usize,
        first: bool,
    ) {
        let part = mask(if RAGGED { tail } else { 0 });
        let (down, along) = (lda, 1);
        let mut sums = [[zero(); COLS]; ROWS];
        // SAFETY: the caller owns ROWS x k of A, k x COLS of B and ROWS x COLS of C, less the missing lanes.
        unsafe {
            for i in 0..ROWS {
                for j in 0..COLS {
                    _mm_prefetch::<_MM_HINT_T0>(c.wrapping_add(i * ldc + j * LANES).cast());
                }
            }
            if !first {
                for i in 0..ROWS {
                    for j in 0..COLS {
                        let from = c.add(i * ldc + j * LANES);
                        sums[i][j] = if RAGGED && j == COLS - 1 { load_part(from, part) } else { load(from) };
                    }
                }
            }
            let (mut a, mut b) = (a, b);
            macro_rules! step {
                () => {
                    let mut row = [zero(); COLS];
                    for j in 0..COLS {
                        let from = b.add(j * LANES);
                        row[j] = if RAGGED && j == COLS - 1 { load_part(from, part) } else { load(from) };
                    }
                    for i in 0..ROWS {
                        let x = splat(*a.add(i * down));
                        for j in 0..COLS {
                            sums[i][j] = pin(fma(x, row[j], sums[i][j]));
                        }
                    }
                    a = a.wrapping_add(along);
                    b = b.wrapping_add(ldb);
                };
            }
            for _ in 0..k / 4 {
                step!();
                step!();
                step!();
                step!();
            }
            for _ in 0..k % 4 {
                step!();
            }
            for i in 0..ROWS {
                for j in 0..COLS {
                    let to = c.add(i * ldc + j * LANES);
                    if RAGGED && j == COLS - 1 {
                        store_part(to, part, sums[i][j]);
                    } else {
                        store(to, sums[i][j]);
                    }
                }
            }
        }
    }
}
