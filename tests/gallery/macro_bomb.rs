//! A macro that expands without limit.
//!
//! expect: CompileError|Timeout|OutOfMemory compile
//! threads: 1
//! tier: unsafe

macro_rules! boom {
    ($($x:tt)*) => {
        boom!($($x)* $($x)*)
    };
}

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    boom!(m);
    let _ = (k, n, a, b, c);
}
