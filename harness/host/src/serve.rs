//! `run`: map, seal, load, then carry out orders until the parent closes the pipe.

use crate::abi::{Abi, Entry, Product};
use crate::calls;
use crate::fault::Fault;
use crate::fpenv::{self, FpEnv};
use crate::options::Run;
use crate::regions::{self, Region};
use crate::wire::{self, Answer, LastWords};
use std::ffi::{c_void, CStr};
use std::ptr::null_mut;
use std::sync::atomic::Ordering;

/// Never returns Ok: the process ends when the parent closes the pipe.
pub fn serve(run: Run) -> Result<(), Fault> {
    // Before any foreign code, because a constructor may change the rounding or flush-to-zero mode.
    let fresh = FpEnv::read();
    let table = map_shared(wire::TABLE, wire::TABLE_BYTES, libc::PROT_READ)?;
    let page = map_shared(wire::LAST_WORDS, 4096, libc::PROT_READ | libc::PROT_WRITE)?;
    wire::LAST.store(page.cast::<LastWords>(), Ordering::Release);
    let regions = regions::map(run.regions)?;
    if let Some(last) = wire::last_words() {
        last.bases = regions.map(|region| region.base as u64);
    }
    let entry = prepare(&run)?;
    answer(0, wire::LOADED, true);
    orders(entry, table, &regions, fresh)
}

#[cfg(target_os = "linux")]
fn prepare(run: &Run) -> Result<Entry, Fault> {
    crate::seal::before_anything(run)?;
    if run.abi.trusted() {
        let entry = load(run)?;
        warm(entry);
        crate::seal::first(run)?;
        crate::seal::second(run)?;
        answer(0, wire::SEALED, true);
        return Ok(entry);
    }
    crate::seal::first(run)?;
    answer(0, wire::SEALED, true);
    let entry = load(run)?;
    crate::seal::second(run)?;
    Ok(entry)
}

#[cfg(not(target_os = "linux"))]
fn prepare(run: &Run) -> Result<Entry, Fault> {
    if run.sandboxed {
        return Err(Fault::sandbox("only Linux has Landlock and seccomp"));
    }
    answer(0, wire::SEALED, true);
    load(run)
}

/// Opens the library, which runs its constructors, and finds the symbol.
fn load(run: &Run) -> Result<Entry, Fault> {
    let mut symbol: *mut c_void = null_mut();
    if run.abi != Abi::Null {
        let path = run.library.as_deref().ok_or_else(|| Fault::usage("--library is missing"))?;
        // SAFETY: running the library's code is the purpose of this process.
        unsafe {
            let handle = libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL);
            if handle.is_null() {
                return Err(Fault::library(loader_says()));
            }
            symbol = libc::dlsym(handle, run.symbol.as_ptr());
            if symbol.is_null() {
                return Err(Fault::library(loader_says()));
            }
        }
    }
    // SAFETY: the audit of the build (or the user, for a BLAS) guarantees that the symbol has this signature.
    Ok(unsafe { Entry::new(run.abi, symbol) })
}

fn loader_says() -> String {
    // SAFETY: dlerror returns null or a string that is valid until the next call.
    unsafe {
        let text = libc::dlerror();
        if text.is_null() {
            return "not loaded".into();
        }
        CStr::from_ptr(text).to_string_lossy().into_owned()
    }
}

/// A BLAS starts its threads and reads files at its first call, so it is called once before the sandbox closes.
fn warm(entry: Entry) {
    const N: usize = 96;
    let (a, b, mut c) = (vec![1.0f32; N * N], vec![1.0f32; N * N], vec![0.0f32; N * N]);
    let strides = [[N as isize, 1]; 3];
    let (a, b, c_at) = (a.as_ptr(), b.as_ptr(), c.as_mut_ptr());
    // SAFETY: three buffers of N·N floats.
    unsafe { entry.call(Product { m: N, k: N, n: N, alpha: 1.0, a, b, beta: 0.0, c: c_at, strides }) };
    std::hint::black_box(&c);
}

fn map_shared(descriptor: i32, bytes: usize, protection: i32) -> Result<*mut u8, Fault> {
    // SAFETY: a fresh mapping of a descriptor that the parent gave.
    let at = unsafe { libc::mmap(null_mut(), bytes, protection, libc::MAP_SHARED, descriptor, 0) };
    if at == libc::MAP_FAILED {
        return Err(Fault::system("cannot map what the parent shares"));
    }
    // SAFETY: after mapping, the descriptor is not needed; the candidate must not find it.
    unsafe { libc::close(descriptor) };
    Ok(at.cast())
}

fn answer(sequence: u64, kind: u32, fp_env_restored: bool) {
    let fp_env_restored = u32::from(fp_env_restored);
    if !wire::send(&Answer { sequence, kind, fp_env_restored, cpu_ns: cpu_ns(), reserved: 0 }) {
        // SAFETY: nobody listens any more.
        unsafe { libc::_exit(0) }
    }
}

/// CPU time of the whole process; used only where the parent cannot read another process's CPU clock.
fn cpu_ns() -> u64 {
    if cfg!(target_os = "linux") {
        return 0;
    }
    // SAFETY: fills a plain struct.
    let mut time: libc::timespec = unsafe { std::mem::zeroed() };
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn orders(entry: Entry, table: *const u8, regions: &[Region; 3], fresh: FpEnv) -> ! {
    while let Some(order) = wire::receive() {
        fresh.restore();
        // SAFETY: the parent wrote the table before it sent the order.
        unsafe { calls::carry_out(entry, &order, table, regions) };
        let restored = !fpenv::was_left_changed(fresh);
        answer(order.sequence, wire::DONE, restored);
    }
    // SAFETY: the parent is gone, nothing is left to do.
    unsafe { libc::_exit(0) }
}
