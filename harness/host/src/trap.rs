//! Signal handlers: the response to a forbidden system call, and the last words after a crash.
//!
//! They run on the candidate's stack in the candidate's process, so their output only affects the wording of a
//! rejection. They use system calls and the shared page only.

use crate::fault::{checked, Fault};
use crate::names;
use crate::options::Run;
use crate::wire::{self, SIGNALLED, VIOLATION};
use std::ffi::{c_void, CStr};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, Ordering};

/// Exit code after a violation; the last words describe it.
const VIOLATION_CODE: i32 = 113;
const STACK_BYTES: usize = 128 << 10;

static TRUSTED: AtomicBool = AtomicBool::new(false);
static LIBRARY_PATH: AtomicPtr<libc::c_char> = AtomicPtr::new(std::ptr::null_mut());
static LIBRARY: AtomicI32 = AtomicI32::new(-1);

type Handler = extern "C" fn(i32, *mut libc::siginfo_t, *mut c_void);

/// Installs all handlers; afterwards the filter forbids changing them.
pub fn install(run: &Run) -> Result<(), Fault> {
    TRUSTED.store(run.abi.trusted(), Ordering::Relaxed);
    if let Some(path) = &run.library {
        LIBRARY_PATH.store(path.clone().into_raw(), Ordering::Relaxed);
        LIBRARY.store(wire::LIBRARY, Ordering::Relaxed);
    }
    // SAFETY: the stack lives as long as the process; the handlers have the three-argument signature.
    unsafe {
        let stack = Box::leak(vec![0u8; STACK_BYTES].into_boxed_slice());
        let stack = libc::stack_t { ss_sp: stack.as_mut_ptr().cast(), ss_flags: 0, ss_size: STACK_BYTES };
        checked(libc::sigaltstack(&stack, std::ptr::null_mut()), "sigaltstack")?;
        set(libc::SIGSYS, forbidden, 0)?;
        for signal in [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE] {
            // The default action is restored automatically, so that returning kills the process with the same fault.
            set(signal, crashed, libc::SA_RESETHAND)?;
        }
    }
    Ok(())
}

/// Called when the library is loaded; from then on its path is treated like any other.
pub fn forget_library() {
    let descriptor = LIBRARY.swap(-1, Ordering::Relaxed);
    if descriptor >= 0 {
        // SAFETY: our descriptor, not used again.
        unsafe { libc::close(descriptor) };
    }
}

unsafe fn set(signal: i32, handler: Handler, flags: i32) -> Result<(), Fault> {
    let mut action: libc::sigaction = std::mem::zeroed();
    action.sa_sigaction = handler as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART | flags;
    checked(libc::sigaction(signal, &action, std::ptr::null_mut()), "sigaction").map(|_| ())
}

extern "C" fn crashed(signal: i32, info: *mut libc::siginfo_t, context: *mut c_void) {
    let Some(last) = wire::last_words() else { return };
    if last.kind.load(Ordering::Acquire) == VIOLATION {
        return; // the bad pointer was the argument of a forbidden call; keep that report
    }
    // SAFETY: the kernel passes valid pointers.
    let (address, machine) = unsafe { ((*info).si_addr() as u64, Machine(context.cast())) };
    last.signal = signal as u32;
    last.address = address;
    last.stack_pointer = machine.stack_pointer();
    last.access = machine.access();
    last.kind.store(SIGNALLED, Ordering::Release);
}

extern "C" fn forbidden(_signal: i32, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: for SIGSYS the call number is at offset 24 of siginfo_t (after the call address); the context is valid.
    unsafe {
        let number = i64::from(*info.cast::<u8>().add(24).cast::<i32>());
        let errno = *libc::__errno_location();
        let mut machine = Machine(context.cast());
        let result = decide(number, &machine);
        *libc::__errno_location() = errno;
        match result {
            Some(value) => machine.set_result(value),
            None => {
                libc::syscall(libc::SYS_exit_group, VIOLATION_CODE);
            }
        }
    }
}

/// The result that the call appears to have, or None when it is a violation.
///
/// # Safety
///
/// Reads the path argument; an invalid pointer kills the process with SIGSEGV, after the violation was recorded.
unsafe fn decide(number: i64, machine: &Machine) -> Option<i64> {
    let last = wire::last_words()?;
    last.syscall = number;
    last.text_length = 0;
    write_text(last, names::name(number).as_bytes());
    last.kind.store(VIOLATION, Ordering::Release);
    let result = soft(number, machine, last);
    if result.is_some() {
        last.kind.store(0, Ordering::Release);
    } else if TRUSTED.load(Ordering::Relaxed) {
        last.kind.store(0, Ordering::Release);
        return Some(-i64::from(libc::EPERM));
    }
    result
}

unsafe fn soft(number: i64, machine: &Machine, last: &mut wire::LastWords) -> Option<i64> {
    if let Some(errno) = names::harmless(number) {
        return Some(-i64::from(errno));
    }
    let path = CStr::from_ptr(machine.argument(names::path_argument(number)?) as *const libc::c_char);
    write_text(last, b" ");
    write_text(last, path.to_bytes());
    if number == libc::SYS_newfstatat && path.is_empty() {
        return Some(raw(libc::SYS_fstat, machine.argument(0), machine.argument(2), 0));
    }
    let library = LIBRARY.load(Ordering::Relaxed);
    if names::opens_for_reading(number, |index| machine.argument(index)) {
        if library >= 0 && path == CStr::from_ptr(LIBRARY_PATH.load(Ordering::Relaxed)) {
            return Some(raw(libc::SYS_fcntl, library as u64, libc::F_DUPFD_CLOEXEC as u64, 3));
        }
    } else if !names::only_looks(number) {
        return None;
    }
    names::benign(path.to_bytes()).then_some(-i64::from(libc::EACCES))
}

unsafe fn raw(number: libc::c_long, first: u64, second: u64, third: u64) -> i64 {
    let result = libc::syscall(number, first, second, third);
    if result == -1 {
        -i64::from(*libc::__errno_location())
    } else {
        result
    }
}

fn write_text(last: &mut wire::LastWords, bytes: &[u8]) {
    let start = (last.text_length as usize).min(last.text.len());
    let room = bytes.len().min(last.text.len() - start);
    last.text[start..start + room].copy_from_slice(&bytes[..room]);
    last.text_length = (start + room) as u32;
}

/// The registers that the kernel saved for the handler.
struct Machine(*mut libc::ucontext_t);

#[cfg(target_arch = "x86_64")]
impl Machine {
    fn register(&self, index: i32) -> u64 {
        // SAFETY: the kernel's context, alive while the handler runs.
        unsafe { (*self.0).uc_mcontext.gregs[index as usize] as u64 }
    }

    fn argument(&self, index: usize) -> u64 {
        const ORDER: [i32; 6] =
            [libc::REG_RDI, libc::REG_RSI, libc::REG_RDX, libc::REG_R10, libc::REG_R8, libc::REG_R9];
        self.register(ORDER[index])
    }

    fn set_result(&mut self, value: i64) {
        // SAFETY: as above.
        unsafe { (*self.0).uc_mcontext.gregs[libc::REG_RAX as usize] = value }
    }

    fn stack_pointer(&self) -> u64 {
        self.register(libc::REG_RSP)
    }

    /// Bit 1 of the page-fault error code means a write.
    fn access(&self) -> u32 {
        u32::from(self.register(libc::REG_ERR) & 2 != 0)
    }
}

#[cfg(target_arch = "aarch64")]
impl Machine {
    fn argument(&self, index: usize) -> u64 {
        // SAFETY: the kernel's context, alive while the handler runs.
        unsafe { (*self.0).uc_mcontext.regs[index] }
    }

    fn set_result(&mut self, value: i64) {
        // SAFETY: as above.
        unsafe { (*self.0).uc_mcontext.regs[0] = value as u64 }
    }

    fn stack_pointer(&self) -> u64 {
        // SAFETY: as above.
        unsafe { (*self.0).uc_mcontext.sp }
    }

    /// Not available in a plain register here.
    fn access(&self) -> u32 {
        2
    }
}
