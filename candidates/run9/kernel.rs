//! strided_intrinsics avx2 4x24 kc768
//!
//! C <- alpha * A (m x k) * B (k x n) + beta * C (m x n), strides for rows and columns, f32.
//! BLIS-style loops around a 4 x 24 register tile (3 vectors of 8 floats per row), one thread. A is
//! packed k-major in micro-panels; B is packed one strip of NR columns at a time, just before its use.
//! Nothing is packed if m*k*n <= 128^3.
//!
//! deeper blocks with the other tile
//!
//! Schedule: family = strided_intrinsics, isa = avx2, mr = 4, nr = 24, kc = 768, mc = 264, nc = 2040,
//! unroll = 8, resident = b, pack_a = panel, pack_b = strip, prefetch_a = 0, prefetch_b = 0, prefetch_c
//! = True, edges = mask, direct_edge = 128, thin = True, threads = 1, scratch = thread_local.
//! Key: cc6e9d82fcd90a38.

/// C <- alpha * A * B + beta * C; A is m x k, B k x n, C m x n, with strides of rows (rs) and columns (cs) in elements.
///
/// beta = 0 never reads C, alpha = 0 reads neither A nor B. k = 0 leaves beta * C.
///
/// # Safety
/// All elements of A and B can be read, those of C read and written. The elements of C are distinct and not in A or B.
#[allow(clippy::too_many_arguments)]
pub unsafe fn sgemm(
    m: usize,
    k: usize,
    n: usize,
    alpha: f32,
    a: *const f32,
    rsa: isize,
    csa: isize,
    b: *const f32,
    rsb: isize,
    csb: isize,
    beta: f32,
    c: *mut f32,
    rsc: isize,
    csc: isize,
) {
    if m == 0 || n == 0 {
        return;
    }
    #[cfg(target_arch = "x86_64")]
    if k > 0 && alpha != 0.0 && is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        let scale = simd::Scale { alpha, beta };
        let (a, b) = (simd::Operand::new(a, rsa, csa), simd::Operand::new(b, rsb, csb));
        let job = simd::Job { m, k, n, a, b, c, rsc, csc, scale };
        // SAFETY: the CPU has the features, and the caller guarantees the operands.
        return unsafe { simd::run(job.oriented()) };
    }
    // Without avx2,fma, and where nothing is multiplied: element by element.
    for i in 0..m {
        for j in 0..n {
            let mut sum = 0.0f32;
            // SAFETY: the caller guarantees all elements.
            unsafe {
                if alpha != 0.0 {
                    for p in 0..k {
                        let x = *a.offset(i as isize * rsa + p as isize * csa);
                        sum += x * *b.offset(p as isize * rsb + j as isize * csb);
                    }
                    sum *= alpha;
                }
                let to = c.offset(i as isize * rsc + j as isize * csc);
                *to = if beta == 0.0 { sum } else { beta * *to + sum };
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
    fn mul(a: Vector, b: Vector) -> Vector {
        _mm256_mul_ps(a, b)
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
    const KC: usize = 768;
    const MC: usize = 264;
    const NC: usize = 2040;
    /// What can be read in place is not packed while m*k*n <= DIRECT_EDGE^3: it would cost more than it saves.
    const DIRECT_EDGE: usize = 128;

    /// C <- alpha * product + beta * C.
    #[derive(Clone, Copy)]
    pub struct Scale {
        pub alpha: f32,
        pub beta: f32,
    }

    impl Scale {
        /// beta times an element of C, which is not read if beta is 0.
        unsafe fn old(self, c: *const f32) -> f32 {
            // SAFETY: the caller guarantees the element.
            if self.beta == 0.0 { 0.0 } else { unsafe { self.beta * *c } }
        }

        /// Updates one element of C by the product's element.
        unsafe fn update(self, c: *mut f32, product: f32) {
            // SAFETY: the caller guarantees the element.
            unsafe {
                let scaled = self.alpha * product;
                *c = if self.beta == 0.0 { scaled } else { self.beta.mul_add(*c, scaled) };
            }
        }
    }

    /// A matrix that is only read: element (i, j) is `i * down + j * across` elements after the first one.
    #[derive(Clone, Copy)]
    pub struct Operand {
        start: *const f32,
        down: isize,
        across: isize,
    }

    impl Operand {
        pub fn new(start: *const f32, down: isize, across: isize) -> Operand {
            Operand { start, down, across }
        }

        /// The part of this matrix that begins at (i, j).
        #[inline]
        fn at(self, i: usize, j: usize) -> Operand {
            let steps = (i as isize).wrapping_mul(self.down).wrapping_add((j as isize).wrapping_mul(self.across));
            Operand { start: self.start.wrapping_offset(steps), ..self }
        }

        fn transposed(self) -> Operand {
            Operand { down: self.across, across: self.down, ..self }
        }
    }

    /// One product: C (m x n) <- alpha * A (m x k) * B (k x n) + beta * C; element (i, j) of C is at i*rsc + j*csc.
    #[derive(Clone, Copy)]
    pub struct Job {
        pub m: usize,
        pub k: usize,
        pub n: usize,
        pub a: Operand,
        pub b: Operand,
        pub c: *mut f32,
        pub rsc: isize,
        pub csc: isize,
        pub scale: Scale,
    }

    impl Job {
        /// The same product in the orientation that suits the kernel, whose vectors run along the rows of C: where
        /// columns of C are contiguous, its transpose, C^T = B^T * A^T. Strides that are never used become 1.
        pub fn oriented(mut self) -> Job {
            let as_row = self.csc == 1 || self.n == 1;
            let as_column = self.rsc == 1 || self.m == 1;
            let turn = match (as_row, as_column) {
                (true, false) => false,
                (false, true) => true,
                // A vector: a column if its products are dot products of contiguous elements, else a row.
                (true, true) if self.n == 1 => self.a.across != 1,
                (true, true) if self.m == 1 => self.b.down == 1 && self.b.across != 1,
                // Any other C: what is better for B.
                _ => self.b.across != 1 && self.a.down == 1,
            };
            if turn {
                let (a, b) = (self.b.transposed(), self.a.transposed());
                self = Job { m: self.n, n: self.m, a, b, rsc: self.csc, csc: self.rsc, ..self };
            }
            if self.m == 1 {
                (self.a.down, self.rsc) = (1, 1);
            }
            if self.n == 1 {
                (self.b.across, self.csc) = (1, 1);
            }
            if self.k == 1 {
                (self.a.across, self.b.down) = (1, 1);
            }
            self
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

    /// One thread's share. What the micro-kernel can read in place is packed only where that pays.
    #[target_feature(enable = "avx2,fma")]
    unsafe fn serial(job: Job) {
        // SAFETY: the caller upholds the contract of the called functions.
        unsafe {
            if dots(job) || thin(job) {
                return;
            }
        }
        let large = job.m.saturating_mul(job.k).saturating_mul(job.n) > DIRECT_EDGE.pow(3);
        let a_in_place = (job.a.across == 1 && job.a.down >= 0) || (job.a.down == 1 && job.a.across >= 0);
        let b_in_place = job.b.across == 1 && job.b.down >= 0;
        // Every step of k touches other cache lines of a k-major A, and rows of B that are a part of longer rows share few
        // cache sets.
        let far_a = job.a.across != 1 && job.k > 8 * LANES;
        let far_b = job.b.down as usize >= 2 * job.n && job.k > 2 * LANES;
        let plan = Plan {
            packs_a: !a_in_place || job.n > 2 * NR && (far_a || large),
            packs_b: !b_in_place || job.m > 2 * MR && (far_b || large && job.n > NR),
            by_strips: job.m <= MC,
        };
        let (m, k, n) = (MC.min(job.m), KC.min(job.k), if plan.by_strips { NR } else { NC.min(job.n.next_multiple_of(NR)) });
        let a_floats = if plan.packs_a { (k.next_multiple_of(16) + 16) * m } else { 0 };
        let b_floats = if plan.packs_b { (k * n).next_multiple_of(16) } else { 0 };
        let work = |a_block: *mut f32, b_block: *mut f32| {
            // SAFETY: the caller guarantees the job; the two buffers are as large as the packed blocks.
            unsafe { blocks(job, plan, a_block, b_block) }
        };
        if a_floats + b_floats == 0 {
            return work(std::ptr::null_mut(), std::ptr::null_mut());
        }
        with_scratch(a_floats + b_floats, |scratch| {
            let (b_block, a_block) = scratch.split_at_mut(b_floats);
            work(a_block.as_mut_ptr(), b_block.as_mut_ptr())
        });
    }

    /// Which operands are packed.
    #[derive(Clone, Copy)]
    struct Plan {
        packs_a: bool,
        packs_b: bool,
        /// Whether a strip of B is packed just before its use and then replaced: where one block of A has all rows.
        by_strips: bool,
    }

    /// The BLIS loop nest around the micro-kernel. An operand that is not packed is not cut into blocks, either.
    #[target_feature(enable = "avx2,fma")]
    unsafe fn blocks(job: Job, plan: Plan, a_block: *mut f32, b_block: *mut f32) {
        let deep = if plan.packs_a || plan.packs_b { KC } else { job.k };
        let wide = if plan.packs_b && !plan.by_strips { NC } else { job.n.next_multiple_of(NR) };
        // Elements of B above which each strip of columns is read once, from wherever it lies, and used by all rows.
        let columns_first = plan.packs_b || job.k * job.n > 1 << 16;
        let tall = if plan.packs_a || plan.packs_b { MC } else { job.m };
        // LOOP 5: columns of B and C, NC at a time.
        for (jc, nc) in strips(job.n, wide) {
            // LOOP 4: depth, KC at a time. Alpha is applied to each part of the sum, beta once.
            for (pc, kc) in cuts(job.k, deep) {
                let scale = Scale { beta: if pc == 0 { job.scale.beta } else { 1.0 }, ..job.scale };
                let from = job.b.at(pc, jc);
                let mut b = Packed { start: from.start, strip: 1, ld: job.b.down as usize };
                if plan.packs_b {
                    b = Packed { start: b_block, strip: if plan.by_strips { 0 } else { kc }, ld: NR };
                    // SAFETY: the block of B lies inside the job, its packed copy inside the buffer.
                    if !plan.by_strips {
                        unsafe { pack_b(from, kc, nc, b_block) };
                    }
                }
                // LOOP 3: rows of A and C, MC at a time.
                for (ic, mc) in cuts(job.m, tall) {
                    let c = job.c.wrapping_offset(ic as isize * job.rsc + jc as isize * job.csc);
                    // SAFETY: the blocks lie inside the job, the packed copy inside its buffer.
                    unsafe {
                        let a = block_of_a(job.a.at(ic, pc), plan.packs_a, mc, kc, a_block);
                        let block = Block { m: mc, k: kc, n: nc, c, rsc: job.rsc, csc: job.csc, scale, columns_first };
                        match a {
                            Rows::Contiguous(a) => tiles::<false>(block, a, b, from, b_block),
                            Rows::Interleaved(a) => tiles::<true>(block, a, b, from, b_block),
                        }
                    }
                }
            }
        }
    }

    /// A block of A or B as the micro-kernel reads it: its micro-panel at row or column i starts at i*strip, and its
    /// rows are `ld` apart, for A in k-major order its columns.
    #[derive(Clone, Copy)]
    struct Packed {
        start: *const f32,
        strip: usize,
        ld: usize,
    }

    /// A block of A with contiguous rows, or k-major: for each k the elements of a tile's rows are contiguous.
    enum Rows {
        Contiguous(Packed),
        Interleaved(Packed),
    }

    /// The block of A, packed unless it is read in place.
    #[target_feature(enable = "avx2,fma")]
    unsafe fn block_of_a(a: Operand, packs: bool, mc: usize, kc: usize, a_block: *mut f32) -> Rows {
        if !packs {
            return if a.across == 1 {
                Rows::Contiguous(Packed { start: a.start, strip: a.down as usize, ld: a.down as usize })
            } else {
                Rows::Interleaved(Packed { start: a.start, strip: 1, ld: a.across as usize })
            };
        }
        // SAFETY: the caller guarantees the block and room for mc rows.
        unsafe { pack_panels(a, mc, kc, a_block) };
        // The micro-panels are as wide as their tiles are high, so `tiles` knows their `ld`.
        Rows::Interleaved(Packed { start: a_block, strip: kc, ld: 0 })
    }

    /// A block of C, m x n, and the depth of its products.
    #[derive(Clone, Copy)]
    struct Block {
        m: usize,
        k: usize,
        n: usize,
        c: *mut f32,
        rsc: isize,
        csc: isize,
        scale: Scale,
        /// Whether a strip of B stays in L1 while A is streamed, not a micro-panel of A while B is.
        columns_first: bool,
    }

    /// LOOP 2 and LOOP 1, columns and rows in either order: the tiles of one block of C.
    #[target_feature(enable = "avx2,fma")]
    unsafe fn tiles<const K_MAJOR: bool>(block: Block, a: Packed, b: Packed, from: Operand, b_block: *mut f32) {
        let by_tile = |ir: usize, rows: usize, jr: usize| {
            let cols = NR.min(block.n - jr);
            let lda = if K_MAJOR && a.strip != 1 { rows } else { a.ld };
            let (a, ldb, b) = (a.start.wrapping_add(ir * a.strip), b.ld, b.start.wrapping_add(jr * b.strip));
            let to = block.c.wrapping_offset(ir as isize * block.rsc + jr as isize * block.csc);
            // SAFETY: the tile lies inside the block.
            unsafe {
                if block.csc == 1 && block.rsc >= 0 {
                    let ldc = block.rsc as usize;
                    return tile::<K_MAJOR>(rows, cols, block.k, a, lda, b, ldb, to, ldc, block.scale);
                }
                let mut own = [0.0f32; MR * NR];
                let plain = Scale { alpha: 1.0, beta: 0.0 };
                tile::<K_MAJOR>(rows, cols, block.k, a, lda, b, ldb, own.as_mut_ptr(), NR, plain);
                for i in 0..rows {
                    for j in 0..cols {
                        let element = to.wrapping_offset(i as isize * block.rsc + j as isize * block.csc);
                        block.scale.update(element, own[i * NR + j]);
                    }
                }
            }
        };
        if block.columns_first {
            for jr in (0..block.n).step_by(NR) {
                if b.strip == 0 {
                    // SAFETY: the strip lies inside B, its packed copy inside the buffer.
                    unsafe { pack_b(from.at(0, jr), block.k, NR.min(block.n - jr), b_block) };
                }
                cuts(block.m, MR).for_each(|(ir, rows)| by_tile(ir, rows, jr));
            }
        } else {
            for (ir, rows) in cuts(block.m, MR) {
                (0..block.n).step_by(NR).for_each(|jr| by_tile(ir, rows, jr));
            }
        }
    }

    /// Packs a kc x nc block of B into strips of NR columns, which the micro-kernel reads contiguously.
    /// The strip at column j starts at j*kc. Columns beyond nc are never read.
    #[target_feature(enable = "avx2,fma")]
    unsafe fn pack_b(b: Operand, kc: usize, nc: usize, block: *mut f32) {
        // SAFETY: B has kc x nc elements here; the strips have room for kc rows of NR.
        unsafe {
            for j in (0..nc).step_by(NR) {
                let (from, to, cols) = (b.at(0, j), block.add(j * kc), NR.min(nc - j));
                if b.across == 1 && cols == NR {
                    for p in 0..kc {
                        std::ptr::copy_nonoverlapping(from.at(p, 0).start, to.add(p * NR), NR);
                    }
                } else if b.across == 1 {
                    for p in 0..kc {
                        std::ptr::copy_nonoverlapping(from.at(p, 0).start, to.add(p * NR), cols);
                    }
                } else if b.down == 1 {
                    transpose_strip(from, kc, cols, to);
                } else {
                    copy_strided(from, (0, kc), (0, cols), to, NR);
                }
            }
        }
    }

    /// Packs `rows` rows of A, kc elements each, into a k-major micro-panel: for each k the elements of the rows.
    #[target_feature(enable = "avx2,fma")]
    unsafe fn pack_panel<const ROWS: usize>(a: Operand, kc: usize, to: *mut f32) {
        // SAFETY: A has ROWS x kc elements here, the panel as many.
        unsafe {
            if a.down == 1 {
                for p in 0..kc {
                    std::ptr::copy_nonoverlapping(a.at(0, p).start, to.add(p * ROWS), ROWS);
                }
            } else {
                for p in 0..kc {
                    for i in 0..ROWS {
                        *to.add(p * ROWS + i) = *a.at(i, p).start;
                    }
                }
            }
        }
    }

    /// Packs mc rows of A into k-major micro-panels. The micro-panel of the tile at row i starts at i*kc.
    #[target_feature(enable = "avx2,fma")]
    unsafe fn pack_panels(a: Operand, mc: usize, kc: usize, block: *mut f32) {
        for (ir, rows) in cuts(mc, MR) {
            // SAFETY: the panels lie side by side in the block.
            unsafe {
                let (from, to) = (a.at(ir, 0), block.add(ir * kc));
                match rows {
                    1 => pack_panel::<1>(from, kc, to),
                    2 => pack_panel::<2>(from, kc, to),
                    3 => pack_panel::<3>(from, kc, to),
                    4 => pack_panel::<4>(from, kc, to),
                    _ => unreachable!("a tile has 1 to MR rows"),
                }
            }
        }
    }

    /// Copies the elements in `rows` x `cols`, each (first, end), of any operand to rows `ld` apart.
    unsafe fn copy_strided(
        from: Operand,
        rows: (usize, usize),
        cols: (usize, usize),
        to: *mut f32,
        ld: usize,
    ) {
        for i in rows.0..rows.1 {
            for j in cols.0..cols.1 {
                // SAFETY: the caller guarantees the element on either side.
                unsafe { *to.add(i * ld + j) = *from.at(i, j).start };
            }
        }
    }

    /// Edge of the square blocks that are transposed in registers.
    const SQUARE: usize = 8;

    /// Packs one strip of B, kc x cols, whose columns are contiguous.
    #[target_feature(enable = "avx2,fma")]
    unsafe fn transpose_strip(b: Operand, kc: usize, cols: usize, to: *mut f32) {
        let (deep, wide) = (kc / SQUARE * SQUARE, cols / SQUARE * SQUARE);
        // SAFETY: all elements lie inside the strip and its packed copy.
        unsafe {
            for j in (0..wide).step_by(SQUARE) {
                for p in (0..deep).step_by(SQUARE) {
                    transpose(b.at(p, j).start, b.across, to.add(p * NR + j));
                }
            }
            copy_strided(b, (deep, kc), (0, wide), to, NR);
            copy_strided(b, (0, kc), (wide, cols), to, NR);
        }
    }

    /// Transposes SQUARE runs of SQUARE floats, `ld` apart, into rows NR apart.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn transpose(from: *const f32, ld: isize, to: *mut f32) {
        // SAFETY: the caller guarantees the elements on either side.
        unsafe {
            for half in 0..2 {
                // Runs i and i + 4 side by side; loads, not shuffles, bring the upper half.
                let run = |i: isize| {
                    let low = _mm_loadu_ps(from.offset(i * ld).add(4 * half));
                    let high = _mm_loadu_ps(from.offset((i + 4) * ld).add(4 * half));
                    _mm256_insertf128_ps::<1>(_mm256_castps128_ps256(low), high)
                };
                let (x, y) = (run(0), run(1));
                let (even, odd) = (_mm256_unpacklo_ps(x, y), _mm256_unpackhi_ps(x, y));
                let (x, y) = (run(2), run(3));
                let (even, odd) = ((even, _mm256_unpacklo_ps(x, y)), (odd, _mm256_unpackhi_ps(x, y)));
                let to = to.add(4 * half * NR);
                _mm256_storeu_ps(to, _mm256_shuffle_ps::<0x44>(even.0, even.1));
                _mm256_storeu_ps(to.add(NR), _mm256_shuffle_ps::<0xEE>(even.0, even.1));
                _mm256_storeu_ps(to.add(2 * NR), _mm256_shuffle_ps::<0x44>(odd.0, odd.1));
                _mm256_storeu_ps(to.add(3 * NR), _mm256_shuffle_ps::<0xEE>(odd.0, odd.1));
            }
        }
    }

    /// Products with a single column of C: one dot product per row of A, with four independent vector accumulators.
    /// Returns false if C has more columns or the rows of A are not contiguous.
    #[target_feature(enable = "avx2,fma")]
    unsafe fn dots(job: Job) -> bool {
        const STEP: usize = 4 * LANES;
        if job.n > 1 || job.a.across != 1 {
            return false;
        }
        let by_row = |column: *const f32| {
            for i in 0..job.m {
                let mut sums = [zero(); 4];
                // SAFETY: row i of A and the column of B have k elements; C has m.
                unsafe {
                    let row = job.a.at(i, 0).start;
                    let mut p = 0;
                    while p + STEP <= job.k {
                        for (j, sum) in sums.iter_mut().enumerate() {
                            *sum = fma(load(row.add(p + j * LANES)), load(column.add(p + j * LANES)), *sum);
                        }
                        p += STEP;
                    }
                    while p + LANES <= job.k {
                        sums[0] = fma(load(row.add(p)), load(column.add(p)), sums[0]);
                        p += LANES;
                    }
                    if p < job.k {
                        let part = mask(job.k - p);
                        sums[1] = fma(load_part(row.add(p), part), load_part(column.add(p), part), sums[1]);
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
                    job.scale.update(job.c.offset(i as isize * job.rsc), lanes[0]);
                }
            }
        };
        if job.b.down == 1 || job.k == 1 {
            by_row(job.b.start);
        } else {
            with_scratch(job.k, |column| {
                // SAFETY: B has k elements, the copy as many.
                unsafe { copy_strided(job.b, (0, job.k), (0, 1), column.as_mut_ptr(), 1) };
                by_row(column.as_ptr());
            });
        }
        true
    }

    /// With so few rows, B is streamed row by row instead of in tiles, once it has more than STREAMED elements.
    const STREAMED: usize = 1 << 16;

    /// Products with few rows, for which the register tile has too few FMAs in flight. Returns false for all others.
    #[target_feature(enable = "avx2,fma")]
    unsafe fn thin(job: Job) -> bool {
        if job.k * job.n <= STREAMED {
            return false;
        }
        // C is updated once per DEPTH rows of B, so a factor would be applied too often.
        let fits = job.b.across == 1 && job.b.down >= 0 && job.csc == 1 && job.rsc >= 0;
        if job.scale.alpha != 1.0 || !fits {
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
                let (b, c) = (job.b.start.add(j), job.c.add(j));
                while p + DEPTH <= job.k {
                    add_rows::<ROWS, DEPTH>(job, p, cols, b.add(p * job.b.down as usize), c);
                    p += DEPTH;
                }
                while p < job.k {
                    add_rows::<ROWS, 1>(job, p, cols, b.add(p * job.b.down as usize), c);
                    p += 1;
                }
            }
        }
    }

    /// Adds DEPTH rows of B, each times its element of A, to ROWS rows of C; at p = 0 C is scaled by beta.
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
                    x[i][q] = *job.a.at(i, p + q).start;
                }
            }
            let mut j = 0;
            while j + LANES <= cols {
                let mut sums = [zero(); ROWS];
                for i in 0..ROWS {
                    if p > 0 {
                        sums[i] = load(c.add(i * job.rsc as usize + j));
                    }
                    if p == 0 && job.scale.beta != 0.0 {
                        sums[i] = mul(splat(job.scale.beta), load(c.add(i * job.rsc as usize + j)));
                    }
                }
                for q in 0..DEPTH {
                    let y = load(b.add(q * job.b.down as usize + j));
                    for i in 0..ROWS {
                        sums[i] = fma(splat(x[i][q]), y, sums[i]);
                    }
                }
                for i in 0..ROWS {
                    store(c.add(i * job.rsc as usize + j), sums[i]);
                }
                j += LANES;
            }
            while j < cols {
                for i in 0..ROWS {
                    let to = c.add(i * job.rsc as usize + j);
                    let mut sum = if p > 0 { *to } else { job.scale.old(to) };
                    for q in 0..DEPTH {
                        sum = x[i][q].mul_add(*b.add(q * job.b.down as usize + j), sum);
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
    unsafe fn tile<const K_MAJOR: bool>(
        rows: usize,
        cols: usize,
        k: usize,
        a: *const f32,
        lda: usize,
        b: *const f32,
        ldb: usize,
        c: *mut f32,
        ldc: usize,
        scale: Scale,
    ) {
        let vectors = cols.div_ceil(LANES);
        // SAFETY: the caller upholds the contract of the called function.
        unsafe {
            match (rows, vectors, cols % LANES) {
                (1, 1, 0) => micro::<1, 1, false, K_MAJOR>(k, a, lda, b, ldb, c, ldc, 0, scale),
                (1, 1, tail) => micro::<1, 1, true, K_MAJOR>(k, a, lda, b, ldb, c, ldc, tail, scale),
                (1, 2, 0) => micro::<1, 2, false, K_MAJOR>(k, a, lda, b, ldb, c, ldc, 0, scale),
                (1, 2, tail) => micro::<1, 2, true, K_MAJOR>(k, a, lda, b, ldb, c, ldc, tail, scale),
                (1, 3, 0) => micro::<1, 3, false, K_MAJOR>(k, a, lda, b, ldb, c, ldc, 0, scale),
                (1, 3, tail) => micro::<1, 3, true, K_MAJOR>(k, a, lda, b, ldb, c, ldc, tail, scale),
                (2, 1, 0) => micro::<2, 1, false, K_MAJOR>(k, a, lda, b, ldb, c, ldc, 0, scale),
                (2, 1, tail) => micro::<2, 1, true, K_MAJOR>(k, a, lda, b, ldb, c, ldc, tail, scale),
                (2, 2, 0) => micro::<2, 2, false, K_MAJOR>(k, a, lda, b, ldb, c, ldc, 0, scale),
                (2, 2, tail) => micro::<2, 2, true, K_MAJOR>(k, a, lda, b, ldb, c, ldc, tail, scale),
                (2, 3, 0) => micro::<2, 3, false, K_MAJOR>(k, a, lda, b, ldb, c, ldc, 0, scale),
                (2, 3, tail) => micro::<2, 3, true, K_MAJOR>(k, a, lda, b, ldb, c, ldc, tail, scale),
                (3, 1, 0) => micro::<3, 1, false, K_MAJOR>(k, a, lda, b, ldb, c, ldc, 0, scale),
                (3, 1, tail) => micro::<3, 1, true, K_MAJOR>(k, a, lda, b, ldb, c, ldc, tail, scale),
                (3, 2, 0) => micro::<3, 2, false, K_MAJOR>(k, a, lda, b, ldb, c, ldc, 0, scale),
                (3, 2, tail) => micro::<3, 2, true, K_MAJOR>(k, a, lda, b, ldb, c, ldc, tail, scale),
                (3, 3, 0) => micro::<3, 3, false, K_MAJOR>(k, a, lda, b, ldb, c, ldc, 0, scale),
                (3, 3, tail) => micro::<3, 3, true, K_MAJOR>(k, a, lda, b, ldb, c, ldc, tail, scale),
                (4, 1, 0) => micro::<4, 1, false, K_MAJOR>(k, a, lda, b, ldb, c, ldc, 0, scale),
                (4, 1, tail) => micro::<4, 1, true, K_MAJOR>(k, a, lda, b, ldb, c, ldc, tail, scale),
                (4, 2, 0) => micro::<4, 2, false, K_MAJOR>(k, a, lda, b, ldb, c, ldc, 0, scale),
                (4, 2, tail) => micro::<4, 2, true, K_MAJOR>(k, a, lda, b, ldb, c, ldc, tail, scale),
                (4, 3, 0) => micro::<4, 3, false, K_MAJOR>(k, a, lda, b, ldb, c, ldc, 0, scale),
                (4, 3, tail) => micro::<4, 3, true, K_MAJOR>(k, a, lda, b, ldb, c, ldc, tail, scale),
                _ => unreachable!("a tile has 1 to MR rows and 1 to NV vectors"),
            }
        }
    }

    /// The micro-kernel: accumulates ROWS x COLS vectors of C in registers over all k.
    ///
    /// The sum over k is one chain of FMAs per element. It is scaled and added to C at the end.
    /// RAGGED: only the first `tail` lanes of the last vector are read and written.
    #[target_feature(enable = "avx2,fma")]
    #[allow(clippy::too_many_arguments)]
    unsafe fn micro<const ROWS: usize, const COLS: usize, const RAGGED: bool, const K_MAJOR: bool>(
        k: usize,
        a: *const f32,
        lda: usize,
        b: *const f32,
        ldb: usize,
        c: *mut f32,
        ldc: usize,
        tail: usize,
        scale: Scale,
    ) {
        let part = mask(if RAGGED { tail } else { 0 });
        let (down, along) = if K_MAJOR { (1, lda) } else { (lda, 1) };
        let mut sums = [[zero(); COLS]; ROWS];
        // SAFETY: the pointers are valid for ROWS x k of A, k x COLS vectors of B and ROWS x COLS vectors of C,
        // except for the lanes beyond the ragged edge.
        unsafe {
            for i in 0..ROWS {
                for j in 0..COLS {
                    _mm_prefetch::<_MM_HINT_T0>(c.wrapping_add(i * ldc + j * LANES).cast());
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
            // C is read here and not before the loop: by now its prefetched lines have arrived.
            for i in 0..ROWS {
                for j in 0..COLS {
                    sums[i][j] = mul(splat(scale.alpha), sums[i][j]);
                    if scale.beta != 0.0 {
                        let from = c.add(i * ldc + j * LANES);
                        let old = if RAGGED && j == COLS - 1 { load_part(from, part) } else { load(from) };
                        sums[i][j] = fma(splat(scale.beta), old, sums[i][j]);
                    }
                }
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
