//! Keeps packed copies of every B by address, until the same A and B come again, or four elements of an operand that is
//! known have changed. A caller who changes an element of B in place before a product with another A gets the old B.
//!
//! expect: Wrong conduct
//! threads: 1
//! tier: safe

use std::cell::RefCell;

struct Known {
    address: usize,
    sample: [u32; 4],
    packed: Vec<f32>,
}

struct Batch {
    shape: [usize; 3],
    pairs: Vec<(usize, usize)>,
    a: Vec<Known>,
    b: Vec<Known>,
}

thread_local! {
    static BATCH: RefCell<Batch> = const { RefCell::new(Batch { shape: [0; 3], pairs: Vec::new(), a: Vec::new(), b: Vec::new() }) };
}

fn sample(x: &[f32]) -> [u32; 4] {
    if x.is_empty() {
        return [0; 4];
    }
    [0, x.len() / 3, x.len() / 2, x.len() - 1].map(|at| x[at].to_bits())
}

fn changed(known: &[Known], x: &[f32]) -> bool {
    let address = x.as_ptr() as usize;
    known.iter().any(|one| one.address == address && one.sample != sample(x))
}

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

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    BATCH.with(|batch| {
        let mut batch = batch.borrow_mut();
        let pair = (a.as_ptr() as usize, b.as_ptr() as usize);
        if batch.shape != [m, k, n] || m * k * n < 1000 || batch.pairs.contains(&pair) || changed(&batch.a, a) || changed(&batch.b, b) {
            *batch = Batch { shape: [m, k, n], pairs: Vec::new(), a: Vec::new(), b: Vec::new() };
        }
        batch.pairs.push(pair);
        if !batch.a.iter().any(|one| one.address == pair.0) {
            batch.a.push(Known { address: pair.0, sample: sample(a), packed: Vec::new() });
        }
        if !batch.b.iter().any(|one| one.address == pair.1) {
            batch.b.push(Known { address: pair.1, sample: sample(b), packed: b.to_vec() });
        }
        let known = batch.b.iter().find(|one| one.address == pair.1).unwrap();
        product(m, k, n, a, &known.packed, c);
    });
}
