//! Schemes with coefficients -1, 0 and 1, and the moves that keep them valid and of the same rank.

use std::fmt::Write;

/// The most products, and the most blocks of a matrix: sets of either are bits of one word.
pub const MOST: usize = 64;

/// A sum of blocks: those that are added and those that are subtracted.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Sum {
    pub plus: u64,
    pub minus: u64,
}

impl Sum {
    pub fn negative(self) -> Self {
        Sum { plus: self.minus, minus: self.plus }
    }

    /// The sum or, where `negate`, the difference; None when a coefficient would be 2 or -2.
    #[inline]
    pub fn and(self, other: Self, negate: bool) -> Option<Self> {
        let other = if negate { other.negative() } else { other };
        let fits = (self.plus & other.plus) | (self.minus & other.minus) == 0;
        let plus = (self.plus & !other.minus) | (other.plus & !self.minus);
        let minus = (self.minus & !other.plus) | (other.minus & !self.plus);
        fits.then_some(Sum { plus, minus })
    }

    pub fn is_zero(self) -> bool {
        self.plus | self.minus == 0
    }

    pub fn terms(self) -> u32 {
        (self.plus | self.minus).count_ones()
    }

    /// The blocks in `from`, moved by `shift` bits.
    #[inline]
    fn part(self, from: u64, shift: i32) -> Self {
        let moved = |mask: u64| if shift < 0 { (mask & from) >> -shift } else { (mask & from) << shift };
        Sum { plus: moved(self.plus), minus: moved(self.minus) }
    }
}

/// Part of a change of basis: in every row of factor `factor`, the blocks in `from`, moved by `shift`, are added to it.
#[derive(Clone, Copy)]
struct Shear {
    factor: usize,
    from: u64,
    shift: i32,
    negate: bool,
}

/// All elementary changes of basis of a format; each changes two factors.
pub struct Changes(Vec<[Shear; 2]>);

impl Changes {
    pub fn new([m, k, n]: [usize; 3]) -> Self {
        let row = |columns: usize, i: usize| low(columns) << (i * columns);
        let column =
            |rows: usize, columns: usize, i: usize| (0..rows).fold(0, |all, r| all | 1u64 << (r * columns + i));
        let shift = |from: usize, to: usize, step: usize| (to as i32 - from as i32) * step as i32;
        let mut all = Vec::new();
        for (axis, extent) in [m, k, n].into_iter().enumerate() {
            for (i, j) in (0..extent).flat_map(|i| (0..extent).map(move |j| (i, j))).filter(|(i, j)| i != j) {
                for negate in [false, true] {
                    let shear = |factor, from, shift, negate| Shear { factor, from, shift, negate };
                    // P·A·Q⁻¹, Q·B·R⁻¹ and P⁻¹·C'·R, where one of P, Q and R is I ± E_ij.
                    all.push(match axis {
                        0 => {
                            [shear(0, row(k, i), shift(i, j, k), negate), shear(2, row(n, j), shift(j, i, n), !negate)]
                        }
                        1 => [
                            shear(0, column(m, k, j), shift(j, i, 1), !negate),
                            shear(1, row(n, i), shift(i, j, n), negate),
                        ],
                        _ => [
                            shear(1, column(k, n, j), shift(j, i, 1), !negate),
                            shear(2, column(m, n, i), shift(i, j, 1), negate),
                        ],
                    });
                }
            }
        }
        Changes(all)
    }
}

fn low(bits: usize) -> u64 {
    if bits == 64 {
        u64::MAX
    } else {
        (1 << bits) - 1
    }
}

/// A scheme ⟨m,k,n;rank⟩: `factors[f][t]` is the sum of blocks of A, B or C of product t.
#[derive(Clone)]
pub struct Ternary {
    pub rank: usize,
    pub blocks: [usize; 3],
    pub factors: [[Sum; MOST]; 3],
}

impl Ternary {
    /// Reads rows `U+,U-,V+,V-,W+,W-` in hexadecimal, separated by semicolons.
    pub fn read(text: &str, [m, k, n]: [usize; 3]) -> Result<Self, String> {
        let blocks = [m * k, k * n, m * n];
        let mut found = Ternary { rank: 0, blocks, factors: [[Sum::default(); MOST]; 3] };
        for row in text.trim().split(';') {
            let masks: Vec<u64> = row.split(',').map_while(|mask| u64::from_str_radix(mask, 16).ok()).collect();
            let &[a, b, c, d, e, f] = masks.as_slice() else { return Err(format!("not a row of six masks: {row}")) };
            if found.rank == MOST {
                return Err(format!("more than {MOST} products"));
            }
            for (factor, (plus, minus)) in [(a, b), (c, d), (e, f)].into_iter().enumerate() {
                let sum = Sum { plus, minus };
                if sum.is_zero() || plus & minus != 0 || (plus | minus) & !low(blocks[factor]) != 0 {
                    return Err(format!("no sum of blocks: {row}"));
                }
                found.factors[factor][found.rank] = sum;
            }
            found.rank += 1;
        }
        Ok(found)
    }

    /// The text that `read` reads.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for t in 0..self.rank {
            let mut gap = if t > 0 { ";" } else { "" };
            for factor in &self.factors {
                let sum = factor[t];
                write!(text, "{gap}{:x},{:x}", sum.plus, sum.minus).expect("a String takes any text");
                gap = ",";
            }
        }
        text
    }

    pub fn sums(&self, factor: usize) -> &[Sum] {
        &self.factors[factor][..self.rank]
    }

    /// The largest error of a block of C in one level, in units of one product of plain blocks: the sum over the
    /// products that are added to it of the terms of their two sums, multiplied.
    pub fn growth(&self) -> u32 {
        let weight = |t: usize| self.factors[0][t].terms() * self.factors[1][t].terms();
        let uses = |t: usize, block: usize| (self.factors[2][t].plus | self.factors[2][t].minus) >> block & 1 == 1;
        let blocks = 0..self.blocks[2];
        blocks.map(|block| (0..self.rank).filter(|&t| uses(t, block)).map(weight).sum()).max().unwrap_or(0)
    }

    /// A random elementary change of basis; returns which factors changed, None when a coefficient would be 2.
    pub fn change(&mut self, changes: &Changes, random: &mut fastrand::Rng) -> Option<[usize; 2]> {
        let pair = changes.0[random.usize(..changes.0.len())];
        for Shear { factor, from, shift, negate } in pair {
            for sum in &mut self.factors[factor][..self.rank] {
                *sum = sum.and(sum.part(from, shift), negate)?;
            }
        }
        Some([pair[0].factor, pair[1].factor])
    }

    /// A random flip at the same rank. Returns which factors changed; None when the drawn row has no partner, a
    /// coefficient would be 2, or a sum would vanish.
    pub fn flip(&mut self, random: &mut fastrand::Rng) -> Option<[usize; 2]> {
        let Flip { i, j, g, h, y, z } = self.drawn(random)?;
        if y.is_zero() || z.is_zero() {
            return None;
        }
        self.factors[g][i] = y;
        self.factors[h][j] = z;
        Some([g, h])
    }

    /// A random flip after which a sum may be zero. Returns the two rows.
    pub fn flip_rows(&mut self, random: &mut fastrand::Rng) -> Option<(usize, usize)> {
        let Flip { i, j, g, h, y, z } = self.drawn(random)?;
        self.factors[g][i] = y;
        self.factors[h][j] = z;
        Some((i, j))
    }

    /// What a random flip would change: where x_j = s·x_i, x_i⊗y_i⊗z_i + x_j⊗y_j⊗z_j is also
    /// x_i⊗(y_i ± y_j)⊗z_i + x_j⊗y_j⊗(z_j ∓ s·z_i).
    fn drawn(&self, random: &mut fastrand::Rng) -> Option<Flip> {
        let (f, i) = (random.usize(..3), random.usize(..self.rank));
        let sums = self.sums(f);
        let own = sums[i];
        let opposite = own.negative();
        let partner = |j: usize| j != i && (sums[j] == own || sums[j] == opposite);
        let partners = (0..self.rank).filter(|&j| partner(j)).count();
        if partners == 0 {
            return None;
        }
        let j = (0..self.rank).filter(|&j| partner(j)).nth(random.usize(..partners))?;
        let same = sums[j] == own;
        let (g, h) = if random.bool() { ((f + 1) % 3, (f + 2) % 3) } else { ((f + 2) % 3, (f + 1) % 3) };
        let negate = random.bool();
        let y = self.factors[g][i].and(self.factors[g][j], negate)?;
        let z = self.factors[h][j].and(self.factors[h][i], negate != same)?;
        Some(Flip { i, j, g, h, y, z })
    }
}

/// A flip: factor g of row i becomes y, and factor h of row j becomes z.
struct Flip {
    i: usize,
    j: usize,
    g: usize,
    h: usize,
    y: Sum,
    z: Sum,
}
