//! A scheme modulo 2: rows of three bit masks, and which rows share a factor.

use crate::rows::Rows;
use std::fmt::Write;

/// Bits of a factor: one block of A, B or C each.
pub trait Mask: Copy + Eq + Send + Sync + 'static {
    const ZERO: Self;
    fn plus(self, other: Self) -> Self;
    fn weight(self) -> u32;
    fn parse(text: &str) -> Option<Self>;
    fn hex(self, into: &mut String);
}

macro_rules! mask {
    ($kind:ty) => {
        impl Mask for $kind {
            const ZERO: Self = 0;
            fn plus(self, other: Self) -> Self {
                self ^ other
            }
            fn weight(self) -> u32 {
                self.count_ones()
            }
            fn parse(text: &str) -> Option<Self> {
                Self::from_str_radix(text, 16).ok()
            }
            fn hex(self, into: &mut String) {
                write!(into, "{self:x}").expect("a String takes any text");
            }
        }
    };
}
mask!(u32);
mask!(u64);

/// Room for rows of any scheme; `Rows::MOST` of them are used.
pub const ROOM: usize = 128;

/// The rows of a scheme, in no order. `factors[f][i]` is factor f of row i, zero beyond `rank`; no factor of a row is
/// zero. `same[f][i]` are the other rows with the same factor f, and `paired[f]` the rows that have such a partner.
#[derive(Clone)]
pub struct Scheme<M, R> {
    pub rank: usize,
    /// Nonzero coefficients.
    weight: u32,
    factors: [[M; ROOM]; 3],
    same: [[R; ROOM]; 3],
    paired: [R; 3],
}

impl<M: Mask, R: Rows> Scheme<M, R> {
    /// Reads `U,V,W;U,V,W;…` in hexadecimal.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut found = Scheme {
            rank: 0,
            weight: 0,
            factors: [[M::ZERO; ROOM]; 3],
            same: [[R::NONE; ROOM]; 3],
            paired: [R::NONE; 3],
        };
        for row in text.trim().split(';') {
            let masks: Vec<M> = row.split(',').map_while(M::parse).collect();
            let &[u, v, w] = masks.as_slice() else { return Err(format!("not a row of three masks: {row}")) };
            if found.rank == R::MOST {
                return Err(format!("more than {} products", R::MOST));
            }
            if u != M::ZERO && v != M::ZERO && w != M::ZERO {
                found.push([u, v, w]);
            }
        }
        found.reduce();
        Ok(found)
    }

    /// Rank and weight in one number, smaller for better schemes.
    pub fn value(&self) -> u64 {
        (self.rank as u64) << 32 | u64::from(self.weight)
    }

    /// The text that `read` reads.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for i in 0..self.rank {
            for f in 0..3 {
                text.push_str(if f > 0 {
                    ","
                } else if i > 0 {
                    ";"
                } else {
                    ""
                });
                self.factors[f][i].hex(&mut text);
            }
        }
        text
    }

    fn push(&mut self, row: [M; 3]) {
        for f in 0..3 {
            self.factors[f][self.rank] = row[f];
        }
        self.rank += 1;
    }

    fn remove(&mut self, i: usize) {
        self.rank -= 1;
        for factor in &mut self.factors {
            factor[i] = factor[self.rank];
            factor[self.rank] = M::ZERO;
        }
    }

    /// Finds all partners anew.
    fn pair_up(&mut self) {
        for f in 0..3 {
            self.paired[f] = R::NONE;
            for i in 0..self.rank {
                self.same[f][i] = self.equal(f, self.factors[f][i]).without(i);
                if self.same[f][i] != R::NONE {
                    self.paired[f] = self.paired[f].or(R::one(i));
                }
            }
        }
    }

    /// The rows whose factor f is `mask`.
    #[inline]
    fn equal(&self, f: usize, mask: M) -> R {
        R::equal(&self.factors[f], self.rank, mask)
    }

    /// The number of rows and factors that a flip can start from; 0 when there is no flip.
    pub fn flips(&self) -> u32 {
        self.paired.iter().map(|rows| rows.count()).sum()
    }

    /// One random flip: rows i and j share a factor, a⊗b⊗c + a⊗b'⊗c' = a⊗(b+b')⊗c + a⊗b'⊗(c+c'). Then reduces the rank
    /// where rows became zero or agree in two factors; returns whether it did. Needs `flips() > 0`.
    #[inline]
    pub fn flip(&mut self, random: &mut fastrand::Rng) -> bool {
        let bits = random.u64(..);
        let mut at = scaled(bits as u32, self.flips());
        let mut f = 0;
        while at >= self.paired[f].count() {
            at -= self.paired[f].count();
            f += 1;
        }
        let i = self.paired[f].nth(at);
        let partners = self.same[f][i];
        let j = partners.nth(scaled((bits >> 31) as u32 & !1, partners.count()));
        let (g, h) = if bits >> 63 == 0 { ((f + 1) % 3, (f + 2) % 3) } else { ((f + 2) % 3, (f + 1) % 3) };
        let first = self.change(g, i, j);
        let second = self.change(h, j, i);
        if first || second {
            self.reduce();
        }
        first || second
    }

    /// Adds factor f of row j to that of row i; returns whether the rank can be reduced now.
    #[inline]
    fn change(&mut self, f: usize, i: usize, j: usize) -> bool {
        let mask = self.factors[f][i].plus(self.factors[f][j]);
        self.weight = self.weight + mask.weight() - self.factors[f][i].weight();
        self.factors[f][i] = mask;
        for old in self.same[f][i].each() {
            self.same[f][old] = self.same[f][old].without(i);
            if self.same[f][old] == R::NONE {
                self.paired[f] = self.paired[f].without(old);
            }
        }
        let rows = if mask == M::ZERO { R::NONE } else { self.equal(f, mask).without(i) };
        self.same[f][i] = rows;
        if rows == R::NONE {
            self.paired[f] = self.paired[f].without(i);
            return mask == M::ZERO;
        }
        self.paired[f] = self.paired[f].or(rows).or(R::one(i));
        for new in rows.each() {
            self.same[f][new] = self.same[f][new].or(R::one(i));
        }
        let others = self.same[(f + 1) % 3][i].or(self.same[(f + 2) % 3][i]);
        rows.and(others) != R::NONE
    }

    /// Removes rows with a zero factor and merges rows that agree in two factors, until there are none.
    fn reduce(&mut self) {
        loop {
            let zero = (0..self.rank).find(|&i| (0..3).any(|f| self.factors[f][i] == M::ZERO));
            if let Some(i) = zero {
                self.remove(i);
                continue;
            }
            self.pair_up();
            let Some((f, i, j)) = self.alike() else {
                self.weight = self.factors.iter().flatten().map(|mask| mask.weight()).sum();
                return;
            };
            // a⊗b⊗c + a⊗b⊗c' = a⊗b⊗(c+c')
            self.factors[f][i] = self.factors[f][i].plus(self.factors[f][j]);
            self.remove(j);
        }
    }

    /// Two rows that agree in all factors but f.
    fn alike(&self) -> Option<(usize, usize, usize)> {
        (0..3).find_map(|f| {
            let (g, h) = ((f + 1) % 3, (f + 2) % 3);
            let both = |i: usize| self.same[g][i].and(self.same[h][i]);
            let found = (0..self.rank).find(|&i| both(i) != R::NONE)?;
            Some((f, found, both(found).lowest()))
        })
    }

    /// One more product, so that the walk leaves a part of the graph that flips alone cannot leave (Arai, Ichikawa and
    /// Hukushima 2024): a⊗b⊗c + a'⊗b'⊗c' = a⊗(b+b')⊗c + a⊗b'⊗(c+c') + (a+a')⊗b'⊗c'.
    pub fn plus(&mut self, random: &mut fastrand::Rng) {
        if self.rank < 2 || self.rank == R::MOST {
            return;
        }
        let i = random.usize(..self.rank);
        let j = (i + random.usize(1..self.rank)) % self.rank;
        let f = random.usize(..3);
        let (g, h) = ((f + 1) % 3, (f + 2) % 3);
        let row = |at: usize| [self.factors[f][at], self.factors[g][at], self.factors[h][at]];
        let ([a, b, c], [a2, b2, c2]) = (row(i), row(j));
        let mut third = [M::ZERO; 3];
        (third[f], third[g], third[h]) = (a.plus(a2), b2, c2);
        self.factors[g][i] = b.plus(b2);
        (self.factors[f][j], self.factors[h][j]) = (a, c.plus(c2));
        self.push(third);
        self.reduce();
    }
}

/// A number below `count` from 32 random bits.
fn scaled(bits: u32, count: u32) -> u32 {
    ((u64::from(bits) * u64::from(count)) >> 32) as u32
}
