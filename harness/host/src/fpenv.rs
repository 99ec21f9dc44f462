//! The floating-point environment: rounding mode, flush-to-zero and exception masks, without the sticky flags.

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FpEnv {
    main: u64,
    x87: u16,
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
