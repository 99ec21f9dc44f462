//! The floating-point environment and the flags that a call must leave as it found them: rounding mode, flush-to-zero and
//! exception masks (without the sticky flags), an empty x87 stack, and the direction and alignment flags.

use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a call since the last `was_left_changed` left something changed that had to be repaired at once.
static CHANGED: AtomicBool = AtomicBool::new(false);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FpEnv {
    main: u64,
    x87: u16,
}

/// Whether a call left something changed, on any thread; `fresh` is the environment of a fresh process.
pub fn was_left_changed(fresh: FpEnv) -> bool {
    note_x87_stack();
    CHANGED.swap(false, Ordering::AcqRel) | (FpEnv::read() != fresh)
}

#[cfg(target_arch = "x86_64")]
impl FpEnv {
    /// MXCSR without its six sticky flags, and the x87 control word.
    pub fn read() -> Self {
        let mut mxcsr: u32 = 0;
        let mut x87: u16 = 0;
        // SAFETY: both instructions only store to the given memory.
        unsafe {
            std::arch::asm!("stmxcsr [{}]", in(reg) &mut mxcsr, options(nostack));
            std::arch::asm!("fnstcw [{}]", in(reg) &mut x87, options(nostack));
        }
        Self { main: u64::from(mxcsr & !0x3f), x87 }
    }

    /// Restores the environment of a fresh process.
    pub fn restore(self) {
        let mxcsr = self.main as u32;
        // SAFETY: values that `read` returned, hence valid.
        unsafe {
            std::arch::asm!("ldmxcsr [{}]", in(reg) &mxcsr, options(nostack));
            std::arch::asm!("fldcw [{}]", in(reg) &self.x87, options(nostack));
        }
    }
}

/// Notes and repairs what a call left in the flags. Copying code relies on a cleared direction flag, so this runs right
/// after each call; it takes a few cycles.
#[cfg(target_arch = "x86_64")]
pub fn note_flags() {
    const DIRECTION: u64 = 1 << 10;
    const ALIGNMENT: u64 = 1 << 18;
    let flags: u64;
    // SAFETY: reads the flags and clears the direction flag.
    unsafe { std::arch::asm!("pushfq", "pop {0}", "cld", out(reg) flags) };
    if flags & (DIRECTION | ALIGNMENT) != 0 {
        // SAFETY: sets the flags as they were, with both cleared.
        unsafe { std::arch::asm!("push {0}", "popfq", in(reg) flags & !(DIRECTION | ALIGNMENT)) };
        CHANGED.store(true, Ordering::Release);
    }
}

/// Notes and empties registers of this thread's x87 stack that are in use: they make later x87 arithmetic NaN.
#[cfg(target_arch = "x86_64")]
pub fn note_x87_stack() {
    let mut saved = [0u8; 28];
    // SAFETY: stores the x87 environment, 28 bytes, and loads it again, because storing masks the exceptions.
    unsafe { std::arch::asm!("fnstenv [{0}]", "fldenv [{0}]", in(reg) saved.as_mut_ptr(), options(nostack)) };
    if u16::from_le_bytes([saved[8], saved[9]]) != 0xffff {
        let control = u16::from_le_bytes([saved[0], saved[1]]);
        // SAFETY: empties the stack and keeps the control word, which `FpEnv` compares.
        unsafe { std::arch::asm!("fninit", "fldcw [{}]", in(reg) &control, options(nostack)) };
        CHANGED.store(true, Ordering::Release);
    }
}

#[cfg(target_arch = "aarch64")]
impl FpEnv {
    /// FPCR has no sticky flags; they are in FPSR.
    pub fn read() -> Self {
        let fpcr: u64;
        // SAFETY: reads a user-accessible register.
        unsafe { std::arch::asm!("mrs {}, fpcr", out(reg) fpcr) };
        Self { main: fpcr, x87: 0 }
    }

    /// Restores the environment of a fresh process.
    pub fn restore(self) {
        // SAFETY: a value that `read` returned.
        unsafe { std::arch::asm!("msr fpcr, {}", in(reg) self.main) };
    }
}

/// The calling convention has no such flags here.
#[cfg(target_arch = "aarch64")]
pub fn note_flags() {}

/// There is no such stack here.
#[cfg(target_arch = "aarch64")]
pub fn note_x87_stack() {}
