//! Additions of a factor when common sums are computed once: greedy elimination of the most frequent pair (Paar 1997).

use crate::ternary::Sum;

/// Room for inputs and shared sums at the same time; a sum that is used up makes room.
const ROOM: usize = 128;

/// Memory for the elimination, used again and again.
pub struct Elimination {
    /// For each input or shared sum, the forms that contain it, by sign.
    terms: [Sum; ROOM],
    used: usize,
    /// In how many forms s and t have equal signs (0) or opposite signs (1), for s < t.
    counts: [Box<[[u8; ROOM]; ROOM]>; 2],
    /// The largest count in each row of both tables.
    largest: [u8; ROOM],
}

impl Elimination {
    pub fn new() -> Self {
        let table = || Box::new([[0; ROOM]; ROOM]);
        let counts = [table(), table()];
        Elimination { terms: [Sum::default(); ROOM], used: 0, counts, largest: [0; ROOM] }
    }

    /// Additions of the sums of a factor with `blocks` blocks, where `outputs` says that they are those of C: products
    /// are added to blocks there. A linear map and its transpose cost the same up to the numbers of their inputs and
    /// outputs (Tellegen's principle); the better of both counts.
    pub fn additions(&mut self, sums: &[Sum], blocks: usize, outputs: bool, random: &mut fastrand::Rng) -> u32 {
        let by_block = transposed(&distinct(sums), blocks);
        let by_product = transposed(&distinct(&transposed(sums, blocks)), sums.len());
        let used = sums.iter().fold(0, |all, sum| all | sum.plus | sum.minus).count_ones() as i64;
        let products = sums.len() as i64;
        let (straight, reversed, more) =
            if outputs { (by_product, by_block, products - used) } else { (by_block, by_product, used - products) };
        let straight = i64::from(self.fewest(&straight, random));
        let reversed = i64::from(self.fewest(&reversed, random)) + more;
        straight.min(reversed).max(0) as u32
    }

    /// Additions after greedy elimination: the most frequent pair becomes a new variable until no pair occurs twice;
    /// ties are broken at random. `inputs` are the forms that contain each input.
    fn fewest(&mut self, inputs: &[Sum], random: &mut fastrand::Rng) -> u32 {
        self.used = inputs.len();
        self.terms[..self.used].copy_from_slice(inputs);
        let forms = inputs.iter().fold(0, |all, sum| all | sum.plus | sum.minus).count_ones();
        for s in 0..self.used {
            self.count_after(s);
        }
        let mut shared = 0;
        while let Some((s, t, opposite)) = self.most_frequent(random) {
            if !self.share(s, t, opposite) {
                break;
            }
            shared += 1;
        }
        shared + self.terms[..self.used].iter().map(|sum| sum.terms()).sum::<u32>() - forms
    }

    /// Counts the pairs of s with later ones.
    fn count_after(&mut self, s: usize) {
        let one = self.terms[s];
        let [equal, opposite] = &mut self.counts;
        let mut most = 0;
        for t in s + 1..self.used {
            let (same, other) = pair(one, self.terms[t]);
            equal[s][t] = same;
            opposite[s][t] = other;
            most = most.max(same).max(other);
        }
        self.largest[s] = most;
    }

    /// A random one of the most frequent pairs; None when none occurs twice.
    fn most_frequent(&self, random: &mut fastrand::Rng) -> Option<(usize, usize, bool)> {
        let most = self.largest[..self.used].iter().copied().max().unwrap_or(0);
        if most < 2 {
            return None;
        }
        let mut found = (0, 0, false);
        let mut ties = 0;
        for s in (0..self.used).filter(|&s| self.largest[s] == most) {
            for (table, opposite) in self.counts.iter().zip([false, true]) {
                for t in s + 1..self.used {
                    if table[s][t] == most {
                        ties += 1;
                        if ties == 1 || random.u32(..ties) == 0 {
                            found = (s, t, opposite);
                        }
                    }
                }
            }
        }
        Some(found)
    }

    /// Makes the pair a variable of its own; false when there is no room.
    fn share(&mut self, s: usize, t: usize, opposite: bool) -> bool {
        let (x, y) = (self.terms[s], if opposite { self.terms[t].negative() } else { self.terms[t] });
        let pair = Sum { plus: x.plus & y.plus, minus: x.minus & y.minus };
        let forms = !(pair.plus | pair.minus);
        for at in [s, t] {
            self.terms[at] = Sum { plus: self.terms[at].plus & forms, minus: self.terms[at].minus & forms };
        }
        // A variable that is in no form any more makes room.
        let free = [s, t].into_iter().find(|&at| self.terms[at].is_zero());
        let fresh = free.unwrap_or(self.used);
        if fresh == ROOM {
            return false;
        }
        self.used = self.used.max(fresh + 1);
        self.terms[fresh] = pair;
        self.count_again([s, t, fresh]);
        true
    }

    /// Counts the pairs of three variables anew.
    fn count_again(&mut self, changed: [usize; 3]) {
        for s in 0..self.used {
            if changed.contains(&s) {
                self.count_after(s);
                continue;
            }
            let one = self.terms[s];
            let mut falls = false;
            for t in changed {
                if t > s {
                    let (same, other) = pair(one, self.terms[t]);
                    let before = self.counts[0][s][t].max(self.counts[1][s][t]);
                    self.counts[0][s][t] = same;
                    self.counts[1][s][t] = other;
                    falls |= before >= self.largest[s];
                    self.largest[s] = self.largest[s].max(same).max(other);
                }
            }
            if falls {
                self.largest[s] = self.row_largest(s);
            }
        }
    }

    fn row_largest(&self, s: usize) -> u8 {
        let range = s + 1..self.used;
        let most = |table: &[[u8; ROOM]; ROOM]| table[s][range.clone()].iter().copied().max().unwrap_or(0);
        most(&self.counts[0]).max(most(&self.counts[1]))
    }
}

/// In how many forms both have equal signs, and in how many opposite ones.
#[inline]
fn pair(one: Sum, other: Sum) -> (u8, u8) {
    let equal = (one.plus & other.plus) | (one.minus & other.minus);
    let opposite = (one.plus & other.minus) | (one.minus & other.plus);
    (equal.count_ones() as u8, opposite.count_ones() as u8)
}

/// The sums, of which those that are zero, or like an earlier one but for the sign, are zero: a sum is computed once.
fn distinct(sums: &[Sum]) -> Vec<Sum> {
    let twice = |t: usize| sums[..t].iter().any(|&one| one == sums[t] || one == sums[t].negative());
    (0..sums.len()).map(|t| if twice(t) { Sum::default() } else { sums[t] }).collect()
}

/// For each of `inputs` variables the sums that contain it, by sign.
fn transposed(sums: &[Sum], inputs: usize) -> Vec<Sum> {
    let mut columns = vec![Sum::default(); inputs];
    for (t, sum) in sums.iter().enumerate() {
        spread(sum.plus, |block| columns[block].plus |= 1 << t);
        spread(sum.minus, |block| columns[block].minus |= 1 << t);
    }
    columns
}

/// Calls `take` with each bit of the mask.
#[inline]
fn spread(mut mask: u64, mut take: impl FnMut(usize)) {
    while mask != 0 {
        take(mask.trailing_zeros() as usize);
        mask &= mask - 1;
    }
}
