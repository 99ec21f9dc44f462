//! Packs B into one static buffer, under a lock that is chosen by the shape: two callers with different shapes race.
//!
//! expect: Wrong|Crash conduct
//! threads: 1
//! tier: unsafe

use std::sync::Mutex;

fn product(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
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

static LOCKS: [Mutex<()>; 61] = [const { Mutex::new(()) }; 61];
static mut SCRATCH: [f32; 1 << 20] = [0.0; 1 << 20];

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    if b.len() > 1 << 20 {
        return product(m, k, n, a, b, c);
    }
    let _held = LOCKS[(m + 7 * k + 31 * n) % 61].lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    // SAFETY: wrong on purpose: another shape has another lock.
    let packed = unsafe { &mut (&mut *std::ptr::addr_of_mut!(SCRATCH))[..b.len()] };
    packed.copy_from_slice(b);
    product(m, k, n, a, packed, c);
}
