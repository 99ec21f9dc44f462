//! What a walk needs of a scheme modulo 2, whether its rows are free or come in orbits; reading and writing of rows.

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

/// A scheme that a walk changes.
pub trait State: Clone + Send + 'static {
    /// Reads `U,V,W;U,V,W;…` in hexadecimal.
    fn read(text: &str) -> Result<Self, String>;
    /// The text that `read` reads.
    fn text(&self) -> String;
    fn rank(&self) -> usize;
    /// Nonzero coefficients, in any unit.
    fn weight(&self) -> u32;
    /// The number of rows and factors that a flip can start from; 0 when there is no flip.
    fn flips(&self) -> u32;
    /// One random flip: rows i and j share a factor, a⊗b⊗c + a⊗b'⊗c' = a⊗(b+b')⊗c + a⊗b'⊗(c+c'). Then reduces the rank
    /// where rows became zero or agree in two factors; returns whether it did. Needs `flips() > 0`.
    fn flip(&mut self, random: &mut fastrand::Rng) -> bool;
    /// One more row, so that the walk leaves a part of the graph that flips alone cannot leave (Arai, Ichikawa and
    /// Hukushima 2024): a⊗b⊗c + a'⊗b'⊗c' = a⊗(b+b')⊗c + a⊗b'⊗(c+c') + (a+a')⊗b'⊗c'.
    fn plus(&mut self, random: &mut fastrand::Rng);

    /// Rank and weight in one number, smaller for better schemes.
    fn value(&self) -> u64 {
        (self.rank() as u64) << 32 | u64::from(self.weight())
    }
}

/// The three masks of a row.
pub fn masks<M: Mask>(row: &str) -> Result<[M; 3], String> {
    let found: Vec<M> = row.split(',').map_while(M::parse).collect();
    found.try_into().map_err(|_| format!("not a row of three masks: {row}"))
}

/// Writes a row as `masks` reads it, after a semicolon unless it is the first.
pub fn hex<M: Mask>(text: &mut String, first: bool, row: [M; 3]) {
    for (f, mask) in row.into_iter().enumerate() {
        text.push_str(if f > 0 {
            ","
        } else if first {
            ""
        } else {
            ";"
        });
        mask.hex(text);
    }
}

/// A number below `count` from 32 random bits.
pub fn scaled(bits: u32, count: u32) -> u32 {
    ((u64::from(bits) * u64::from(count)) >> 32) as u32
}
