//! strassen x2 over packed_intrinsics
//!
//! C (m x n) = A (m x k) * B (k x n), row-major and contiguous, f32.
//! strassen ⟨2,2,2;7⟩: 7 products of blocks instead of 8, up to 2 level(s) while m, k and n are at
//! least 768. All Brent equations of the scheme were verified in exact arithmetic when this file was
//! generated. The error is bounded normwise, not componentwise. Inputs with NaN, infinities or extreme
//! magnitudes are multiplied classically.
//!
//! the analytical model for this machine's registers and caches
//!
//! Schedule: family = bilinear, isa = avx2, mr = 6, nr = 16, kc = 1024, mc = 48, nc = 1024, unroll = 8,
//! resident = b, pack_a = none, pack_b = panel, prefetch_b = 0, prefetch_c = True, edges = mask,
//! direct_edge = 128, thin = True, threads = 1, scratch = thread_local.
//! Key: 743c1cd6bc4598f3.

/// The scheme cuts A into BM x BK blocks, B into BK x BN and C into BM x BN.
const BM: usize = 2;
const BK: usize = 2;
const BN: usize = 2;
/// Recurse at most LEVELS deep and only while m, k and n are at least CUTOFF; below it the additions cost more than
/// the saved products.
const LEVELS: usize = 2;
const CUTOFF: usize = 768;
/// Growth per level: SWELL bounds the elements of block sums, GROWTH the sum of all terms of an element of C.
const SWELL: f64 = 2.0;
const GROWTH: f64 = 12.0;

/// A block of A, B or C, by its row and column among the blocks, with its coefficient.
#[derive(Clone, Copy)]
struct Term {
    row: usize,
    col: usize,
    times: f32,
}

/// A block of C to which a product is added; the first product of each block is stored instead.
#[derive(Clone, Copy)]
struct Target {
    block: Term,
    first: bool,
}

/// One product of the scheme: (sum of blocks of A) * (sum of blocks of B), and the blocks of C it contributes to.
struct Product {
    a: &'static [Term],
    b: &'static [Term],
    c: &'static [Target],
}

const PRODUCTS: [Product; 7] = [
    // M1 = (a11 + a22) (b11 + b22)
    Product {
        a: &[Term { row: 0, col: 0, times: 1.0 }, Term { row: 1, col: 1, times: 1.0 }],
        b: &[Term { row: 0, col: 0, times: 1.0 }, Term { row: 1, col: 1, times: 1.0 }],
        c: &[Target { block: Term { row: 0, col: 0, times: 1.0 }, first: true }, Target { block: Term { row: 1, col: 1, times: 1.0 }, first: true }],
    },
    // M2 = (a21 + a22) (b11)
    Product {
        a: &[Term { row: 1, col: 0, times: 1.0 }, Term { row: 1, col: 1, times: 1.0 }],
        b: &[Term { row: 0, col: 0, times: 1.0 }],
        c: &[Target { block: Term { row: 1, col: 0, times: 1.0 }, first: true }, Target { block: Term { row: 1, col: 1, times: -1.0 }, first: false }],
    },
    // M3 = (a11) (b12 - b22)
    Product {
        a: &[Term { row: 0, col: 0, times: 1.0 }],
        b: &[Term { row: 0, col: 1, times: 1.0 }, Term { row: 1, col: 1, times: -1.0 }],
        c: &[Target { block: Term { row: 0, col: 1, times: 1.0 }, first: true }, Target { block: Term { row: 1, col: 1, times: 1.0 }, first: false }],
    },
    // M4 = (a22) (-b11 + b21)
    Product {
        a: &[Term { row: 1, col: 1, times: 1.0 }],
        b: &[Term { row: 0, col: 0, times: -1.0 }, Term { row: 1, col: 0, times: 1.0 }],
        c: &[Target { block: Term { row: 0, col: 0, times: 1.0 }, first: false }, Target { block: Term { row: 1, col: 0, times: 1.0 }, first: false }],
    },
    // M5 = (a11 + a12) (b22)
    Product {
        a: &[Term { row: 0, col: 0, times: 1.0 }, Term { row: 0, col: 1, times: 1.0 }],
        b: &[Term { row: 1, col: 1, times: 1.0 }],
        c: &[Target { block: Term { row: 0, col: 0, times: -1.0 }, first: false }, Target { block: Term { row: 0, col: 1, times: 1.0 }, first: false }],
    },
    // M6 = (-a11 + a21) (b11 + b12)
    Product {
        a: &[Term { row: 0, col: 0, times: -1.0 }, Term { row: 1, col: 0, times: 1.0 }],
        b: &[Term { row: 0, col: 0, times: 1.0 }, Term { row: 0, col: 1, times: 1.0 }],
        c: &[Target { block: Term { row: 1, col: 1, times: 1.0 }, first: false }],
    },
    // M7 = (a12 - a22) (b21 + b22)
    Product {
        a: &[Term { row: 0, col: 1, times: 1.0 }, Term { row: 1, col: 1, times: -1.0 }],
        b: &[Term { row: 1, col: 0, times: 1.0 }, Term { row: 1, col: 1, times: 1.0 }],
        c: &[Target { block: Term { row: 0, col: 0, times: 1.0 }, first: false }],
    },
];

/// The number of levels of recursion at this size.
fn levels(mut m: usize, mut k: usize, mut n: usize) -> usize {
    let mut levels = 0;
    while levels < LEVELS && m.min(k).min(n) >= CUTOFF {
        (m, k, n) = (m.div_ceil(BM), k.div_ceil(BK), n.div_ceil(BN));
        levels += 1;
    }
    levels
}

/// Whether the scheme may be used on this data. A scheme mixes rows and columns: a NaN or an infinity would spread to
/// other elements of C, block sums could overflow although the product does not, and tiny elements would lose accuracy.
fn tame(k: usize, a: &[f32], b: &[f32], levels: usize) -> bool {
    let (a, b) = (largest(a), largest(b));
    let power = levels as i32;
    let peak = f64::from(a) * f64::from(b);
    let sums = f64::from(a.max(b)) * SWELL.powi(power);
    // The comparisons are false for NaN.
    peak > 1e-30 && sums < f64::from(f32::MAX) && peak * k as f64 * GROWTH.powi(power) < f64::from(f32::MAX)
}

/// The largest absolute value in `x`; NaN and infinity are larger than any number.
fn largest(x: &[f32]) -> f32 {
    // Without the sign bit, the bit patterns of floats compare like their magnitudes; infinity and NaN come last.
    let top = |part: &[f32]| part.iter().fold(0u32, |top, x| top.max(x.to_bits() & 0x7fff_ffff));
    f32::from_bits(top(x))
}

/// Multiplies A (m x k) by B (k x n) into C (m x n). C is overwritten; its previous content is never read.
pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let (a, b, c) = (&a[..m * k], &b[..k * n], &mut c[..m * n]);
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        let levels = levels(m, k, n);
        if levels > 0 && tame(k, a, b, levels) {
            return fused::multiply((m, k, n), a, b, c, levels);
        }
    }
    inner::matmul(m, k, n, a, b, c);
}

/// The scheme without passes over memory for its sums of A and B: they are formed while these are packed (Huang, Smith,
/// Henry, van de Geijn 2016). A product is accumulated over the whole depth in a buffer, whose rows are then added to
/// all blocks of C that need it.
#[cfg(target_arch = "x86_64")]
mod fused {
    use super::inner::{prefetch, product_tile, MR, NR};
    use super::{Target, Term, BK, BM, BN, PRODUCTS};
    use std::cell::Cell;

    /// Cache blocks in elements: KC is depth, MC rows (a multiple of MR), NC columns (a multiple of NR).
    const KC: usize = 1024;
    const MC: usize = 48;
    const NC: usize = 1024;
    /// Floats between the rows of packed A, the strips of packed B and the rows of a product that spread them over the
    /// cache sets.
    const SPREAD: usize = 16;

    /// One product: the blocks of A and of B that are summed, and the blocks of C that it is added to.
    struct Sums {
        a: Vec<Term>,
        b: Vec<Term>,
        c: Vec<Target>,
    }

    /// A matrix, row-major with rows of `width` elements, that is cut into blocks of `rows` x `cols`. Blocks at the
    /// lower and right edge end where it ends and are read as if padded with zeros.
    #[derive(Clone, Copy)]
    struct Blocked<'a> {
        data: &'a [f32],
        width: usize,
        rows: usize,
        cols: usize,
    }

    impl<'a> Blocked<'a> {
        /// Elements of row `i` of a block from `start` on, at most `len`; none where the matrix has no such elements.
        fn piece(self, block: Term, i: usize, start: usize, len: usize) -> &'a [f32] {
            let row = (block.row * self.rows + i) * self.width;
            let from = (block.col * self.cols + start).min(self.width);
            self.data.get(row + from..row + (from + len).min(self.width)).unwrap_or(&[])
        }
    }

    thread_local! {
        /// Never freed, and grown only when a larger product needs it: later calls neither allocate nor fault in pages.
        static SHARED: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
        /// The packed block of A of this thread.
        static OWN: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
    }

    /// Calls `work` with `floats` floats of this thread's `buffer`, aligned to a cache line.
    fn with(buffer: &'static std::thread::LocalKey<Cell<Vec<f32>>>, floats: usize, work: impl FnOnce(&mut [f32])) {
        let mut scratch = buffer.take();
        scratch.resize(scratch.len().max(floats + 16), 0.0);
        let skip = scratch.as_ptr().align_offset(64).min(16);
        work(&mut scratch[skip..skip + floats]);
        buffer.set(scratch);
    }

    /// C = A * B by `levels` of the scheme.
    pub fn multiply((m, k, n): (usize, usize, usize), a: &[f32], b: &[f32], c: &mut [f32], levels: usize) {
        let block = |extent: usize, parts: usize| extent.div_ceil(parts.pow(levels as u32));
        let (rows, depth, cols) = (block(m, BM), block(k, BK), block(n, BN));
        let a = Blocked { data: a, width: k, rows, cols: depth };
        let b = Blocked { data: b, width: n, rows: depth, cols };
        let wide = NC.min(cols.next_multiple_of(NR));
        let b_floats = (KC.min(depth) * NR + SPREAD) * (wide / NR);
        let product_floats = (wide + SPREAD) * rows.next_multiple_of(MR);
        let whole = Term { row: 0, col: 0, times: 1.0 };
        let sums = Sums { a: vec![whole], b: vec![whole], c: vec![Target { block: whole, first: true }] };
        with(&SHARED, b_floats + product_floats, |scratch| {
            let (b_block, result) = scratch.split_at_mut(b_floats);
            descend(levels, &sums, &mut |sums| product(sums, a, b, c, b_block, result));
        });
    }

    /// Calls `leaf` for every product of `levels` of recursion, in the order in which blocks of C are first written.
    fn descend(levels: usize, outer: &Sums, leaf: &mut impl FnMut(&Sums)) {
        if levels == 0 {
            return leaf(outer);
        }
        for product in &PRODUCTS {
            let mut sums = Sums { a: Vec::new(), b: Vec::new(), c: Vec::new() };
            for x in &outer.a {
                sums.a.extend(product.a.iter().map(|y| within(*x, *y, BM, BK)));
            }
            for x in &outer.b {
                sums.b.extend(product.b.iter().map(|y| within(*x, *y, BK, BN)));
            }
            for x in &outer.c {
                sums.c.extend(product.c.iter().map(|y| Target {
                    block: within(x.block, y.block, BM, BN),
                    first: x.first && y.first,
                }));
            }
            descend(levels - 1, &sums, leaf);
        }
    }

    /// Block `y` of the `rows` x `cols` blocks into which block `x` is cut.
    fn within(x: Term, y: Term, rows: usize, cols: usize) -> Term {
        Term { row: x.row * rows + y.row, col: x.col * cols + y.col, times: x.times * y.times }
    }

    /// One product of the scheme: the BLIS loop nest over sums of blocks.
    fn product(sums: &Sums, a: Blocked, b: Blocked, c: &mut [f32], b_block: &mut [f32], result: &mut [f32]) {
        let mc = piece(a.rows, MC, MR);
        let nc = piece(b.cols, NC, NR);
        let kc = piece(b.rows, KC, 1);
        // LOOP 5: columns of B and C, NC at a time.
        for jc in (0..b.cols).step_by(nc) {
            let nc = nc.min(b.cols - jc);
            let stride = nc.next_multiple_of(NR) + SPREAD;
            let result = &mut result[..a.rows.next_multiple_of(MR) * stride];
            // LOOP 4: depth, KC at a time. The first iteration stores the product, later ones add to it.
            for pc in (0..b.rows).step_by(kc) {
                let kc = kc.min(b.rows - pc);
                let (row, strip) = (leading(kc), kc * NR + SPREAD);
                pack_b(&sums.b, b, (pc, kc), (jc, nc), b_block);
                let b_block = &*b_block;
                // LOOP 3: rows of A and C, MC at a time.
                result.chunks_mut(mc * stride).enumerate().for_each(|(i, result)| {
                    let (ic, mc) = (i * mc, mc.min(a.rows - i * mc));
                    with(&OWN, mc.next_multiple_of(MR) * row, |a_block| {
                        pack_a(&sums.a, a, (ic, mc), (pc, kc), a_block);
                        // LOOP 2: columns, NR at a time. The strip of B stays in L1 or L2 while A is streamed.
                        for jr in (0..nc).step_by(NR) {
                            let b_strip = &b_block[jr / NR * strip..];
                            // LOOP 1: rows, MR at a time.
                            for ir in (0..mc).step_by(MR) {
                                let to = &mut result[ir * stride + jr..];
                                product_tile(kc, &a_block[ir * row..], row, b_strip, to, stride, pc == 0);
                            }
                        }
                    });
                    if pc + kc == b.rows {
                        let place = Place { rows: a.rows, ic, jc, nc };
                        sums.c.iter().for_each(|target| scatter(*target, result, stride, &place, b, c));
                    }
                });
            }
        }
    }

    /// Where rows of a product belong in a block of C of `rows` rows: from its row `ic` and column `jc` on, nc columns.
    struct Place {
        rows: usize,
        ic: usize,
        jc: usize,
        nc: usize,
    }

    /// Adds rows of a product to one block of C, or stores them there if they are the first. Nothing is written outside
    /// C, which has the columns of B.
    fn scatter(target: Target, from: &[f32], stride: usize, place: &Place, b: Blocked, c: &mut [f32]) {
        /// Rows that are added at a time.
        const ROWS: usize = 16;
        let (times, width) = (target.block.times, b.width);
        let (first, count) = (target.block.row * place.rows + place.ic, (place.rows - place.ic).min(from.len() / stride));
        let top = (first * width).min(c.len());
        let bottom = (top + count * width).min(c.len());
        let left = (target.block.col * b.cols + place.jc).min(width);
        let right = (left + place.nc).min(width);
        let parts = c[top..bottom].chunks_mut(ROWS * width).zip(from.chunks(ROWS * stride));
        parts.for_each(|(c, from)| {
            for (i, from) in from.chunks(stride).take(c.len() / width).enumerate() {
                prefetch(c.get((i + 1) * width + left..(i + 1) * width + right).unwrap_or(&[]));
                let pairs = c[i * width + left..i * width + right].iter_mut().zip(from);
                if target.first {
                    pairs.for_each(|(to, x)| *to = times * x);
                } else {
                    pairs.for_each(|(to, x)| *to += times * x);
                }
            }
        });
    }

    /// The distance of the rows of the packed block of A.
    fn leading(kc: usize) -> usize {
        kc.next_multiple_of(16) + SPREAD
    }

    /// Packs the sum of the blocks of A, mc rows of kc elements, in rows `leading(kc)` apart. Rows up to the next
    /// multiple of MR are zero.
    fn pack_a(terms: &[Term], a: Blocked, (ic, mc): (usize, usize), (pc, kc): (usize, usize), block: &mut [f32]) {
        let mut rows = Vec::with_capacity(terms.len());
        for (i, to) in block.chunks_exact_mut(leading(kc)).take(mc.next_multiple_of(MR)).enumerate() {
            rows.clear();
            if i < mc {
                rows.extend(terms.iter().map(|term| (a.piece(*term, ic + i, pc, kc), term.times)));
                terms.iter().for_each(|term| prefetch(a.piece(*term, ic + i + 1, pc, kc)));
            }
            sum(&mut to[..kc], &rows);
        }
    }

    /// Packs the sum of the blocks of B, kc rows of nc elements, into strips of NR columns; columns beyond nc are zero.
    fn pack_b(terms: &[Term], b: Blocked, (pc, kc): (usize, usize), (jc, nc): (usize, usize), block: &mut [f32]) {
        /// Columns whose sum is formed at a time, in L1.
        const WIDTH: usize = NC;
        let strip = kc * NR + SPREAD;
        let block = &mut block[..nc.div_ceil(NR) * strip];
        block.chunks_mut(WIDTH / NR * strip).enumerate().for_each(|(i, strips)| {
            let j = i * WIDTH;
            let cols = WIDTH.min(nc - j);
            let mut row = [0.0f32; WIDTH];
            let mut rows = Vec::with_capacity(terms.len());
            for p in 0..kc {
                rows.clear();
                rows.extend(terms.iter().map(|term| (b.piece(*term, pc + p, jc + j, cols), term.times)));
                terms.iter().for_each(|term| prefetch(b.piece(*term, pc + p + 1, jc + j, cols)));
                sum(&mut row[..cols], &rows);
                for (to, from) in strips.chunks_mut(strip).zip(row.as_chunks::<NR>().0) {
                    to[p * NR..][..NR].copy_from_slice(from);
                }
            }
        });
    }

    /// to = the sum of the rows, each with its factor. A row that is shorter counts as zero beyond its end.
    fn sum(to: &mut [f32], rows: &[(&[f32], f32)]) {
        match *rows {
            // All rows are streamed together: the memory latency of one hides behind the others.
            [x] if full(rows, to.len()) => sum_of(to, [x]),
            [x, y] if full(rows, to.len()) => sum_of(to, [x, y]),
            [x, y, z] if full(rows, to.len()) => sum_of(to, [x, y, z]),
            [x, y, z, w] if full(rows, to.len()) => sum_of(to, [x, y, z, w]),
            _ => {
                to.fill(0.0);
                for (row, times) in rows {
                    to.iter_mut().zip(*row).for_each(|(to, x)| *to += times * x);
                }
            }
        }
    }

    fn full(rows: &[(&[f32], f32)], len: usize) -> bool {
        rows.iter().all(|(row, _)| row.len() == len)
    }

    fn sum_of<const N: usize>(to: &mut [f32], rows: [(&[f32], f32); N]) {
        let rows = rows.map(|(row, times)| (&row[..to.len()], times));
        for (i, to) in to.iter_mut().enumerate() {
            let mut sum = rows[0].1 * rows[0].0[i];
            for (row, times) in &rows[1..] {
                sum += times * row[i];
            }
            *to = sum;
        }
    }

    /// The length of the pieces when `total` is cut into the fewest of at most `most`, all but the last of them equally
    /// long and a multiple of `unit`.
    fn piece(total: usize, most: usize, unit: usize) -> usize {
        let units = total.div_ceil(unit);
        units.div_ceil(units.div_ceil(most / unit)) * unit
    }
}

/// The kernel that multiplies small products, and the micro-kernel of the large ones.
mod inner {
    //! The inner kernel of strassen x2 over packed_intrinsics
    //!
    //! C (m x n) = A (m x k) * B (k x n), row-major and contiguous, f32.
    //! BLIS-style loops around a 6 x 16 register tile (2 vectors of 8 floats per row), one thread. A is
    //! read in place; B is packed a KC x NC block at a time. Nothing is packed if m*k*n <= 128^3.
    //!
    //! Schedule: family = packed_intrinsics, isa = avx2, mr = 6, nr = 16, kc = 1024, mc = 48, nc = 1024,
    //! unroll = 8, resident = b, pack_a = none, pack_b = panel, prefetch_b = 0, prefetch_c = True, edges =
    //! mask, direct_edge = 128, thin = True, threads = 1, scratch = thread_local.
    //! Key: 7bfa2ea821ab90a6.

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
    pub use simd::{prefetch, product_tile, MR, NR};

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
        pub const MR: usize = 6;
        const NV: usize = 2;
        pub const NR: usize = NV * LANES;
        /// Cache blocks in elements: KC is depth, MC rows (a multiple of MR), NC columns (a multiple of NR).
        const KC: usize = 1024;
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

        /// A whole MR x NR tile of C, rows `ldc` apart: MR rows of A, `lda` apart and k long, times k rows of NR elements of
        /// B. If `first`, C is stored, else added to.
        pub fn product_tile(k: usize, a: &[f32], lda: usize, b: &[f32], c: &mut [f32], ldc: usize, first: bool) {
            assert!(a.len() >= (MR - 1) * lda + k && b.len() >= k * NR && c.len() >= (MR - 1) * ldc + NR);
            let (a, b, c) = (a.as_ptr(), b.as_ptr(), c.as_mut_ptr());
            // SAFETY: the caller runs only on CPUs with avx2,fma, and the assertion bounds all that is accessed.
            unsafe {
                micro::<MR, NV, false>(k, a, lda, b, NR, c, ldc, 0, first);
            }
        }

        /// Asks for the first cache lines of a row, before which the hardware's prefetchers have no stream to follow.
        pub fn prefetch(row: &[f32]) {
            /// Cache lines to ask for, of 16 floats each.
            const LINES: usize = 8;
            for line in row.chunks(16).take(LINES) {
                // SAFETY: a prefetch changes nothing that a program can see.
                unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
            }
        }
    }
}
