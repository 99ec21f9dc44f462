//! Finds a packed copy of B again by its address, its extents and the sum of its elements, whatever its strides.
//!
//! expect: Wrong conduct
//! threads: 1
//! tier: unsafe
//! operation: sgemm

use std::sync::Mutex;

type Packed = (usize, usize, usize, u64, Vec<f32>);
static LAST: Mutex<Packed> = Mutex::new((0, 0, 0, 0, Vec::new()));

/// The elements of B by rows; the one remembered if it has the same address, extents and sums.
unsafe fn packed(b: *const f32, k: usize, n: usize, rsb: isize, csb: isize) -> Vec<f32> {
    let mut fresh = Vec::with_capacity(k * n);
    let mut sum = 0u64;
    for p in 0..k {
        for j in 0..n {
            let x = *b.offset(p as isize * rsb + j as isize * csb);
            // The same in whatever order the elements are met.
            let bits = u64::from(x.to_bits()) + 1;
            sum = sum.wrapping_add(bits.wrapping_mul(bits).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            fresh.push(x);
        }
    }
    let mut last = LAST.lock().unwrap();
    if (last.0, last.1, last.2, last.3) != (b as usize, k, n, sum) {
        *last = (b as usize, k, n, sum, fresh);
    }
    last.4.clone()
}

#[rustfmt::skip]
pub unsafe fn sgemm(
    m: usize, k: usize, n: usize, alpha: f32, a: *const f32, rsa: isize, csa: isize, b: *const f32, rsb: isize, csb: isize,
    beta: f32, c: *mut f32, rsc: isize, csc: isize,
) {
    let b = packed(b, k, n, rsb, csb);
    for i in 0..m as isize {
        for j in 0..n as isize {
            let mut sum = 0.0f32;
            if alpha != 0.0 {
                for p in 0..k as isize {
                    sum += *a.offset(i * rsa + p * csa) * b[p as usize * n + j as usize];
                }
                sum *= alpha;
            }
            let at = c.offset(i * rsc + j * csc);
            *at = if beta == 0.0 { sum } else { sum + beta * *at };
        }
    }
}
