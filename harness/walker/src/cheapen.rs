//! The mode `cheapen`: walks among schemes of one rank on all cores, until it is killed or has made all walks.
//!
//! Standard input: one scheme per line, all of the same format and rank, to start from. Standard output:
//!
//!     steps COUNT COST               about ten times a second: steps so far, and the least cost
//!     scheme COST GROWTH ROW;ROW;…   a better scheme than all before, with rows U+,U-,V+,V-,W+,W- of hexadecimal masks

use crate::anneal::{Aim, Annealing, Value};
use crate::ternary::{Ternary, MOST};
use std::io::{BufRead, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub const USAGE: &str =
    "roundtable-walker cheapen (additions|nonzero) M K N THREADS SEED STEPS WALKS HEAT < SCHEMES; WALKS 0: without end";
/// One of so many walks may end at a cost that is larger by one, and after one of so many the best is taken up again.
const LENIENT: usize = 3;
const BACK: usize = 30;
const TELL: Duration = Duration::from_millis(100);

struct Told {
    best: Mutex<Best>,
    steps: AtomicU64,
}

struct Best {
    value: Value,
    /// The best scheme, until the reader is told about it.
    line: Option<String>,
}

#[derive(Clone, Copy)]
struct Plan {
    aim: Aim,
    format: [usize; 3],
    seed: u64,
    steps: u64,
    walks: u64,
    hot: f64,
}

pub fn run(words: &[String]) -> Result<(), String> {
    let (aim, numbers) = words.split_first().ok_or(USAGE)?;
    let aim = match aim.as_str() {
        "additions" => Aim::Additions,
        "nonzero" => Aim::Nonzero,
        _ => return Err(USAGE.into()),
    };
    let numbers: Vec<u64> = numbers.iter().map(|word| word.parse()).collect::<Result<_, _>>().map_err(|_| USAGE)?;
    let &[m, k, n, threads, seed, steps, walks, heat] = numbers.as_slice() else { return Err(USAGE.into()) };
    let [m, k, n] = [m, k, n].map(|extent| extent.min(1 << 16));
    let format = [m, k, n].map(|extent| extent as usize);
    let blocks = (m * k).max(k * n).max(m * n);
    if m * k * n < 2 || blocks > MOST as u64 || threads == 0 || steps == 0 {
        return Err(format!("a matrix has 1 to {MOST} blocks, not all of them 1; THREADS and STEPS are 1 or more"));
    }
    // HEAT is in thousandths of an addition.
    let plan = Plan { aim, format, seed, steps, walks, hot: heat as f64 / 1000.0 };
    let lines = std::io::stdin().lock().lines().map(|line| line.map_err(|error| error.to_string()));
    let starts = lines.map(|line| Ternary::read(&line?, format)).collect::<Result<Vec<_>, String>>()?;
    if starts.is_empty() {
        return Err("no scheme to start from".into());
    }
    let told =
        Arc::new(Told { best: Mutex::new(Best { value: (u32::MAX, u32::MAX), line: None }), steps: AtomicU64::new(0) });
    let threads: Vec<_> = (0..threads)
        .map(|thread| {
            let (starts, told) = (starts.clone(), Arc::clone(&told));
            std::thread::spawn(move || walks_of(thread, &starts, plan, &told))
        })
        .collect();
    loop {
        let over = threads.iter().all(|thread| thread.is_finished());
        if !over {
            std::thread::sleep(TELL);
        }
        let (cost, line) = {
            let mut best = told.best.lock().expect("no thread panics while it holds the best");
            (best.value.0, best.line.take())
        };
        let mut out = std::io::stdout().lock();
        let written = writeln!(out, "steps {} {cost}", told.steps.load(Ordering::Relaxed));
        let written = written.and_then(|()| line.iter().try_for_each(|line| writeln!(out, "{line}")));
        if over || written.and_then(|()| out.flush()).is_err() {
            return Ok(()); // all walks are made, or the reader has gone
        }
    }
}

/// The walks of one thread. Threads share nothing but what they tell, so that each goes the same way every time.
///
/// Every start has a walk. Then a walk begins where the last one that was kept has ended, after detours to another scheme
/// of the rank; it is kept unless it ends at a larger cost; one larger by 1 is kept now and then.
fn walks_of(thread: u64, starts: &[Ternary], plan: Plan, told: &Told) {
    let seed = plan.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ thread;
    let mut annealing = Annealing::new(plan.aim, plan.format, seed);
    let mut best = (starts[0].clone(), (u32::MAX, u32::MAX));
    let mut here = best.clone();
    for walk in 0.. {
        if plan.walks > 0 && walk == plan.walks {
            return;
        }
        let given = starts.get(walk as usize);
        let start = given.cloned().unwrap_or_else(|| annealing.elsewhere(here.0.clone()));
        let end = annealing.walk(start, plan.steps, plan.hot);
        told.steps.fetch_add(plan.steps, Ordering::Relaxed);
        if end.1 < best.1 {
            tell(told, &end);
            best = end.clone();
        }
        let lenient = u32::from(annealing.below(LENIENT) == 0);
        if end.1 .0 <= here.1 .0.saturating_add(lenient) {
            here = end;
        }
        if given.is_some() || annealing.below(BACK) == 0 {
            here = best.clone();
        }
    }
}

fn tell(told: &Told, (scheme, value): &(Ternary, Value)) {
    let mut best = told.best.lock().expect("no thread panics while it holds the best");
    if *value < best.value {
        let line = format!("scheme {} {} {}", value.0, value.1, scheme.text());
        *best = Best { value: *value, line: Some(line) };
    }
}
