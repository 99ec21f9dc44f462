//! The schemes found so far, by rank, shared by all threads.

use crate::state::State;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

/// Schemes kept of each rank; then a new one replaces a random one.
const KEPT: usize = 64;
/// Schemes of one rank that the reader is told about.
const TOLD: usize = 256;

pub struct Pool<S> {
    shelves: Mutex<Shelves<S>>,
    flips: AtomicU64,
    /// The least `value` of all schemes.
    least: AtomicU64,
}

struct Shelves<S> {
    by_rank: Vec<Vec<S>>,
    told: Vec<usize>,
    best: usize,
    news: Vec<String>,
}

impl<S: State> Pool<S> {
    pub fn new(starts: Vec<S>) -> Result<Self, String> {
        let best = starts.iter().map(|scheme| scheme.rank()).min().ok_or("no scheme to start from")?;
        let most = starts.iter().map(|scheme| scheme.rank()).max().unwrap_or(best);
        let mut by_rank = vec![Vec::new(); most + 1];
        for scheme in starts {
            by_rank[scheme.rank()].push(scheme);
        }
        let shelves = Shelves { by_rank, told: vec![0; most + 1], best, news: Vec::new() };
        Ok(Pool { shelves: Mutex::new(shelves), flips: AtomicU64::new(0), least: AtomicU64::new(u64::MAX) })
    }

    fn shelves(&self) -> MutexGuard<'_, Shelves<S>> {
        self.shelves.lock().expect("no thread panics while it holds the pool")
    }

    /// A scheme to walk from: one of the lowest rank, or as often one of the rank above while the lowest has few.
    pub fn start(&self, random: &mut fastrand::Rng) -> S {
        let shelves = self.shelves();
        let mut rank = shelves.best;
        if shelves.by_rank[rank].len() < KEPT && random.bool() {
            rank = (rank + 1..shelves.by_rank.len()).find(|&above| !shelves.by_rank[above].is_empty()).unwrap_or(rank);
        }
        let shelf = &shelves.by_rank[rank];
        shelf[random.usize(..shelf.len())].clone()
    }

    /// The least `State::value` so far.
    pub fn least(&self) -> u64 {
        self.least.load(Ordering::Relaxed)
    }

    /// Keeps a scheme of a rank that a walk has reached for the first time.
    pub fn put(&self, scheme: &S, random: &mut fastrand::Rng) {
        let mut shelves = self.shelves();
        let rank = scheme.rank();
        shelves.best = shelves.best.min(rank);
        let shelf = &mut shelves.by_rank[rank];
        if shelf.len() < KEPT {
            shelf.push(scheme.clone());
        } else {
            shelf[random.usize(..KEPT)] = scheme.clone();
        }
        if rank == shelves.best && shelves.told[rank] < TOLD {
            shelves.told[rank] += 1;
            self.tell(&mut shelves, scheme);
        }
    }

    /// Tells of a scheme with fewer coefficients than all others of the lowest rank. It does not join those from which
    /// walks start: a walk finds many in a row, which would crowd out the others.
    pub fn put_lighter(&self, scheme: &S) {
        let mut shelves = self.shelves();
        if scheme.value() < self.least() {
            self.tell(&mut shelves, scheme);
        }
    }

    fn tell(&self, shelves: &mut Shelves<S>, scheme: &S) {
        self.least.fetch_min(scheme.value(), Ordering::Relaxed);
        shelves.news.push(format!("scheme {} {}", scheme.rank(), scheme.text()));
    }

    /// Counts flips that were made.
    pub fn count(&self, flips: u64) {
        self.flips.fetch_add(flips, Ordering::Relaxed);
    }

    /// The lines that the reader has not got, all flips so far, and the lowest rank.
    pub fn news(&self) -> (Vec<String>, u64, usize) {
        let mut shelves = self.shelves();
        (std::mem::take(&mut shelves.news), self.flips.load(Ordering::Relaxed), shelves.best)
    }
}
