//! Random walks: flips until the rank falls, with a detour over one more product when it does not.

use crate::pool::Pool;
use crate::state::State;

#[derive(Clone, Copy)]
pub struct Limits {
    /// Flips without a new rank after which a walk ends.
    pub flips: u64,
    /// Flips without a reduction after which a product is added.
    pub plus_after: u64,
    /// How far above the rank of its start a walk may go.
    pub slack: usize,
}

/// Walks from random schemes of the pool, for ever.
pub fn forever<S: State>(pool: &Pool<S>, seed: u64, limits: Limits) {
    let mut random = fastrand::Rng::with_seed(seed);
    loop {
        one(pool, &mut random, limits);
    }
}

/// One walk; every scheme below the lowest rank of the walk so far goes into the pool, and every one of the pool's lowest
/// rank that has fewer nonzero coefficients than all before.
fn one<S: State>(pool: &Pool<S>, random: &mut fastrand::Rng, limits: Limits) {
    let mut scheme = pool.start(random);
    let mut lowest = scheme.rank();
    let mut least = pool.least();
    let (mut flips, mut quiet) = (0, 0);
    while flips < limits.flips {
        flips += 1;
        quiet += 1;
        let stuck = scheme.flips() == 0;
        if stuck || quiet > limits.plus_after {
            if scheme.rank() < lowest + limits.slack {
                scheme.plus(random);
            } else if stuck {
                break;
            }
            quiet = 0;
        } else if scheme.flip(random) {
            quiet = 0;
        } else {
            if scheme.value() < least {
                pool.put_lighter(&scheme);
                least = pool.least();
            }
            continue;
        }
        if scheme.rank() < lowest {
            lowest = scheme.rank();
            pool.put(&scheme, random);
            least = pool.least();
            pool.count(flips);
            flips = 0;
        }
    }
    pool.count(flips);
}
