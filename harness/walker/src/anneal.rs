//! Simulated annealing among the schemes of one rank: changes of basis and flips, for the fewest additions or the
//! fewest nonzero coefficients.

use crate::sums::Elimination;
use crate::ternary::{Changes, Ternary};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// What is to be small.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    /// Additions when common sums are computed once.
    Additions,
    /// Nonzero coefficients.
    Nonzero,
}

/// Factors whose additions are remembered; then all are forgotten.
const REMEMBERED: usize = 1 << 20;

/// Flips after which a detour is given up.
const DETOUR: u32 = 2_000;
/// The most detours between two walks, as a power of two.
const MOST_DETOURS: u32 = 11;

/// Cost and error growth; smaller is better, the cost first.
pub type Value = (u32, u32);

/// One thread's walks. Each depends on the seed and on the walks before it only, not on time.
pub struct Annealing {
    aim: Aim,
    changes: Changes,
    elimination: Elimination,
    known: [HashMap<u64, u16, BuildHasherDefault<Plain>>; 3],
    random: fastrand::Rng,
}

impl Annealing {
    pub fn new(aim: Aim, format: [usize; 3], seed: u64) -> Self {
        let known = [HashMap::default(), HashMap::default(), HashMap::default()];
        let random = fastrand::Rng::with_seed(seed);
        Annealing { aim, changes: Changes::new(format), elimination: Elimination::new(), known, random }
    }

    /// The cost of one factor.
    fn cost(&mut self, scheme: &Ternary, factor: usize) -> u32 {
        let sums = scheme.sums(factor);
        if self.aim == Aim::Nonzero {
            return sums.iter().map(|sum| sum.terms()).sum();
        }
        // The same for every order and sign of the products.
        let key = sums.iter().fold(0u64, |all, sum| all.wrapping_add(mixed(sum.plus, sum.minus)));
        if let Some(&cost) = self.known[factor].get(&key) {
            return u32::from(cost);
        }
        if self.known[factor].len() == REMEMBERED {
            self.known[factor].clear();
        }
        let cost = self.elimination.additions(sums, scheme.blocks[factor], factor == 2, &mut self.random);
        self.known[factor].insert(key, cost as u16);
        cost
    }

    pub fn costs(&mut self, scheme: &Ternary) -> [u32; 3] {
        [0, 1, 2].map(|factor| self.cost(scheme, factor))
    }

    /// A walk of so many steps from `here`, with a heat that falls from `hot` (in units of the cost) to 0. Returns the
    /// best scheme of the walk and its value.
    pub fn walk(&mut self, mut here: Ternary, steps: u64, hot: f64) -> (Ternary, Value) {
        let mut costs = self.costs(&here);
        let mut best = (costs.iter().sum(), here.growth());
        let mut found = here.clone();
        let mut heat = 0.0;
        for step in 0..steps {
            if step % 64 == 0 {
                let left = 1.0 - step as f64 / steps as f64;
                heat = hot * left * left;
            }
            let mut there = here.clone();
            let changed = if self.random.bool() {
                there.change(&self.changes, &mut self.random)
            } else {
                there.flip(&mut self.random)
            };
            let Some(changed) = changed else { continue };
            let mut new = costs;
            for factor in changed {
                new[factor] = self.cost(&there, factor);
            }
            let (before, after) = (costs.iter().sum::<u32>(), new.iter().sum::<u32>());
            if after > before && self.random.f64() >= (-f64::from(after - before) / heat.max(1e-9)).exp() {
                continue;
            }
            here = there;
            costs = new;
            if after <= best.0 {
                let value = (after, here.growth());
                if value < best {
                    best = value;
                    found = here.clone();
                }
            }
        }
        (found, best)
    }

    /// Another scheme of the same rank: after a random number of detours over one more product, few as often as many.
    pub fn elsewhere(&mut self, mut here: Ternary) -> Ternary {
        for _ in 0..1 << self.random.u32(..=MOST_DETOURS) {
            let mut there = here.clone();
            if there.detour(DETOUR, &mut self.random) && there.rank == here.rank {
                here = there;
            }
        }
        here
    }

    /// A random number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        self.random.usize(..end)
    }
}

/// A hash of a sum and of its negative.
#[inline]
fn mixed(plus: u64, minus: u64) -> u64 {
    let one = |mask: u64| {
        let x = (mask ^ mask >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (x ^ x >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9)
    };
    let both = one(plus).wrapping_add(one(minus)) ^ one(plus | minus).rotate_left(17);
    (both ^ both >> 31).wrapping_mul(0x94d0_49bb_1331_11eb)
}

/// The keys are hashes already.
#[derive(Default)]
pub struct Plain(u64);

impl Hasher for Plain {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0 << 8 ^ u64::from(byte);
        }
    }
    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}
