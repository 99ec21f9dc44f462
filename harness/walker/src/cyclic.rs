//! A scheme modulo 2 for square matrices that stays the same when A, B and the transposed C change places in a circle:
//! cubes a⊗a⊗a, and orbits a⊗b⊗c + b⊗c⊗a + c⊗a⊗b (Moosbauer and Poole 2025).
//!
//! A flip of two orbits is a flip of three pairs of products at once, so that the search has a third of the rows. The
//! cubes of a scheme never change.

use crate::rows::Rows;
use crate::state::{hex, masks, scaled, State};
use std::fmt::Write;

/// Masks of up to 5x5 blocks.
type Mask = u32;
/// Sets of orbits.
type Set = u64;
/// Room for orbits.
const ROOM: usize = 64;

/// The orbits are in no order, each as one of its products. `factors[f][i]` is factor f of orbit i, zero beyond `orbits`.
/// `same[f][i][g]` are the other orbits whose factor g is factor f of orbit i, and `paired[f]` the orbits for whose
/// factor f there is one.
#[derive(Clone)]
pub struct Cyclic {
    cubes: Vec<Mask>,
    orbits: usize,
    /// Nonzero coefficients of one factor.
    weight: u32,
    factors: [[Mask; ROOM]; 3],
    same: [[[Set; 3]; ROOM]; 3],
    paired: [Set; 3],
}

/// The orbits whose factor is `mask`.
#[inline]
fn equal(factor: &[Mask; ROOM], orbits: usize, mask: Mask) -> Set {
    Set::equal(factor, orbits, mask)
}

impl State for Cyclic {
    fn read(text: &str) -> Result<Self, String> {
        let mut found = Cyclic {
            cubes: Vec::new(),
            orbits: 0,
            weight: 0,
            factors: [[0; ROOM]; 3],
            same: [[[0; 3]; ROOM]; 3],
            paired: [0; 3],
        };
        for row in text.trim().split(';') {
            let [a, b, c] = masks::<Mask>(row)?;
            if a == b && b == c {
                found.cubes.push(a);
            } else if a != 0 && b != 0 && c != 0 {
                if found.orbits == ROOM {
                    return Err(format!("more than {ROOM} orbits"));
                }
                found.push([a, b, c]);
            }
        }
        found.reduce();
        Ok(found)
    }

    fn rank(&self) -> usize {
        self.cubes.len() + 3 * self.orbits
    }

    fn weight(&self) -> u32 {
        self.weight
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for cube in &self.cubes {
            write!(text, "{cube:x},{cube:x},{cube:x};").expect("a String takes any text");
        }
        for i in 0..self.orbits {
            hex(&mut text, i == 0, self.factors.map(|factor| factor[i]));
        }
        text
    }

    fn flips(&self) -> u32 {
        self.paired.iter().map(|orbits| orbits.count()).sum()
    }

    /// Orbits i and j share a factor when they are turned so that it comes first.
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
        let mut at = scaled((bits >> 31) as u32 & !1, partners.iter().map(|orbits| orbits.count()).sum());
        let mut g = 0;
        while at >= partners[g].count() {
            at -= partners[g].count();
            g += 1;
        }
        let j = partners[g].nth(at);
        let (one, two) = if bits >> 63 == 0 { (1, 2) } else { (2, 1) };
        let first = self.change((f + one) % 3, i, self.factors[(g + one) % 3][j]);
        let second = self.change((g + two) % 3, j, self.factors[(f + two) % 3][i]);
        if first || second {
            self.reduce();
        }
        first || second
    }

    fn plus(&mut self, random: &mut fastrand::Rng) {
        if self.orbits < 2 || self.orbits == ROOM {
            return;
        }
        let i = random.usize(..self.orbits);
        let j = (i + random.usize(1..self.orbits)) % self.orbits;
        let (f, g) = (random.usize(..3), random.usize(..3));
        let turned = |at: usize, by: usize| [0, 1, 2].map(|x| self.factors[(by + x) % 3][at]);
        let ([a, b, c], [a2, b2, c2]) = (turned(i, f), turned(j, g));
        for (x, (one, two)) in [(a, a), (b ^ b2, b2), (c, c ^ c2)].into_iter().enumerate() {
            self.factors[x][i] = one;
            self.factors[x][j] = two;
        }
        self.push([a ^ a2, b2, c2]);
        self.reduce();
    }
}

impl Cyclic {
    fn push(&mut self, row: [Mask; 3]) {
        for (factor, mask) in self.factors.iter_mut().zip(row) {
            factor[self.orbits] = mask;
        }
        self.orbits += 1;
    }

    fn remove(&mut self, i: usize) {
        self.orbits -= 1;
        for factor in &mut self.factors {
            factor[i] = factor[self.orbits];
            factor[self.orbits] = 0;
        }
    }

    /// The other orbits in whose factors the mask of factor f of orbit i stands.
    #[inline]
    fn partners(&self, f: usize, i: usize) -> [Set; 3] {
        let mask = self.factors[f][i];
        [0, 1, 2].map(|g| equal(&self.factors[g], self.orbits, mask).without(i))
    }

    /// Finds all partners anew.
    fn pair_up(&mut self) {
        for f in 0..3 {
            self.paired[f] = 0;
            for i in 0..self.orbits {
                self.same[f][i] = self.partners(f, i);
                if self.same[f][i] != [0; 3] {
                    self.paired[f] |= Set::one(i);
                }
            }
        }
    }

    /// Adds `mask` to factor f of orbit i; returns whether the rank can be reduced now.
    #[inline]
    fn change(&mut self, f: usize, i: usize, mask: Mask) -> bool {
        let before = self.factors[f][i];
        let mask = before ^ mask;
        self.weight = self.weight + mask.count_ones() - before.count_ones();
        self.factors[f][i] = mask;
        for g in 0..3 {
            for old in self.same[f][i][g].each() {
                self.same[g][old][f] = self.same[g][old][f].without(i);
                if self.same[g][old] == [0; 3] {
                    self.paired[g] = self.paired[g].without(old);
                }
            }
        }
        let partners = if mask == 0 { [0; 3] } else { self.partners(f, i) };
        self.same[f][i] = partners;
        if partners == [0; 3] {
            self.paired[f] = self.paired[f].without(i);
            return mask == 0;
        }
        self.paired[f] |= Set::one(i);
        for g in 0..3 {
            self.paired[g] |= partners[g];
            for new in partners[g].each() {
                self.same[g][new][f] |= Set::one(i);
            }
        }
        (0..3).any(|turn| partners[(f + turn) % 3] & self.aligned(f, i, turn) != 0)
    }

    /// The orbits that, turned by `turn`, agree with orbit i in a factor other than f.
    #[inline]
    fn aligned(&self, f: usize, i: usize, turn: usize) -> Set {
        [1, 2].into_iter().fold(0, |all, x| all | self.same[(f + x) % 3][i][(f + x + turn) % 3])
    }

    /// Removes orbits with a zero factor and merges orbits that agree in two factors, until there are none.
    fn reduce(&mut self) {
        loop {
            if let Some(i) = (0..self.orbits).find(|&i| self.factors.iter().any(|factor| factor[i] == 0)) {
                self.remove(i);
                continue;
            }
            self.pair_up();
            let Some((f, i, turn, j)) = self.alike() else {
                self.weight = self.factors.iter().flatten().map(|mask| mask.count_ones()).sum();
                return;
            };
            self.factors[f][i] ^= self.factors[(f + turn) % 3][j];
            self.remove(j);
        }
    }

    /// Factor f, orbit i, and orbit j that agrees with it in both other factors once it is turned.
    fn alike(&self) -> Option<(usize, usize, usize, usize)> {
        for f in 0..3 {
            for i in 0..self.orbits {
                for turn in 0..3 {
                    let [g, h] = [(f + 1) % 3, (f + 2) % 3];
                    let both = self.same[g][i][(g + turn) % 3] & self.same[h][i][(h + turn) % 3];
                    if both != 0 {
                        return Some((f, i, turn, both.lowest()));
                    }
                }
            }
        }
        None
    }
}
