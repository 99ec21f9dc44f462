//! Sets of rows as bit masks: 64 rows in one word, or 128.

/// A set of row numbers below `MOST`.
pub trait Rows: Copy + Eq + Send + Sync + 'static {
    /// The most rows.
    const MOST: usize;
    const NONE: Self;
    fn one(i: usize) -> Self;
    fn or(self, other: Self) -> Self;
    fn and(self, other: Self) -> Self;
    fn without(self, i: usize) -> Self;
    fn count(self) -> u32;
    /// The lowest member; the set is not empty.
    fn lowest(self) -> usize;
    fn without_lowest(self) -> Self;
    /// The rows whose entry in `list` is `mask`; only the first `rank` entries count, the others are no mask's.
    fn equal<M: Copy + Eq>(list: &[M], rank: usize, mask: M) -> Self;

    /// Member number `n`, counted from 0.
    fn nth(mut self, n: u32) -> usize {
        for _ in 0..n {
            self = self.without_lowest();
        }
        self.lowest()
    }

    /// The members in order.
    fn each(mut self) -> impl Iterator<Item = usize> {
        std::iter::from_fn(move || {
            (self != Self::NONE).then(|| {
                let i = self.lowest();
                self = self.without_lowest();
                i
            })
        })
    }
}

/// The entries of one word's worth of rows that are `mask`.
#[inline]
fn word<M: Copy + Eq>(list: &[M], mask: M) -> u64 {
    list.iter().enumerate().fold(0, |rows, (j, &x)| rows | (u64::from(x == mask) << j))
}

macro_rules! rows {
    ($kind:ty, $most:expr, |$list:ident, $rank:ident, $mask:ident| $equal:expr) => {
        impl Rows for $kind {
            const MOST: usize = $most;
            const NONE: Self = 0;
            fn one(i: usize) -> Self {
                1 << i
            }
            fn or(self, other: Self) -> Self {
                self | other
            }
            fn and(self, other: Self) -> Self {
                self & other
            }
            fn without(self, i: usize) -> Self {
                self & !(1 << i)
            }
            fn count(self) -> u32 {
                self.count_ones()
            }
            fn lowest(self) -> usize {
                self.trailing_zeros() as usize
            }
            fn without_lowest(self) -> Self {
                self & (self - 1)
            }
            #[inline]
            fn equal<M: Copy + Eq>($list: &[M], $rank: usize, $mask: M) -> Self {
                $equal
            }
        }
    };
}
rows!(u64, 64, |list, _rank, mask| word(&list[..64], mask));
rows!(u128, 128, |list, rank, mask| {
    let above = if rank > 64 { word(&list[64..128], mask) } else { 0 };
    u128::from(word(&list[..64], mask)) | u128::from(above) << 64
});
