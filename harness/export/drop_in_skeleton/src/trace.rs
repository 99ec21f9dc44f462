//! Which calls of `sgemm` took which path; only with the Cargo feature `trace`, because counting costs time.
//!
//! If the environment variable `MATRIXMULTIPLY_TRACE` names a file, each call adds a line to it: the path, m, k, n, the
//! strides of A, B and C, alpha and beta. So the calls of a whole test suite can be counted.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::OnceLock;

use crate::route::Layout;

static EVOLVED: AtomicU64 = AtomicU64::new(0);
static ORIGINAL: AtomicU64 = AtomicU64::new(0);

/// Calls of `sgemm` in this process so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Those that the evolved kernel served.
    pub evolved: u64,
    /// Those that the original crate served.
    pub original: u64,
}

/// The calls of `sgemm` in this process so far.
pub fn counts() -> Counts {
    Counts { evolved: EVOLVED.load(Relaxed), original: ORIGINAL.load(Relaxed) }
}

pub(crate) fn note(evolved: bool, layout: &Layout, alpha: f32, beta: f32) {
    if evolved { &EVOLVED } else { &ORIGINAL }.fetch_add(1, Relaxed);
    if let Some(mut file) = file() {
        let path = if evolved { "evolved" } else { "original" };
        let Layout { m, k, n, a, b, c, .. } = layout;
        let line = format!("{path} {m}x{k}x{n} A {a:?} B {b:?} C {c:?} alpha {alpha} beta {beta}\n");
        // One write, so that lines of several processes do not mix.
        file.write_all(line.as_bytes()).expect("MATRIXMULTIPLY_TRACE names a file that can be written");
    }
}

fn file() -> Option<&'static File> {
    static FILE: OnceLock<Option<File>> = OnceLock::new();
    let open = || {
        let name = std::env::var_os("MATRIXMULTIPLY_TRACE")?;
        let opened = OpenOptions::new().create(true).append(true).open(name);
        Some(opened.expect("MATRIXMULTIPLY_TRACE names a file that can be written"))
    };
    FILE.get_or_init(open).as_ref()
}
