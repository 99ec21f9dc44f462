//! The steps that close the sandbox, in order. `first` comes before the candidate's code is loaded.

use crate::fault::{checked, Fault};
use crate::options::Run;
use crate::{files, filter, limits, trap, wire};

/// Libraries that the loader would otherwise look for on disk after the sandbox is closed.
const PRELOADED: [&std::ffi::CStr; 5] =
    [c"libgcc_s.so.1", c"libm.so.6", c"libpthread.so.0", c"libdl.so.2", c"librt.so.1"];

/// Before any restriction of the candidate: die with the parent, close inherited descriptors, pin to the cores.
pub fn before_anything(run: &Run) -> Result<(), Fault> {
    die_with(run.parent)?;
    // SAFETY: plain system calls; nobody uses the descriptors above ours.
    unsafe {
        libc::syscall(libc::SYS_close_range, wire::FIRST_UNKNOWN, u32::MAX, 0);
        libc::chdir(c"/".as_ptr());
    }
    pin(&run.cores)?;
    if !run.abi.trusted() {
        for name in PRELOADED {
            // SAFETY: system libraries; one that does not exist here is not needed here.
            unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_LAZY | libc::RTLD_LOCAL) };
        }
    }
    Ok(())
}

/// Limits, identity, files, system calls, in this order: each step needs something that the next one removes.
pub fn first(run: &Run) -> Result<(), Fault> {
    limits::for_kernel(run.memory_bytes)?;
    trap::install(run)?;
    if run.sandboxed {
        limits::drop_privileges()?;
        // Changing the user clears the parent-death signal.
        die_with(run.parent)?;
        files::allow_nothing()?;
        // SAFETY: no pointers.
        checked(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) }, "PR_SET_DUMPABLE")?;
        // A BLAS measures with it how long its idle threads spin.
        if !run.abi.trusted() {
            trap_the_time_stamp();
        }
        filter::loading()?;
    }
    Ok(())
}

/// Lets instructions that read the time-stamp counter fault, also where they are hidden in constants, and those of the
/// vDSO. Threads inherit it. Not every kernel can; then the audit is the only defence.
fn trap_the_time_stamp() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: no pointers.
    unsafe {
        libc::prctl(libc::PR_SET_TSC, libc::PR_TSC_SIGSEGV, 0, 0, 0);
    }
}

/// After loading: no new executable memory, no further library.
pub fn second(run: &Run) -> Result<(), Fault> {
    trap::forget_library();
    if run.sandboxed {
        filter::running()?;
    }
    Ok(())
}

/// Makes this process die when its parent is killed.
fn die_with(parent: i32) -> Result<(), Fault> {
    // SAFETY: no pointers.
    unsafe {
        checked(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0), "PR_SET_PDEATHSIG")?;
        if libc::getppid() != parent {
            libc::_exit(0); // it died before the signal was asked for
        }
    }
    Ok(())
}

fn pin(cores: &[usize]) -> Result<(), Fault> {
    if cores.is_empty() {
        return Ok(());
    }
    // SAFETY: a zeroed cpu_set_t is an empty set; the macros stay inside it for cores below its size.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        for &core in cores.iter().filter(|&&core| core < libc::CPU_SETSIZE as usize) {
            libc::CPU_SET(core, &mut set);
        }
        checked(
            libc::sched_setaffinity(0, std::mem::size_of::<libc::cpu_set_t>(), &set),
            "cannot pin to the cores given",
        )?;
    }
    Ok(())
}
