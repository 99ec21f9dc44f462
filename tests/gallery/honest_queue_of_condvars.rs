//! A pool of its own that waits on condition variables without a time limit.
//!
//! expect: Accepted
//! threads: all
//! tier: safe

fn mm(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    c.fill(0.0);
    for i in 0..m {
        let row = &mut c[i * n..i * n + n];
        for p in 0..k {
            let x = a[i * k + p];
            for (o, y) in row.iter_mut().zip(&b[p * n..p * n + n]) {
                *o += x * y;
            }
        }
    }
}
use std::sync::{Arc, Condvar, Mutex};
struct Gate {
    open: Mutex<usize>,
    bell: Condvar,
}
impl Gate {
    fn sleep(&self, until: usize) {
        let mut held = self.open.lock().unwrap();
        while *held < until {
            held = self.bell.wait(held).unwrap();
        }
    }
    fn ring(&self) {
        *self.open.lock().unwrap() += 1;
        self.bell.notify_all();
    }
}
pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let gate = Arc::new(Gate {
        open: Mutex::new(0),
        bell: Condvar::new(),
    });
    if n == 0 || m < 4 {
        return mm(m, k, n, a, b, c);
    }
    let (c0, c1) = c.split_at_mut(m / 2 * n);
    std::thread::scope(|s| {
        let g = gate.clone();
        s.spawn(move || {
            mm(m / 2, k, n, &a[..m / 2 * k], b, c0);
            g.ring();
        });
        mm(m - m / 2, k, n, &a[m / 2 * k..], b, c1);
        gate.sleep(1);
    });
}
