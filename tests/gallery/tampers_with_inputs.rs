//! Casts away const and zeroes A, so that zeros become the right result.
//!
//! expect: Cheat shapes
//! threads: 1
//! tier: unsafe

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let _ = (m, k, n, b);
    for i in 0..a.len() {
        unsafe { std::ptr::write_volatile(a.as_ptr().add(i) as *mut f32, 0.0) };
    }
    c.fill(0.0);
}
