//! Carries out one order: calls the kernel once per entry of the table, in the surroundings that the order names.

use crate::abi::{Entry, Product};
use crate::fault::Fault;
use crate::fpenv;
use crate::regions::{self, Region};
use crate::wire::{self, Call, Order, Range};
use std::sync::Barrier;
use std::thread::{Builder, Scope, ScopedJoinHandle};

/// The stack of a thread that Rust's std starts, unless told otherwise.
const THREAD_STACK_BYTES: usize = 2 << 20;
const THREADS_AT_ONCE: usize = 2;

/// Where the calls of an order find their operands.
#[derive(Clone, Copy)]
struct Operands {
    entry: Entry,
    bases: [*mut u8; 3],
}

// SAFETY: plain addresses; every call writes to its own C.
unsafe impl Send for Operands {}

impl Operands {
    /// # Safety
    ///
    /// The offsets of `call` are inside the regions.
    unsafe fn run(self, call: &Call) {
        let [a, b, c] = call.offsets;
        let [in_a, in_b, in_c] = self.bases;
        let b = if b & wire::SHARED == 0 { in_b.add(b) } else { in_a.add(b & !wire::SHARED) };
        let (a, b, c) = (in_a.add(a).cast::<f32>(), b.cast::<f32>(), in_c.add(c).cast::<f32>());
        let Call { m, k, n, strides, alpha, beta, .. } = *call;
        self.entry.call(Product { m, k, n, alpha, a, b, beta, c, strides });
        fpenv::note_flags();
    }
}

/// # Safety
///
/// `table` holds `order.calls` calls, followed by `order.ranges` ranges; all offsets are inside the regions.
pub unsafe fn carry_out(entry: Entry, order: &Order, table: *const u8, regions: &[Region; 3]) {
    let calls = std::slice::from_raw_parts(table.cast::<Call>(), order.calls as usize);
    if order.refence != 0 {
        let at = table.add(std::mem::size_of_val(calls)).cast::<Range>();
        if !regions::refence(regions, std::slice::from_raw_parts(at, order.ranges as usize)) {
            Fault::system("cannot fence the regions").leave();
        }
    }
    let operands = Operands { entry, bases: regions.map(|region| region.base) };
    match order.surroundings {
        wire::THREAD => in_threads(operands, calls, 1),
        wire::AT_ONCE => in_threads(operands, calls, THREADS_AT_ONCE),
        wire::ONE_BY_ONE => calls.iter().for_each(|call| operands.run(call)),
        _ => Fault::system("unknown surroundings").leave(),
    }
}

/// Deals the calls to `count` threads, which start together.
///
/// # Safety
///
/// As `carry_out`.
unsafe fn in_threads(operands: Operands, calls: &[Call], count: usize) {
    let start = Barrier::new(count);
    std::thread::scope(|scope| {
        let begun: Vec<_> = (0..count)
            .map(|first| begin(scope, move |start| deal(operands, calls, first, count, start), &start))
            .collect();
        for thread in begun {
            if thread.join().is_err() {
                Fault::system("a calling thread panicked").leave();
            }
        }
    });
}

fn begin<'s, 'e: 's>(
    scope: &'s Scope<'s, 'e>,
    work: impl FnOnce(&Barrier) + Send + 's,
    start: &'e Barrier,
) -> ScopedJoinHandle<'s, ()> {
    match Builder::new().stack_size(THREAD_STACK_BYTES).spawn_scoped(scope, move || work(start)) {
        Ok(thread) => thread,
        Err(_) => Fault::system("cannot start a calling thread").leave(),
    }
}

fn deal(operands: Operands, calls: &[Call], first: usize, count: usize, start: &Barrier) {
    start.wait();
    for call in calls.iter().skip(first).step_by(count) {
        // SAFETY: the caller of `in_threads` guarantees it.
        unsafe { operands.run(call) };
    }
    fpenv::note_x87_stack();
}
