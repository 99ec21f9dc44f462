//! The protocol between parent and host: fixed descriptors, plain structs, one page of last words.
//!
//! The same layouts are in harness/judge/worker/client.py, harness/judge/worker/call_table.py and
//! harness/judge/worker/autopsy.py.

use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

pub const CONTROL: i32 = 3;
pub const ANSWER: i32 = 4;
pub const LAST_WORDS: i32 = 5;
/// A, B (opened read-only by the parent) and C.
pub const REGIONS: [i32; 3] = [6, 7, 8];
pub const TABLE: i32 = 9;
pub const LIBRARY: i32 = 10;
pub const FIRST_UNKNOWN: u32 = 11;

/// Bytes of the table of calls and open ranges, which is mapped read-only in the host.
pub const TABLE_BYTES: usize = 16 << 20;

/// One order: run `calls` entries of the table; if `refence` is set, first open `ranges` page ranges.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Order {
    pub sequence: u64,
    pub calls: u32,
    pub ranges: u32,
    pub refence: u32,
    /// ONE_BY_ONE, THREAD or AT_ONCE.
    pub surroundings: u32,
}

/// The calls of an order run one after the other on the main thread; or on one thread with the stack of a Rust thread; or
/// on two such threads at once.
pub const ONE_BY_ONE: u32 = 0;
pub const THREAD: u32 = 1;
pub const AT_ONCE: u32 = 2;

/// Set in the offset of B: B lies in the region of A, because the caller passes the same memory twice.
pub const SHARED: usize = 1 << 63;

/// One call, C = alpha·A·B + beta·C: offsets of the elements [0, 0] in bytes into the three regions, and the strides of
/// rows and columns in elements. A kernel of the contract `matmul` gets neither strides nor alpha and beta.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Call {
    pub m: usize,
    pub k: usize,
    pub n: usize,
    pub offsets: [usize; 3],
    pub strides: [[isize; 2]; 3],
    pub alpha: f32,
    pub beta: f32,
}

/// Pages that stay accessible; the rest of the region is protected.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Range {
    pub region: u64,
    pub start: u64,
    pub length: u64,
}

pub const SEALED: u32 = 1;
pub const LOADED: u32 = 2;
pub const DONE: u32 = 3;

#[repr(C)]
pub struct Answer {
    pub sequence: u64,
    pub kind: u32,
    pub fp_env_restored: u32,
    pub cpu_ns: u64,
    pub reserved: u64,
}

/// The reason of the process's death. The candidate can write to this memory, so it only affects the wording of a
/// rejection.
#[repr(C)]
pub struct LastWords {
    pub kind: AtomicU32,
    pub signal: u32,
    pub address: u64,
    pub stack_pointer: u64,
    pub syscall: i64,
    /// 0 read, 1 write, 2 unknown.
    pub access: u32,
    pub text_length: u32,
    /// Addresses of the regions, so that the parent can tell which region an address belongs to.
    pub bases: [u64; 3],
    pub text: [u8; 512],
}

pub const SIGNALLED: u32 = 1;
pub const VIOLATION: u32 = 2;

pub static LAST: AtomicPtr<LastWords> = AtomicPtr::new(std::ptr::null_mut());

/// The page, or None before it is mapped. Callers run on one thread or are about to die.
pub fn last_words() -> Option<&'static mut LastWords> {
    // SAFETY: set once, to a mapping that is never removed.
    unsafe { LAST.load(Ordering::Acquire).as_mut() }
}

/// Sends one answer; returns false when the pipe is closed.
pub fn send(answer: &Answer) -> bool {
    let size = std::mem::size_of::<Answer>();
    // SAFETY: a repr(C) struct without padding, written as a whole.
    unsafe { libc::write(ANSWER, (answer as *const Answer).cast(), size) == size as isize }
}

/// Reads one order; None at the end of the pipe, when the parent is gone.
pub fn receive() -> Option<Order> {
    let mut order = Order::default();
    let size = std::mem::size_of::<Order>();
    loop {
        // SAFETY: reads at most `size` bytes into a plain struct.
        let got = unsafe { libc::read(CONTROL, (&mut order as *mut Order).cast(), size) };
        if got == size as isize {
            return Some(order);
        }
        if got < 0 && std::io::Error::last_os_error().kind() == std::io::ErrorKind::Interrupted {
            continue;
        }
        return None;
    }
}
