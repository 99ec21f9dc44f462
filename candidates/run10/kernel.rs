//! packed_intrinsics avx2 by shape: small 6x16, few_rows 4x24, shallow 6x16, few_co
//!
//! C (m x n) = A (m x k) * B (k x n), row-major and contiguous, f32.
//! The code path is chosen by shape, by the first border that holds:
//! - small: products with m*k*n <= SMALL^3; tile 6x16, KC = 512.
//! - few_rows: C with at most FEW_ROWS rows; tile 4x24, KC = 192.
//! - shallow: A with at most SHALLOW columns; tile 6x16, KC = 512.
//! - few_columns: C with at most FEW_COLUMNS columns; tile 6x16, KC = 512.
//! - general: all other shapes; tile 6x16, KC = 512.
//!
//! few_rows: a step from the best schedule so far: most 128 -> 64
//!
//! Key: 2e318c8a51275eb8.

/// Border of the region `small`: products with m*k*n <= SMALL^3.
const SMALL: usize = 192;
/// Border of the region `few_rows`: C with at most FEW_ROWS rows.
const FEW_ROWS: usize = 64;
/// Border of the region `shallow`: A with at most SHALLOW columns.
const SHALLOW: usize = 64;
/// Border of the region `few_columns`: C with at most FEW_COLUMNS columns.
const FEW_COLUMNS: usize = 64;

/// Multiplies A (m x k) by B (k x n) into C (m x n). C is overwritten; its previous content is never read.
pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    if m * k * n <= SMALL.pow(3) {
        return small::matmul(m, k, n, a, b, c);
    }
    if m <= FEW_ROWS {
        return few_rows::matmul(m, k, n, a, b, c);
    }
    if k <= SHALLOW {
        return shallow::matmul(m, k, n, a, b, c);
    }
    if n <= FEW_COLUMNS {
        return small::matmul(m, k, n, a, b, c);
    }
    general::matmul(m, k, n, a, b, c)
}

mod small {
    //! The code path small.
    //!
    //! C (m x n) = A (m x k) * B (k x n), row-major and contiguous, f32.
    //! BLIS-style loops around a 6 x 16 register tile (2 vectors of 8 floats per row), one thread. A is
    //! read in place; B is packed a KC x NC block at a time. Nothing is packed if m*k*n <= 128^3.
    //!
    //! Schedule: family = packed_intrinsics, isa = avx2, mr = 6, nr = 16, kc = 512, mc = 48, nc = 2048,
    //! unroll = 8, resident = b, pack_a = none, pack_b = panel, prefetch_b = 0, prefetch_c = True,
    //! prefetch_next = False, edges = mask, direct_edge = 128, thin = True, threads = 1, scratch =
    //! thread_local.
    //! Key: 02ef14045b1658ef.

    /// Multiplies A (m x k) by B (k x n) into C (m x n). C is overwritten; its previous content is never read.
    pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
        // The SAFETY comments below rely on these lengths.
        assert!(a.len() >= m * k && b.len() >= k * n && c.len() >= m * n);
        if m == 0 || n == 0 {
            return;
        }
        if k == 0 {
            return c[..m * n].fill(0.0);
        }
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            let job = simd::Job::new(m, k, n, a, b, c);
            // SAFETY: the CPU has the features, and the job spans exactly the three slices.
            return unsafe { simd::run(job) };
        }
        portable(k, n, a, b, &mut c[..m * n]);
    }

    /// Fallback for CPUs without avx2,fma: each row of C is a sum of scaled rows of B, which rustc vectorises.
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

        /// One vector register.
        type Vector = __m256;

        #[inline]
        #[target_feature(enable = "avx2,fma")]
        fn zero() -> Vector {
            _mm256_setzero_ps()
        }

        #[inline]
        #[target_feature(enable = "avx2,fma")]
        fn splat(x: f32) -> Vector {
            _mm256_set1_ps(x)
        }

        #[inline]
        #[target_feature(enable = "avx2,fma")]
        fn fma(a: Vector, b: Vector, c: Vector) -> Vector {
            _mm256_fmadd_ps(a, b, c)
        }

        #[inline]
        #[target_feature(enable = "avx2,fma")]
        unsafe fn load(p: *const f32) -> Vector {
            // SAFETY: the pointer is valid for the lanes that are accessed.
            unsafe { _mm256_loadu_ps(p) }
        }

        #[inline]
        #[target_feature(enable = "avx2,fma")]
        unsafe fn store(p: *mut f32, v: Vector) {
            // SAFETY: the pointer is valid for the lanes that are accessed.
            unsafe { _mm256_storeu_ps(p, v) }
        }

        type Mask = __m256i;

        /// A mask that selects the first `count` lanes.
        #[inline]
        #[target_feature(enable = "avx2,fma")]
        fn mask(count: usize) -> Mask {
            let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            _mm256_cmpgt_epi32(_mm256_set1_epi32(count as i32), lanes)
        }

        /// Lanes outside the mask are zero; their memory is not accessed.
        #[inline]
        #[target_feature(enable = "avx2,fma")]
        unsafe fn load_part(p: *const f32, lanes: Mask) -> Vector {
            // SAFETY: the pointer is valid for the lanes that are accessed.
            unsafe { _mm256_maskload_ps(p, lanes) }
        }

        #[inline]
        #[target_feature(enable = "avx2,fma")]
        unsafe fn store_part(p: *mut f32, lanes: Mask, v: Vector) {
            // SAFETY: the pointer is valid for the lanes that are accessed.
            unsafe { _mm256_maskstore_ps(p, lanes, v) }
        }

        /// Returns `v` unchanged and emits no instruction. It forces `v` into a register at this point and keeps later loads
        /// after it. Without it the compiler hoists the loads of several k-steps and runs out of registers.
        #[inline]
        #[target_feature(enable = "avx2,fma")]
        fn pin(mut v: Vector) -> Vector {
            // SAFETY: the assembly is only a comment, which has no effect.
            unsafe { std::arch::asm!("/* {0} */", inout(ymm_reg) v, options(nostack, preserves_flags)) };
            v
        }

        /// Floats per vector register.
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

        /// Computes the whole product on the calling thread.
        pub unsafe fn run(job: Job) {
            // SAFETY: the caller upholds the contract of the called function.
            unsafe { serial(job) }
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
                let skip = buffer.as_ptr().align_offset(64);
                work(&mut buffer[skip..skip + floats])
            })
        }

        /// Packs a kc x nc block of B into strips of NR columns, which the micro-kernel reads contiguously.
        /// The strip at column j starts at j*kc. Columns beyond nc are never read.
        #[target_feature(enable = "avx2,fma")]
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

        /// One thread's share: products that are small, or no wider than a tile, without packing; large ones with packed
        /// blocks.
        unsafe fn serial(job: Job) {
            if job.ldb == 1 {
                // SAFETY: the caller upholds the contract of the called function.
                return unsafe { dots(job) };
            }
            // SAFETY: as above.
            if unsafe { thin(job) } {
                return;
            }
            if job.n <= NR || job.m * job.k * job.n <= DIRECT_EDGE.pow(3) {
                // SAFETY: the caller upholds the contract of the called function.
                return unsafe { direct(job) };
            }
            let a_floats = 0;
            let b_floats = (KC.min(job.k) * NC.min(job.n.next_multiple_of(NR))).next_multiple_of(16);
            // SAFETY: the caller guarantees the job; the two buffers are as large as the packed blocks.
            with_scratch(a_floats + b_floats, |scratch| unsafe {
                let (b_block, a_block) = scratch.split_at_mut(b_floats);
                packed(job, a_block.as_mut_ptr(), b_block.as_mut_ptr())
            });
        }
        /// The BLIS loop nest around the micro-kernel.
        #[target_feature(enable = "avx2,fma")]
        unsafe fn packed(job: Job, a_block: *mut f32, b_block: *mut f32) {
            // SAFETY: every block lies inside the job, every packed element inside its buffer.
            unsafe {
                // LOOP 5: columns of B and C, NC at a time.
                for (jc, nc) in strips(job.n, NC) {
                    // LOOP 4: depth, KC at a time. The first iteration stores to C, later ones add to it.
                    for (pc, kc) in cuts(job.k, KC) {
                        let first = pc == 0;
                        let b = job.b.add(pc * job.ldb + jc);
                        pack_b(b, job.ldb, kc, nc, b_block);
                        let (b, b_strip, ldb) = (b_block, kc, NR);
                        // LOOP 3: rows of A and C, MC at a time.
                        for (ic, mc) in cuts(job.m, MC) {
                            let c = job.c.add(ic * job.ldc + jc);
                            let a = job.a.add(ic * job.lda + pc);
                            let _ = a_block;
                            let lda = job.lda;
                            // LOOP 2: columns, NR at a time. The strip of B stays in L1 while A is streamed.
                            for jr in (0..nc).step_by(NR) {
                                // LOOP 1: rows, MR at a time.
                                for (ir, rows) in cuts(mc, MR) {
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

        /// The product without packing: the micro-kernel reads A and B in place over the full depth and writes C once.
        #[target_feature(enable = "avx2,fma")]
        unsafe fn direct(job: Job) {
            /// Elements of B above which each strip of columns is read once, from wherever it lies, and used by all rows.
            const LARGE_B: usize = 1 << 16;
            let by_tile = |i: usize, rows: usize, j: usize| {
                let cols = NR.min(job.n - j);
                // SAFETY: the tile lies inside the job.
                unsafe {
                    let (a, b) = (job.a.add(i * job.lda), job.b.add(j));
                    let to = job.c.add(i * job.ldc + j);
                    tile(rows, cols, job.k, a, job.lda, b, job.ldb, to, job.ldc, true);
                }
            };
            if job.k * job.n > LARGE_B {
                for j in (0..job.n).step_by(NR) {
                    cuts(job.m, MR).for_each(|(i, rows)| by_tile(i, rows, j));
                }
            } else {
                for (i, rows) in cuts(job.m, MR) {
                    (0..job.n).step_by(NR).for_each(|j| by_tile(i, rows, j));
                }
            }
        }

        /// Matrix times vector (n = 1): one dot product per row of A, with four independent vector accumulators.
        #[target_feature(enable = "avx2,fma")]
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
                    // Pairwise reduction: add the upper half to the lower half until one sum is left.
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

        /// With so few rows, B is streamed row by row instead of in tiles, once it has more than STREAMED elements.
        const STREAMED: usize = 1 << 16;

        /// Products with few rows, for which the register tile has too few FMAs in flight. Returns false for all others.
        #[target_feature(enable = "avx2,fma")]
        unsafe fn thin(job: Job) -> bool {
            if job.k * job.n <= STREAMED {
                return false;
            }
            // SAFETY: the caller upholds the contract of the called function.
            unsafe {
                match job.m {
                    1 => rows_by_matrix::<1, 8>(job),
                    2 => rows_by_matrix::<2, 4>(job),
                    3 => rows_by_matrix::<3, 4>(job),
                    _ => return false,
                }
            }
            true
        }

        /// ROWS rows of A times a large B: C stays in L1, a panel of columns at a time, while DEPTH rows of B pass by.
        #[target_feature(enable = "avx2,fma")]
        unsafe fn rows_by_matrix<const ROWS: usize, const DEPTH: usize>(job: Job) {
            const PANEL: usize = 2048;
            for j in (0..job.n).step_by(PANEL) {
                let cols = PANEL.min(job.n - j);
                let mut p = 0;
                // SAFETY: the panel lies inside the job.
                unsafe {
                    let (b, c) = (job.b.add(j), job.c.add(j));
                    while p + DEPTH <= job.k {
                        add_rows::<ROWS, DEPTH>(job, p, cols, b.add(p * job.ldb), c);
                        p += DEPTH;
                    }
                    while p < job.k {
                        add_rows::<ROWS, 1>(job, p, cols, b.add(p * job.ldb), c);
                        p += 1;
                    }
                }
            }
        }

        /// Adds DEPTH rows of B, each times its element of A, to ROWS rows of C; at p = 0 C is written, not read.
        #[target_feature(enable = "avx2,fma")]
        unsafe fn add_rows<const ROWS: usize, const DEPTH: usize>(
            job: Job,
            p: usize,
            cols: usize,
            b: *const f32,
            c: *mut f32,
        ) {
            // SAFETY: A has ROWS rows and DEPTH columns from p on; B and C have `cols` columns here.
            unsafe {
                let mut x = [[0.0f32; DEPTH]; ROWS];
                for i in 0..ROWS {
                    for q in 0..DEPTH {
                        x[i][q] = *job.a.add(i * job.lda + p + q);
                    }
                }
                let mut j = 0;
                while j + LANES <= cols {
                    let mut sums = [zero(); ROWS];
                    for i in 0..ROWS {
                        if p > 0 {
                            sums[i] = load(c.add(i * job.ldc + j));
                        }
                    }
                    for q in 0..DEPTH {
                        let y = load(b.add(q * job.ldb + j));
                        for i in 0..ROWS {
                            sums[i] = fma(splat(x[i][q]), y, sums[i]);
                        }
                    }
                    for i in 0..ROWS {
                        store(c.add(i * job.ldc + j), sums[i]);
                    }
                    j += LANES;
                }
                while j < cols {
                    for i in 0..ROWS {
                        let to = c.add(i * job.ldc + j);
                        let mut sum = if p > 0 { *to } else { 0.0 };
                        for q in 0..DEPTH {
                            sum = x[i][q].mul_add(*b.add(q * job.ldb + j), sum);
                        }
                        *to = sum;
                    }
                    j += 1;
                }
            }
        }

        /// Calls the micro-kernel for exactly this many rows and vectors; no padding is computed.
        #[inline]
        #[target_feature(enable = "avx2,fma")]
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
            // SAFETY: the caller upholds the contract of the called function.
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
                    _ => unreachable!("a tile has 1 to MR rows and 1 to NV vectors"),
                }
            }
        }

        /// The micro-kernel: accumulates ROWS x COLS vectors of C in registers over all k.
        ///
        /// Each element of C is one chain of FMAs in the order of k, for any block sizes and number of threads.
        /// RAGGED: only the first `tail` lanes of the last vector are read and written.
        #[target_feature(enable = "avx2,fma")]
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
            // SAFETY: the pointers are valid for ROWS x k of A, k x COLS vectors of B and ROWS x COLS vectors of C,
            // except for the lanes beyond the ragged edge.
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
                for _ in 0..k / 8 {
                    step!();
                    step!();
                    step!();
                    step!();
                    step!();
                    step!();
                    step!();
                    step!();
                }
                for _ in 0..k % 8 {
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
}

mod few_rows {
    //! The code path few_rows.
    //!
    //! C (m x n) = A (m x k) * B (k x n), row-major and contiguous, f32.
    //! BLIS-style loops around a 4 x 24 register tile (3 vectors of 8 floats per row), one thread. A is
    //! read in place; B is packed a KC x NC block at a time. Nothing is packed if m*k*n <= 64^3.
    //!
    //! Schedule: family = packed_intrinsics, isa = avx2, mr = 4, nr = 24, kc = 192, mc = 48, nc = 96,
    //! unroll = 8, resident = b, pack_a = none, pack_b = panel, prefetch_b = 0, prefetch_c = True,
    //! prefetch_next = True, edges = mask, direct_edge = 64, thin = True, threads = 1, scratch =
    //! thread_local.
    //! Key: 151e3eff082f862b.

    /// Multiplies A (m x k) by B (k x n) into C (m x n). C is overwritten; its previous content is never read.
    pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
        // The SAFETY comments below rely on these lengths.
        assert!(a.len() >= m * k && b.len() >= k * n && c.len() >= m * n);
        if m == 0 || n == 0 {
            return;
        }
        if k == 0 {
            return c[..m * n].fill(0.0);
        }
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            let job = simd::Job::new(m, k, n, a, b, c);
            // SAFETY: the CPU has the features, and the job spans exactly the three slices.
            return unsafe { simd::run(job) };
        }
        portable(k, n, a, b, &mut c[..m * n]);
    }

    /// Fallback for CPUs without avx2,fma: each row of C is a sum of scaled rows of B, which rustc vectorises.
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

        /// One vector register.
        type Vector = __m256;

        #[inline]
        #[target_feature(enable = "avx2,fma")]
        fn zero() -> Vector {
            _mm256_setzero_ps()
        }

        #[inline]
        #[target_feature(enable = "avx2,fma")]
        fn splat(x: f32) -> Vector {
            _mm256_set1_ps(x)
        }

        #[inline]
        #[target_feature(enable = "avx2,fma")]
        fn fma(a: Vector, b: Vector, c: Vector) -> Vector {
            _mm256_fmadd_ps(a, b, c)
        }

        #[inline]
        #[target_feature(enable = "avx2,fma")]
        unsafe fn load(p: *const f32) -> Vector {
            // SAFETY: the pointer is valid for the lanes that are accessed.
            unsafe { _mm256_loadu_ps(p) }
        }

        #[inline]
        #[target_feature(enable = "avx2,fma")]
        unsafe fn store(p: *mut f32, v: Vector) {
            // SAFETY: the pointer is valid for the lanes that are accessed.
            unsafe { _mm256_storeu_ps(p, v) }
        }

        type Mask = __m256i;

        /// A mask that selects the first `count` lanes.
        #[inline]
        #[target_feature(enable = "avx2,fma")]
        fn mask(count: usize) -> Mask {
            let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            _mm256_cmpgt_epi32(_mm256_set1_epi32(count as i32), lanes)
        }

        /// Lanes outside the mask are zero; their memory is not accessed.
        #[inline]
        #[target_feature(enable = "avx2,fma")]
        unsafe fn load_part(p: *const f32, lanes: Mask) -> Vector {
            // SAFETY: the pointer is valid for the lanes that are accessed.
            unsafe { _mm256_maskload_ps(p, lanes) }
        }

        #[inline]
        #[target_feature(enable = "avx2,fma")]
        unsafe fn store_part(p: *mut f32, lanes: Mask, v: Vector) {
            // SAFETY: the pointer is valid for the lanes that are accessed.
            unsafe { _mm256_maskstore_ps(p, lanes, v) }
        }

        /// Returns `v` unchanged and emits no instruction. It forces `v` into a register at this point and keeps later loads
        /// after it. Without it the compiler hoists the loads of several k-steps and runs out of registers.
        #[inline]
        #[target_feature(enable = "avx2,fma")]
        fn pin(mut v: Vector) -> Vector {
            // SAFETY: the assembly is only a comment, which has no effect.
            unsafe { std::arch::asm!("/* {0} */", inout(ymm_reg) v, options(nostack, preserves_flags)) };
            v
        }

        /// Floats per vector register.
        const LANES: usize = 8;
        /// The register tile: MR rows of C by NR columns, which are NV vectors.
        const MR: usize = 4;
        const NV: usize = 3;
        const NR: usize = NV * LANES;
        /// Cache blocks in elements: KC is depth, MC rows (a multiple of MR), NC columns (a multiple of NR).
        const KC: usize = 192;
        const MC: usize = 48;
        const NC: usize = 96;
        /// No packing while m*k*n <= DIRECT_EDGE^3: it would cost more than it saves.
        const DIRECT_EDGE: usize = 64;

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

        /// Computes the whole product on the calling thread.
        pub unsafe fn run(job: Job) {
            // SAFETY: the caller upholds the contract of the called function.
            unsafe { serial(job) }
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
                let skip = buffer.as_ptr().align_offset(64);
                work(&mut buffer[skip..skip + floats])
            })
        }

        /// Packs a kc x nc block of B into strips of NR columns, which the micro-kernel reads contiguously.
        /// The strip at column j starts at j*kc. Columns beyond nc are never read.
        #[target_feature(enable = "avx2,fma")]
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

        /// One thread's share: products that are small, or no wider than a tile, without packing; large ones with packed
        /// blocks.
        unsafe fn serial(job: Job) {
            if job.ldb == 1 {
                // SAFETY: the caller upholds the contract of the called function.
                return unsafe { dots(job) };
            }
            // SAFETY: as above.
            if unsafe { thin(job) } {
                return;
            }
            if job.n <= NR || job.m * job.k * job.n <= DIRECT_EDGE.pow(3) {
                // SAFETY: the caller upholds the contract of the called function.
                return unsafe { direct(job) };
            }
            let a_floats = 0;
            let b_floats = (KC.min(job.k) * NC.min(job.n.next_multiple_of(NR))).next_multiple_of(16);
            // SAFETY: the caller guarantees the job; the two buffers are as large as the packed blocks.
            with_scratch(a_floats + b_floats, |scratch| unsafe {
                let (b_block, a_block) = scratch.split_at_mut(b_floats);
                packed(job, a_block.as_mut_ptr(), b_block.as_mut_ptr())
            });
        }
        /// The BLIS loop nest around the micro-kernel.
        #[target_feature(enable = "avx2,fma")]
        unsafe fn packed(job: Job, a_block: *mut f32, b_block: *mut f32) {
            // SAFETY: every block lies inside the job, every packed element inside its buffer.
            unsafe {
                // LOOP 5: columns of B and C, NC at a time.
                for (jc, nc) in strips(job.n, NC) {
                    // LOOP 4: depth, KC at a time. The first iteration stores to C, later ones add to it.
                    for (pc, kc) in cuts(job.k, KC) {
                        let first = pc == 0;
                        let b = job.b.add(pc * job.ldb + jc);
                        // The block of B after this one; some of its rows are prefetched before each tile.
                        let next = if pc + kc < job.k { b.wrapping_add(kc * job.ldb) } else { job.b.wrapping_add(jc + nc) };
                        let share = kc.div_ceil(MC.min(job.m).div_ceil(MR) * nc.div_ceil(NR));
                        let mut ahead = 0;
                        pack_b(b, job.ldb, kc, nc, b_block);
                        let (b, b_strip, ldb) = (b_block, kc, NR);
                        // LOOP 3: rows of A and C, MC at a time.
                        for (ic, mc) in cuts(job.m, MC) {
                            let c = job.c.add(ic * job.ldc + jc);
                            let a = job.a.add(ic * job.lda + pc);
                            let _ = a_block;
                            let lda = job.lda;
                            // LOOP 2: columns, NR at a time. The strip of B stays in L1 while A is streamed.
                            for jr in (0..nc).step_by(NR) {
                                // LOOP 1: rows, MR at a time.
                                for (ir, rows) in cuts(mc, MR) {
                                    prefetch_rows(next, job.ldb, ahead..kc.min(ahead + share), nc);
                                    ahead += share;
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

        /// Asks for `cols` columns of these rows of B, so that they are in L2 when they are packed.
        #[inline]
        #[target_feature(enable = "avx2,fma")]
        fn prefetch_rows(b: *const f32, ldb: usize, rows: std::ops::Range<usize>, cols: usize) {
            for p in rows {
                for j in (0..cols).step_by(16) {
                    _mm_prefetch::<_MM_HINT_T1>(b.wrapping_add(p * ldb + j).cast());
                }
            }
        }

        /// The product without packing: the micro-kernel reads A and B in place over the full depth and writes C once.
        #[target_feature(enable = "avx2,fma")]
        unsafe fn direct(job: Job) {
            /// Elements of B above which each strip of columns is read once, from wherever it lies, and used by all rows.
            const LARGE_B: usize = 1 << 16;
            let by_tile = |i: usize, rows: usize, j: usize| {
                let cols = NR.min(job.n - j);
                // SAFETY: the tile lies inside the job.
                unsafe {
                    let (a, b) = (job.a.add(i * job.lda), job.b.add(j));
                    let to = job.c.add(i * job.ldc + j);
                    tile(rows, cols, job.k, a, job.lda, b, job.ldb, to, job.ldc, true);
                }
            };
            if job.k * job.n > LARGE_B {
                for j in (0..job.n).step_by(NR) {
                    cuts(job.m, MR).for_each(|(i, rows)| by_tile(i, rows, j));
                }
            } else {
                for (i, rows) in cuts(job.m, MR) {
                    (0..job.n).step_by(NR).for_each(|j| by_tile(i, rows, j));
                }
            }
        }

        /// Matrix times vector (n = 1): one dot product per row of A, with four independent vector accumulators.
        #[target_feature(enable = "avx2,fma")]
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
                    // Pairwise reduction: add the upper half to the lower half until one sum is left.
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

        /// With so few rows, B is streamed row by row instead of in tiles, once it has more than STREAMED elements.
        const STREAMED: usize = 1 << 16;

        /// Products with few rows, for which the register tile has too few FMAs in flight. Returns false for all others.
        #[target_feature(enable = "avx2,fma")]
        unsafe fn thin(job: Job) -> bool {
            if job.k * job.n <= STREAMED {
                return false;
            }
            // SAFETY: the caller upholds the contract of the called function.
            unsafe {
                match job.m {
                    1 => rows_by_matrix::<1, 8>(job),
                    2 => rows_by_matrix::<2, 4>(job),
                    3 => rows_by_matrix::<3, 4>(job),
                    _ => return false,
                }
            }
            true
        }

        /// ROWS rows of A times a large B: C stays in L1, a panel of columns at a time, while DEPTH rows of B pass by.
        #[target_feature(enable = "avx2,fma")]
        unsafe fn rows_by_matrix<const ROWS: usize, const DEPTH: usize>(job: Job) {
            const PANEL: usize = 2048;
            for j in (0..job.n).step_by(PANEL) {
                let cols = PANEL.min(job.n - j);
                let mut p = 0;
                // SAFETY: the panel lies inside the job.
                unsafe {
                    let (b, c) = (job.b.add(j), job.c.add(j));
                    while p + DEPTH <= job.k {
                        add_rows::<ROWS, DEPTH>(job, p, cols, b.add(p * job.ldb), c);
                        p += DEPTH;
                    }
                    while p < job.k {
                        add_rows::<ROWS, 1>(job, p, cols, b.add(p * job.ldb), c);
                        p += 1;
                    }
                }
            }
        }

        /// Adds DEPTH rows of B, each times its element of A, to ROWS rows of C; at p = 0 C is written, not read.
        #[target_feature(enable = "avx2,fma")]
        unsafe fn add_rows<const ROWS: usize, const DEPTH: usize>(
            job: Job,
            p: usize,
            cols: usize,
            b: *const f32,
            c: *mut f32,
        ) {
            // SAFETY: A has ROWS rows and DEPTH columns from p on; B and C have `cols` columns here.
            unsafe {
                let mut x = [[0.0f32; DEPTH]; ROWS];
                for i in 0..ROWS {
                    for q in 0..DEPTH {
                        x[i][q] = *job.a.add(i * job.lda + p + q);
                    }
                }
                let mut j = 0;
                while j + LANES <= cols {
                    let mut sums = [zero(); ROWS];
                    for i in 0..ROWS {
                        if p > 0 {
                            sums[i] = load(c.add(i * job.ldc + j));
                        }
                    }
                    for q in 0..DEPTH {
                        let y = load(b.add(q * job.ldb + j));
                        for i in 0..ROWS {
                            sums[i] = fma(splat(x[i][q]), y, sums[i]);
                        }
                    }
                    for i in 0..ROWS {
                        store(c.add(i * job.ldc + j), sums[i]);
                    }
                    j += LANES;
                }
                while j < cols {
                    for i in 0..ROWS {
                        let to = c.add(i * job.ldc + j);
                        let mut sum = if p > 0 { *to } else { 0.0 };
                        for q in 0..DEPTH {
                            sum = x[i][q].mul_add(*b.add(q * job.ldb + j), sum);
                        }
                        *to = sum;
                    }
                    j += 1;
                }
            }
        }

        /// Calls the micro-kernel for exactly this many rows and vectors; no padding is computed.
        #[inline]
        #[target_feature(enable = "avx2,fma")]
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
            // SAFETY: the caller upholds the contract of the called function.
            unsafe {
                match (rows, vectors, cols % LANES) {
                    (1, 1, 0) => micro::<1, 1, false>(k, a, lda, b, ldb, c, ldc, 0, first),
                    (1, 1, tail) => micro::<1, 1, true>(k, a, lda, b, ldb, c, ldc, tail, first),
                    (1, 2, 0) => micro::<1, 2, false>(k, a, lda, b, ldb, c, ldc, 0, first),
                    (1, 2, tail) => micro::<1, 2, true>(k, a, lda, b, ldb, c, ldc, tail, first),
                    (1, 3, 0) => micro::<1, 3, false>(k, a, lda, b, ldb, c, ldc, 0, first),
                    (1, 3, tail) => micro::<1, 3, true>(k, a, lda, b, ldb, c, ldc, tail, first),
                    (2, 1, 0) => micro::<2, 1, false>(k, a, lda, b, ldb, c, ldc, 0, first),
                    (2, 1, tail) => micro::<2, 1, true>(k, a, lda, b, ldb, c, ldc, tail, first),
                    (2, 2, 0) => micro::<2, 2, false>(k, a, lda, b, ldb, c, ldc, 0, first),
                    (2, 2, tail) => micro::<2, 2, true>(k, a, lda, b, ldb, c, ldc, tail, first),
                    (2, 3, 0) => micro::<2, 3, false>(k, a, lda, b, ldb, c, ldc, 0, first),
                    (2, 3, tail) => micro::<2, 3, true>(k, a, lda, b, ldb, c, ldc, tail, first),
                    (3, 1, 0) => micro::<3, 1, false>(k, a, lda, b, ldb, c, ldc, 0, first),
                    (3, 1, tail) => micro::<3, 1, true>(k, a, lda, b, ldb, c, ldc, tail, first),
                    (3, 2, 0) => micro::<3, 2, false>(k, a, lda, b, ldb, c, ldc, 0, first),
                    (3, 2, tail) => micro::<3, 2, true>(k, a, lda, b, ldb, c, ldc, tail, first),
                    (3, 3, 0) => micro::<3, 3, false>(k, a, lda, b, ldb, c, ldc, 0, first),
                    (3, 3, tail) => micro::<3, 3, true>(k, a, lda, b, ldb, c, ldc, tail, first),
                    (4, 1, 0) => micro::<4, 1, false>(k, a, lda, b, ldb, c, ldc, 0, first),
                    (4, 1, tail) => micro::<4, 1, true>(k, a, lda, b, ldb, c, ldc, tail, first),
                    (4, 2, 0) => micro::<4, 2, false>(k, a, lda, b, ldb, c, ldc, 0, first),
                    (4, 2, tail) => micro::<4, 2, true>(k, a, lda, b, ldb, c, ldc, tail, first),
                    (4, 3, 0) => micro::<4, 3, false>(k, a, lda, b, ldb, c, ldc, 0, first),
                    (4, 3, tail) => micro::<4, 3, true>(k, a, lda, b, ldb, c, ldc, tail, first),
                    _ => unreachable!("a tile has 1 to MR rows and 1 to NV vectors"),
                }
            }
        }

        /// The micro-kernel: accumulates ROWS x COLS vectors of C in registers over all k.
        ///
        /// Each element of C is one chain of FMAs in the order of k, for any block sizes and number of threads.
        /// RAGGED: only the first `tail` lanes of the last vector are read and written.
        #[target_feature(enable = "avx2,fma")]
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
            // SAFETY: the pointers are valid for ROWS x k of A, k x COLS vectors of B and ROWS x COLS vectors of C,
            // except for the lanes beyond the ragged edge.
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
                for _ in 0..k / 8 {
                    step!();
                    step!();
                    step!();
                    step!();
                    step!();
                    step!();
                    step!();
                    step!();
                }
                for _ in 0..k % 8 {
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
}

mod shallow {
    //! The code path shallow.
    //!
    //! C (m x n) = A (m x k) * B (k x n), row-major and contiguous, f32.
    //! BLIS-style loops around a 6 x 16 register tile (2 vectors of 8 floats per row), one thread. A is
    //! read in place; B is packed a KC x NC block at a time. Nothing is packed if m*k*n <= 128^3.
    //!
    //! Schedule: family = packed_intrinsics, isa = avx2, mr = 6, nr = 16, kc = 512, mc = 48, nc = 2048,
    //! unroll = 8, resident = a, pack_a = none, pack_b = panel, prefetch_b = 0, prefetch_c = True,
    //! prefetch_next = False, edges = mask, direct_edge = 128, thin = True, threads = 1, scratch =
    //! thread_local.
    //! Key: cb3682b8f3190256.

    /// Multiplies A (m x k) by B (k x n) into C (m x n). C is overwritten; its previous content is never read.
    pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
        // The SAFETY comments below rely on these lengths.
        assert!(a.len() >= m * k && b.len() >= k * n && c.len() >= m * n);
        if m == 0 || n == 0 {
            return;
        }
        if k == 0 {
            return c[..m * n].fill(0.0);
        }
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            let job = simd::Job::new(m, k, n, a, b, c);
            // SAFETY: the CPU has the features, and the job spans exactly the three slices.
            return unsafe { simd::run(job) };
        }
        portable(k, n, a, b, &mut c[..m * n]);
    }

    /// Fallback for CPUs without avx2,fma: each row of C is a sum of scaled rows of B, which rustc vectorises.
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

        /// One vector register.
        type Vector = __m256;

        #[inline]
        #[target_feature(enable = "avx2,fma")]
        fn zero() -> Vector {
            _mm256_setzero_ps()
        }

        #[inline]
        #[target_feature(enable = "avx2,fma")]
        fn splat(x: f32) -> Vector {
            _mm256_set1_ps(x)
        }

        #[inline]
        #[target_feature(enable = "avx2,fma")]
        fn fma(a: Vector, b: Vector, c: Vector) -> Vector {
            _mm256_fmadd_ps(a, b, c)
        }

        #[inline]
        #[target_feature(enable = "avx2,fma")]
        unsafe fn load(p: *const f32) -> Vector {
            // SAFETY: the pointer is valid for the lanes that are accessed.
            unsafe { _mm256_loadu_ps(p) }
        }

        #[inline]
        #[target_feature(enable = "avx2,fma")]
        unsafe fn store(p: *mut f32, v: Vector) {
            // SAFETY: the pointer is valid for the lanes that are accessed.
            unsafe { _mm256_storeu_ps(p, v) }
        }

        type Mask = __m256i;

        /// A mask that selects the first `count` lanes.
        #[inline]
        #[target_feature(enable = "avx2,fma")]
        fn mask(count: usize) -> Mask {
            let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            _mm256_cmpgt_epi32(_mm256_set1_epi32(count as i32), lanes)
        }

        /// Lanes outside the mask are zero; their memory is not accessed.
        #[inline]
        #[target_feature(enable = "avx2,fma")]
        unsafe fn load_part(p: *const f32, lanes: Mask) -> Vector {
            // SAFETY: the pointer is valid for the lanes that are accessed.
            unsafe { _mm256_maskload_ps(p, lanes) }
        }

        #[inline]
        #[target_feature(enable = "avx2,fma")]
        unsafe fn store_part(p: *mut f32, lanes: Mask, v: Vector) {
            // SAFETY: the pointer is valid for the lanes that are accessed.
            unsafe { _mm256_maskstore_ps(p, lanes, v) }
        }

        /// Returns `v` unchanged and emits no instruction. It forces `v` into a register at this point and keeps later loads
        /// after it. Without it the compiler hoists the loads of several k-steps and runs out of registers.
        #[inline]
        #[target_feature(enable = "avx2,fma")]
        fn pin(mut v: Vector) -> Vector {
            // SAFETY: the assembly is only a comment, which has no effect.
            unsafe { std::arch::asm!("/* {0} */", inout(ymm_reg) v, options(nostack, preserves_flags)) };
            v
        }

        /// Floats per vector register.
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

        /// Computes the whole product on the calling thread.
        pub unsafe fn run(job: Job) {
            // SAFETY: the caller upholds the contract of the called function.
            unsafe { serial(job) }
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
                let skip = buffer.as_ptr().align_offset(64);
                work(&mut buffer[skip..skip + floats])
            })
        }

        /// Packs a kc x nc block of B into strips of NR columns, which the micro-kernel reads contiguously.
        /// The strip at column j starts at j*kc. Columns beyond nc are never read.
        #[target_feature(enable = "avx2,fma")]
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

        /// One thread's share: products that are small, or no wider than a tile, without packing; large ones with packed
        /// blocks.
        unsafe fn serial(job: Job) {
            if job.ldb == 1 {
                // SAFETY: the caller upholds the contract of the called function.
                return unsafe { dots(job) };
            }
            // SAFETY: as above.
            if unsafe { thin(job) } {
                return;
            }
            if job.n <= NR || job.m * job.k * job.n <= DIRECT_EDGE.pow(3) {
                // SAFETY: the caller upholds the contract of the called function.
                return unsafe { direct(job) };
            }
            let a_floats = 0;
            let b_floats = (KC.min(job.k) * NC.min(job.n.next_multiple_of(NR))).next_multiple_of(16);
            // SAFETY: the caller guarantees the job; the two buffers are as large as the packed blocks.
            with_scratch(a_floats + b_floats, |scratch| unsafe {
                let (b_block, a_block) = scratch.split_at_mut(b_floats);
                packed(job, a_block.as_mut_ptr(), b_block.as_mut_ptr())
            });
        }
        /// The BLIS loop nest around the micro-kernel.
        #[target_feature(enable = "avx2,fma")]
        unsafe fn packed(job: Job, a_block: *mut f32, b_block: *mut f32) {
            // SAFETY: every block lies inside the job, every packed element inside its buffer.
            unsafe {
                // LOOP 5: columns of B and C, NC at a time.
                for (jc, nc) in strips(job.n, NC) {
                    // LOOP 4: depth, KC at a time. The first iteration stores to C, later ones add to it.
                    for (pc, kc) in cuts(job.k, KC) {
                        let first = pc == 0;
                        let b = job.b.add(pc * job.ldb + jc);
                        pack_b(b, job.ldb, kc, nc, b_block);
                        let (b, b_strip, ldb) = (b_block, kc, NR);
                        // LOOP 3: rows of A and C, MC at a time.
                        for (ic, mc) in cuts(job.m, MC) {
                            let c = job.c.add(ic * job.ldc + jc);
                            let a = job.a.add(ic * job.lda + pc);
                            let _ = a_block;
                            let lda = job.lda;
                            // LOOP 2: rows, MR at a time. The micro-panel of A stays in L1 while B is streamed.
                            for (ir, rows) in cuts(mc, MR) {
                                // LOOP 1: columns, NR at a time.
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

        /// The product without packing: the micro-kernel reads A and B in place over the full depth and writes C once.
        #[target_feature(enable = "avx2,fma")]
        unsafe fn direct(job: Job) {
            let by_tile = |i: usize, rows: usize, j: usize| {
                let cols = NR.min(job.n - j);
                // SAFETY: the tile lies inside the job.
                unsafe {
                    let (a, b) = (job.a.add(i * job.lda), job.b.add(j));
                    let to = job.c.add(i * job.ldc + j);
                    tile(rows, cols, job.k, a, job.lda, b, job.ldb, to, job.ldc, true);
                }
            };
            for (i, rows) in cuts(job.m, MR) {
                (0..job.n).step_by(NR).for_each(|j| by_tile(i, rows, j));
            }
        }

        /// Matrix times vector (n = 1): one dot product per row of A, with four independent vector accumulators.
        #[target_feature(enable = "avx2,fma")]
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
                    // Pairwise reduction: add the upper half to the lower half until one sum is left.
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

        /// With so few rows, B is streamed row by row instead of in tiles, once it has more than STREAMED elements.
        const STREAMED: usize = 1 << 16;

        /// Products with few rows, for which the register tile has too few FMAs in flight. Returns false for all others.
        #[target_feature(enable = "avx2,fma")]
        unsafe fn thin(job: Job) -> bool {
            if job.k * job.n <= STREAMED {
                return false;
            }
            // SAFETY: the caller upholds the contract of the called function.
            unsafe {
                match job.m {
                    1 => rows_by_matrix::<1, 8>(job),
                    2 => rows_by_matrix::<2, 4>(job),
                    3 => rows_by_matrix::<3, 4>(job),
                    _ => return false,
                }
            }
            true
        }

        /// ROWS rows of A times a large B: C stays in L1, a panel of columns at a time, while DEPTH rows of B pass by.
        #[target_feature(enable = "avx2,fma")]
        unsafe fn rows_by_matrix<const ROWS: usize, const DEPTH: usize>(job: Job) {
            const PANEL: usize = 2048;
            for j in (0..job.n).step_by(PANEL) {
                let cols = PANEL.min(job.n - j);
                let mut p = 0;
                // SAFETY: the panel lies inside the job.
                unsafe {
                    let (b, c) = (job.b.add(j), job.c.add(j));
                    while p + DEPTH <= job.k {
                        add_rows::<ROWS, DEPTH>(job, p, cols, b.add(p * job.ldb), c);
                        p += DEPTH;
                    }
                    while p < job.k {
                        add_rows::<ROWS, 1>(job, p, cols, b.add(p * job.ldb), c);
                        p += 1;
                    }
                }
            }
        }

        /// Adds DEPTH rows of B, each times its element of A, to ROWS rows of C; at p = 0 C is written, not read.
        #[target_feature(enable = "avx2,fma")]
        unsafe fn add_rows<const ROWS: usize, const DEPTH: usize>(
            job: Job,
            p: usize,
            cols: usize,
            b: *const f32,
            c: *mut f32,
        ) {
            // SAFETY: A has ROWS rows and DEPTH columns from p on; B and C have `cols` columns here.
            unsafe {
                let mut x = [[0.0f32; DEPTH]; ROWS];
                for i in 0..ROWS {
                    for q in 0..DEPTH {
                        x[i][q] = *job.a.add(i * job.lda + p + q);
                    }
                }
                let mut j = 0;
                while j + LANES <= cols {
                    let mut sums = [zero(); ROWS];
                    for i in 0..ROWS {
                        if p > 0 {
                            sums[i] = load(c.add(i * job.ldc + j));
                        }
                    }
                    for q in 0..DEPTH {
                        let y = load(b.add(q * job.ldb + j));
                        for i in 0..ROWS {
                            sums[i] = fma(splat(x[i][q]), y, sums[i]);
                        }
                    }
                    for i in 0..ROWS {
                        store(c.add(i * job.ldc + j), sums[i]);
                    }
                    j += LANES;
                }
                while j < cols {
                    for i in 0..ROWS {
                        let to = c.add(i * job.ldc + j);
                        let mut sum = if p > 0 { *to } else { 0.0 };
                        for q in 0..DEPTH {
                            sum = x[i][q].mul_add(*b.add(q * job.ldb + j), sum);
                        }
                        *to = sum;
                    }
                    j += 1;
                }
            }
        }

        /// Calls the micro-kernel for exactly this many rows and vectors; no padding is computed.
        #[inline]
        #[target_feature(enable = "avx2,fma")]
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
            // SAFETY: the caller upholds the contract of the called function.
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
                    _ => unreachable!("a tile has 1 to MR rows and 1 to NV vectors"),
                }
            }
        }

        /// The micro-kernel: accumulates ROWS x COLS vectors of C in registers over all k.
        ///
        /// Each element of C is one chain of FMAs in the order of k, for any block sizes and number of threads.
        /// RAGGED: only the first `tail` lanes of the last vector are read and written.
        #[target_feature(enable = "avx2,fma")]
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
            // SAFETY: the pointers are valid for ROWS x k of A, k x COLS vectors of B and ROWS x COLS vectors of C,
            // except for the lanes beyond the ragged edge.
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
                for _ in 0..k / 8 {
                    step!();
                    step!();
                    step!();
                    step!();
                    step!();
                    step!();
                    step!();
                    step!();
                }
                for _ in 0..k % 8 {
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
}

mod general {
    //! The code path general.
    //!
    //! C (m x n) = A (m x k) * B (k x n), row-major and contiguous, f32.
    //! BLIS-style loops around a 6 x 16 register tile (2 vectors of 8 floats per row), one thread. A is
    //! read in place; B is packed a KC x NC block at a time. Nothing is packed if m*k*n <= 128^3.
    //!
    //! Schedule: family = packed_intrinsics, isa = avx2, mr = 6, nr = 16, kc = 512, mc = 48, nc = 1024,
    //! unroll = 8, resident = b, pack_a = none, pack_b = panel, prefetch_b = 0, prefetch_c = True,
    //! prefetch_next = False, edges = mask, direct_edge = 128, thin = True, threads = 1, scratch =
    //! thread_local.
    //! Key: be96393e76e161df.

    /// Multiplies A (m x k) by B (k x n) into C (m x n). C is overwritten; its previous content is never read.
    pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
        // The SAFETY comments below rely on these lengths.
        assert!(a.len() >= m * k && b.len() >= k * n && c.len() >= m * n);
        if m == 0 || n == 0 {
            return;
        }
        if k == 0 {
            return c[..m * n].fill(0.0);
        }
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            let job = simd::Job::new(m, k, n, a, b, c);
            // SAFETY: the CPU has the features, and the job spans exactly the three slices.
            return unsafe { simd::run(job) };
        }
        portable(k, n, a, b, &mut c[..m * n]);
    }

    /// Fallback for CPUs without avx2,fma: each row of C is a sum of scaled rows of B, which rustc vectorises.
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

        /// One vector register.
        type Vector = __m256;

        #[inline]
        #[target_feature(enable = "avx2,fma")]
        fn zero() -> Vector {
            _mm256_setzero_ps()
        }

        #[inline]
        #[target_feature(enable = "avx2,fma")]
        fn splat(x: f32) -> Vector {
            _mm256_set1_ps(x)
        }

        #[inline]
        #[target_feature(enable = "avx2,fma")]
        fn fma(a: Vector, b: Vector, c: Vector) -> Vector {
            _mm256_fmadd_ps(a, b, c)
        }

        #[inline]
        #[target_feature(enable = "avx2,fma")]
        unsafe fn load(p: *const f32) -> Vector {
            // SAFETY: the pointer is valid for the lanes that are accessed.
            unsafe { _mm256_loadu_ps(p) }
        }

        #[inline]
        #[target_feature(enable = "avx2,fma")]
        unsafe fn store(p: *mut f32, v: Vector) {
            // SAFETY: the pointer is valid for the lanes that are accessed.
            unsafe { _mm256_storeu_ps(p, v) }
        }

        type Mask = __m256i;

        /// A mask that selects the first `count` lanes.
        #[inline]
        #[target_feature(enable = "avx2,fma")]
        fn mask(count: usize) -> Mask {
            let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            _mm256_cmpgt_epi32(_mm256_set1_epi32(count as i32), lanes)
        }

        /// Lanes outside the mask are zero; their memory is not accessed.
        #[inline]
        #[target_feature(enable = "avx2,fma")]
        unsafe fn load_part(p: *const f32, lanes: Mask) -> Vector {
            // SAFETY: the pointer is valid for the lanes that are accessed.
            unsafe { _mm256_maskload_ps(p, lanes) }
        }

        #[inline]
        #[target_feature(enable = "avx2,fma")]
        unsafe fn store_part(p: *mut f32, lanes: Mask, v: Vector) {
            // SAFETY: the pointer is valid for the lanes that are accessed.
            unsafe { _mm256_maskstore_ps(p, lanes, v) }
        }

        /// Returns `v` unchanged and emits no instruction. It forces `v` into a register at this point and keeps later loads
        /// after it. Without it the compiler hoists the loads of several k-steps and runs out of registers.
        #[inline]
        #[target_feature(enable = "avx2,fma")]
        fn pin(mut v: Vector) -> Vector {
            // SAFETY: the assembly is only a comment, which has no effect.
            unsafe { std::arch::asm!("/* {0} */", inout(ymm_reg) v, options(nostack, preserves_flags)) };
            v
        }

        /// Floats per vector register.
        const LANES: usize = 8;
        /// The register tile: MR rows of C by NR columns, which are NV vectors.
        const MR: usize = 6;
        const NV: usize = 2;
        const NR: usize = NV * LANES;
        /// Cache blocks in elements: KC is depth, MC rows (a multiple of MR), NC columns (a multiple of NR).
        const KC: usize = 512;
        const MC: usize = 48;
        const NC: usize = 1024;
        /// No packing while m*k*n <= DIRECT_EDGE^3: it would cost more than it saves.
        const DIRECT_EDGE: usize = 128;

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

        /// Computes the whole product on the calling thread.
        pub unsafe fn run(job: Job) {
            // SAFETY: the caller upholds the contract of the called function.
            unsafe { serial(job) }
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
                let skip = buffer.as_ptr().align_offset(64);
                work(&mut buffer[skip..skip + floats])
            })
        }

        /// Packs a kc x nc block of B into strips of NR columns, which the micro-kernel reads contiguously.
        /// The strip at column j starts at j*kc. Columns beyond nc are never read.
        #[target_feature(enable = "avx2,fma")]
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

        /// One thread's share: products that are small, or no wider than a tile, without packing; large ones with packed
        /// blocks.
        unsafe fn serial(job: Job) {
            if job.ldb == 1 {
                // SAFETY: the caller upholds the contract of the called function.
                return unsafe { dots(job) };
            }
            // SAFETY: as above.
            if unsafe { thin(job) } {
                return;
            }
            if job.n <= NR || job.m * job.k * job.n <= DIRECT_EDGE.pow(3) {
                // SAFETY: the caller upholds the contract of the called function.
                return unsafe { direct(job) };
            }
            let a_floats = 0;
            let b_floats = (KC.min(job.k) * NC.min(job.n.next_multiple_of(NR))).next_multiple_of(16);
            // SAFETY: the caller guarantees the job; the two buffers are as large as the packed blocks.
            with_scratch(a_floats + b_floats, |scratch| unsafe {
                let (b_block, a_block) = scratch.split_at_mut(b_floats);
                packed(job, a_block.as_mut_ptr(), b_block.as_mut_ptr())
            });
        }
        /// The BLIS loop nest around the micro-kernel.
        #[target_feature(enable = "avx2,fma")]
        unsafe fn packed(job: Job, a_block: *mut f32, b_block: *mut f32) {
            // SAFETY: every block lies inside the job, every packed element inside its buffer.
            unsafe {
                // LOOP 5: columns of B and C, NC at a time.
                for (jc, nc) in strips(job.n, NC) {
                    // LOOP 4: depth, KC at a time. The first iteration stores to C, later ones add to it.
                    for (pc, kc) in cuts(job.k, KC) {
                        let first = pc == 0;
                        let b = job.b.add(pc * job.ldb + jc);
                        pack_b(b, job.ldb, kc, nc, b_block);
                        let (b, b_strip, ldb) = (b_block, kc, NR);
                        // LOOP 3: rows of A and C, MC at a time.
                        for (ic, mc) in cuts(job.m, MC) {
                            let c = job.c.add(ic * job.ldc + jc);
                            let a = job.a.add(ic * job.lda + pc);
                            let _ = a_block;
                            let lda = job.lda;
                            // LOOP 2: columns, NR at a time. The strip of B stays in L1 while A is streamed.
                            for jr in (0..nc).step_by(NR) {
                                // LOOP 1: rows, MR at a time.
                                for (ir, rows) in cuts(mc, MR) {
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

        /// The product without packing: the micro-kernel reads A and B in place over the full depth and writes C once.
        #[target_feature(enable = "avx2,fma")]
        unsafe fn direct(job: Job) {
            /// Elements of B above which each strip of columns is read once, from wherever it lies, and used by all rows.
            const LARGE_B: usize = 1 << 16;
            let by_tile = |i: usize, rows: usize, j: usize| {
                let cols = NR.min(job.n - j);
                // SAFETY: the tile lies inside the job.
                unsafe {
                    let (a, b) = (job.a.add(i * job.lda), job.b.add(j));
                    let to = job.c.add(i * job.ldc + j);
                    tile(rows, cols, job.k, a, job.lda, b, job.ldb, to, job.ldc, true);
                }
            };
            if job.k * job.n > LARGE_B {
                for j in (0..job.n).step_by(NR) {
                    cuts(job.m, MR).for_each(|(i, rows)| by_tile(i, rows, j));
                }
            } else {
                for (i, rows) in cuts(job.m, MR) {
                    (0..job.n).step_by(NR).for_each(|j| by_tile(i, rows, j));
                }
            }
        }

        /// Matrix times vector (n = 1): one dot product per row of A, with four independent vector accumulators.
        #[target_feature(enable = "avx2,fma")]
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
                    // Pairwise reduction: add the upper half to the lower half until one sum is left.
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

        /// With so few rows, B is streamed row by row instead of in tiles, once it has more than STREAMED elements.
        const STREAMED: usize = 1 << 16;

        /// Products with few rows, for which the register tile has too few FMAs in flight. Returns false for all others.
        #[target_feature(enable = "avx2,fma")]
        unsafe fn thin(job: Job) -> bool {
            if job.k * job.n <= STREAMED {
                return false;
            }
            // SAFETY: the caller upholds the contract of the called function.
            unsafe {
                match job.m {
                    1 => rows_by_matrix::<1, 8>(job),
                    2 => rows_by_matrix::<2, 4>(job),
                    3 => rows_by_matrix::<3, 4>(job),
                    _ => return false,
                }
            }
            true
        }

        /// ROWS rows of A times a large B: C stays in L1, a panel of columns at a time, while DEPTH rows of B pass by.
        #[target_feature(enable = "avx2,fma")]
        unsafe fn rows_by_matrix<const ROWS: usize, const DEPTH: usize>(job: Job) {
            const PANEL: usize = 2048;
            for j in (0..job.n).step_by(PANEL) {
                let cols = PANEL.min(job.n - j);
                let mut p = 0;
                // SAFETY: the panel lies inside the job.
                unsafe {
                    let (b, c) = (job.b.add(j), job.c.add(j));
                    while p + DEPTH <= job.k {
                        add_rows::<ROWS, DEPTH>(job, p, cols, b.add(p * job.ldb), c);
                        p += DEPTH;
                    }
                    while p < job.k {
                        add_rows::<ROWS, 1>(job, p, cols, b.add(p * job.ldb), c);
                        p += 1;
                    }
                }
            }
        }

        /// Adds DEPTH rows of B, each times its element of A, to ROWS rows of C; at p = 0 C is written, not read.
        #[target_feature(enable = "avx2,fma")]
        unsafe fn add_rows<const ROWS: usize, const DEPTH: usize>(
            job: Job,
            p: usize,
            cols: usize,
            b: *const f32,
            c: *mut f32,
        ) {
            // SAFETY: A has ROWS rows and DEPTH columns from p on; B and C have `cols` columns here.
            unsafe {
                let mut x = [[0.0f32; DEPTH]; ROWS];
                for i in 0..ROWS {
                    for q in 0..DEPTH {
                        x[i][q] = *job.a.add(i * job.lda + p + q);
                    }
                }
                let mut j = 0;
                while j + LANES <= cols {
                    let mut sums = [zero(); ROWS];
                    for i in 0..ROWS {
                        if p > 0 {
                            sums[i] = load(c.add(i * job.ldc + j));
                        }
                    }
                    for q in 0..DEPTH {
                        let y = load(b.add(q * job.ldb + j));
                        for i in 0..ROWS {
                            sums[i] = fma(splat(x[i][q]), y, sums[i]);
                        }
                    }
                    for i in 0..ROWS {
                        store(c.add(i * job.ldc + j), sums[i]);
                    }
                    j += LANES;
                }
                while j < cols {
                    for i in 0..ROWS {
                        let to = c.add(i * job.ldc + j);
                        let mut sum = if p > 0 { *to } else { 0.0 };
                        for q in 0..DEPTH {
                            sum = x[i][q].mul_add(*b.add(q * job.ldb + j), sum);
                        }
                        *to = sum;
                    }
                    j += 1;
                }
            }
        }

        /// Calls the micro-kernel for exactly this many rows and vectors; no padding is computed.
        #[inline]
        #[target_feature(enable = "avx2,fma")]
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
            // SAFETY: the caller upholds the contract of the called function.
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
                    _ => unreachable!("a tile has 1 to MR rows and 1 to NV vectors"),
                }
            }
        }

        /// The micro-kernel: accumulates ROWS x COLS vectors of C in registers over all k.
        ///
        /// Each element of C is one chain of FMAs in the order of k, for any block sizes and number of threads.
        /// RAGGED: only the first `tail` lanes of the last vector are read and written.
        #[target_feature(enable = "avx2,fma")]
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
            // SAFETY: the pointers are valid for ROWS x k of A, k x COLS vectors of B and ROWS x COLS vectors of C,
            // except for the lanes beyond the ragged edge.
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
                for _ in 0..k / 8 {
                    step!();
                    step!();
                    step!();
                    step!();
                    step!();
                    step!();
                    step!();
                    step!();
                }
                for _ in 0..k % 8 {
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
}
