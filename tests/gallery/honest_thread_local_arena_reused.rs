//! Thread local arena reused.
//!
//! expect: Accepted
//! threads: 1
//! tier: safe

use std::cell::RefCell;

struct Arena {
    room: Vec<f32>,
    used: usize,
}

impl Arena {
    fn take(&mut self, length: usize) -> &mut [f32] {
        let from = self.used;
        self.used += length.next_multiple_of(16);
        if self.room.len() < self.used {
            self.room.resize(self.used.next_power_of_two(), f32::NAN);
        }
        &mut self.room[from..from + length]
    }
}

thread_local! {
    static ARENA: RefCell<Arena> = const { RefCell::new(Arena { room: Vec::new(), used: 0 }) };
}

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    ARENA.with_borrow_mut(|arena| {
        arena.used = 0;
        for i0 in (0..m).step_by(32) {
            let rows = 32.min(m - i0);
            arena.used = 0;
            let tile = arena.take(rows * n);
            tile.fill(0.0);
            for i in 0..rows {
                for p in 0..k {
                    let x = a[(i0 + i) * k + p];
                    for (s, &y) in tile[i * n..][..n].iter_mut().zip(&b[p * n..][..n]) {
                        *s += x * y;
                    }
                }
            }
            c[i0 * n..][..rows * n].copy_from_slice(tile);
        }
    });
}
