//! A scheme modulo 2: rows of three bit masks, and which rows share a factor.

use crate::rows::Rows;
use crate::state::{hex, masks, scaled, Mask, State};

/// Room for rows of any scheme; `Rows::MOST` of them are used.
const ROOM: usize = 128;

/// The rows of a scheme, in no order. `factors[f][i]` is factor f of row i, zero beyond `rank`; no factor of a row is
/// zero. `same[f][i]` are the other rows with the same factor f, and `paired[f]` the rows that have such a partner.
#[derive(Clone)]
pub struct Scheme<M, R> {
    rank: usize,
    /// Nonzero coefficients.
    weight: u32,
    factors: [[M; ROOM]; 3],
    same: [[R; ROOM]; 3],
    paired: [R; 3],
}

impl<M: Mask, R: Rows> State for Scheme<M, R> {
    fn read(text: &str) -> Result<Self, String> {
        let mut found = Scheme {
            rank: 0,
            weight: 0,
            factors: [[M::ZERO; ROOM]; 3],
            same: [[R::NONE; ROOM]; 3],
            paired: [R::NONE; 3],
        };
        for row in text.trim().split(';') {
            let row = masks(row)?;
            if found.rank == R::MOST {
                return Err(format!("more than {} products", R::MOST));
            }
            if row.iter().all(|&mask| mask != M::ZERO) {
                found.push(row);
            }
        }
        found.reduce();
        Ok(found)
    }

    fn rank(&self) -> usize {
        self.rank
    }

    fn weight(&self) -> u32 {
        self.weight
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for i in 0..self.rank {
            hex(&mut text, i == 0, self.factors.map(|factor| factor[i]));
        }
        text
    }

    fn flips(&self) -> u32 {
        self.paired.iter().map(|rows| rows.count()).sum()
    }

    #[inline]
    fn flip(&mut self, random: &mut fastrand::Rng) -> bool {
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

    fn plus(&mut self, random: &mut fastrand::Rng) {
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

impl<M: Mask, R: Rows> Scheme<M, R> {
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
}
