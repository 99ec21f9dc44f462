//! Searches bilinear schemes over the field of two elements by walking flip graphs, on all cores, until it is killed.
//!
//! Standard input: one scheme per line, all of the same format, to start from. Standard output:
//!
//!     scheme RANK U,V,W;U,V,W;…      a scheme of this rank, each factor a hexadecimal bit mask
//!     flips COUNT BEST               about ten times a second: flips so far, and the lowest rank
//!
//! SYMMETRY is 1, or 3 for cyclic schemes (see `cyclic`): one row of each orbit is read and written then, and W is that of
//! the transposed C.
//!
//! With the first word `cheapen` it searches schemes of the same rank that are cheaper instead (see `cheapen`).
//!
//! The reader proves what it is told; nothing here is trusted to be a scheme.
#![forbid(unsafe_code)]

mod anneal;
mod cheapen;
mod cyclic;
mod detour;
mod pool;
mod rows;
mod scheme;
mod state;
mod sums;
mod ternary;
mod walk;

use cyclic::Cyclic;
use pool::Pool;
use scheme::Scheme;
use state::State;
use std::io::{BufRead, Write};
use std::sync::Arc;
use std::time::Duration;
use walk::Limits;

const USAGE: &str = "roundtable-walker BITS PRODUCTS THREADS SEED LIMIT PLUS_AFTER SLACK SYMMETRY < SCHEMES";
/// How often the reader hears of the progress.
const TELL: Duration = Duration::from_millis(100);

fn main() {
    if let Err(problem) = run() {
        eprintln!("roundtable-walker: {problem}");
        std::process::exit(2);
    }
}

fn run() -> Result<(), String> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == "cheapen") {
        return cheapen::run(&words[1..]);
    }
    let words: Vec<u64> = words.iter().map(|word| word.parse()).collect::<Result<_, _>>().map_err(|_| USAGE)?;
    let &[bits, products, threads, seed, limit, plus_after, slack, symmetry] = words.as_slice() else {
        return Err(USAGE.into());
    };
    let limits = Limits { flips: limit, plus_after, slack: slack as usize };
    if symmetry == 3 {
        return search::<Cyclic>(threads, seed, limits);
    }
    // Narrow masks and small sets are twice as fast. A walk may go `slack` products above its start.
    match (bits <= 32, products + slack <= 64) {
        (true, true) => search::<Scheme<u32, u64>>(threads, seed, limits),
        (true, false) => search::<Scheme<u32, u128>>(threads, seed, limits),
        (false, true) => search::<Scheme<u64, u64>>(threads, seed, limits),
        (false, false) => search::<Scheme<u64, u128>>(threads, seed, limits),
    }
}

fn search<S: State>(threads: u64, seed: u64, limits: Limits) -> Result<(), String> {
    let lines = std::io::stdin().lock().lines().map(|line| line.map_err(|error| error.to_string()));
    let starts = lines.map(|line| S::read(&line?)).collect::<Result<Vec<_>, String>>()?;
    let pool = Arc::new(Pool::new(starts)?);
    for thread in 0..threads {
        let pool = Arc::clone(&pool);
        std::thread::spawn(move || walk::forever(&pool, seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ thread, limits));
    }
    loop {
        std::thread::sleep(TELL);
        let (lines, flips, best) = pool.news();
        let mut out = std::io::stdout().lock();
        // The count first: it belongs to the schemes that follow.
        let written = writeln!(out, "flips {flips} {best}");
        let written = written.and_then(|()| lines.iter().try_for_each(|line| writeln!(out, "{line}")));
        if written.and_then(|()| out.flush()).is_err() {
            return Ok(()); // the reader has gone
        }
    }
}
