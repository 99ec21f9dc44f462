//! Detours over one more product: they lead to schemes that flips and changes of basis at one rank do not reach.

use crate::ternary::{Sum, Ternary, MOST};

impl Ternary {
    /// Adds a product, then flips at random until the rank is `rank` or less; false after `limit` flips without that.
    pub fn detour(&mut self, limit: u32, random: &mut fastrand::Rng) -> bool {
        let rank = self.rank;
        if rank == MOST || !(0..100).any(|_| self.split(random)) {
            return false;
        }
        for _ in 0..limit {
            self.flip_or_vanish(random);
            if self.rank <= rank {
                return true;
            }
        }
        false
    }

    /// One product more, after Arai, Ichikawa and Hukushima (2024): x⊗y⊗z + x'⊗y'⊗z' is also
    /// x⊗(y+y')⊗z + x⊗y'⊗(z'-z) + (x'-x)⊗y'⊗z'. False when a coefficient would be 2 or a sum would vanish.
    fn split(&mut self, random: &mut fastrand::Rng) -> bool {
        let (i, j, f) = (random.usize(..self.rank), random.usize(..self.rank), random.usize(..3));
        if i == j {
            return false;
        }
        let (g, h) = if random.bool() { ((f + 1) % 3, (f + 2) % 3) } else { ((f + 2) % 3, (f + 1) % 3) };
        let [x, y, z] = [f, g, h].map(|factor| self.factors[factor][i]);
        let [mut x2, mut y2, mut z2] = [f, g, h].map(|factor| self.factors[factor][j]);
        // Two signs of a product may change without changing it.
        match random.u32(..4) {
            1 => (x2, y2) = (x2.negative(), y2.negative()),
            2 => (x2, z2) = (x2.negative(), z2.negative()),
            3 => (y2, z2) = (y2.negative(), z2.negative()),
            _ => {}
        }
        let sums = (y.and(y2, false), z2.and(z, true), x2.and(x, true));
        let (Some(y), Some(z), Some(rest)) = sums else { return false };
        if y.is_zero() || z.is_zero() || rest.is_zero() {
            return false;
        }
        self.factors[g][i] = y;
        self.put(j, [f, g, h], [x, y2, z]);
        self.rank += 1;
        self.put(self.rank - 1, [f, g, h], [rest, y2, z2]);
        true
    }

    fn put(&mut self, t: usize, places: [usize; 3], sums: [Sum; 3]) {
        for (factor, sum) in places.into_iter().zip(sums) {
            self.factors[factor][t] = sum;
        }
    }

    /// A flip, after which products that are zero are removed, and two that agree in two factors become one.
    fn flip_or_vanish(&mut self, random: &mut fastrand::Rng) {
        let Some((i, j)) = self.flip_rows(random) else { return };
        // From behind, because the last product takes the place of one that is removed.
        for t in [i.max(j), i.min(j)] {
            if (0..3).any(|factor| self.factors[factor][t].is_zero()) {
                self.remove(t);
            }
        }
        for t in [i.max(j), i.min(j)] {
            if t < self.rank {
                self.merge(t);
            }
        }
    }

    fn remove(&mut self, t: usize) {
        self.rank -= 1;
        for factor in &mut self.factors {
            factor[t] = factor[self.rank];
        }
    }

    /// Makes one product of t and another that agrees with it in two factors, if there is one.
    fn merge(&mut self, t: usize) {
        for other in (0..self.rank).filter(|&other| other != t) {
            let signs = [0, 1, 2].map(|f| sign(self.factors[f][t], self.factors[f][other]));
            let free = (0..3).find(|&f| signs[(f + 1) % 3].is_some() && signs[(f + 2) % 3].is_some());
            let Some(f) = free else { continue };
            let negate = signs[(f + 1) % 3] != signs[(f + 2) % 3];
            let Some(sum) = self.factors[f][t].and(self.factors[f][other], negate) else { continue };
            self.factors[f][t] = sum;
            let (first, last) = (t.min(other), t.max(other));
            if sum.is_zero() {
                self.remove(last);
                self.remove(first);
            } else {
                self.remove(other);
            }
            return;
        }
    }
}

/// Whether the second sum is the negative of the first; None when it is another sum.
fn sign(one: Sum, other: Sum) -> Option<bool> {
    if one == other {
        Some(false)
    } else {
        (one == other.negative()).then_some(true)
    }
}
