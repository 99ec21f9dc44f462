//! Calls one kernel on products from a file and prints the first wrong element of each. For debuggers; not sandboxed.
//!
//! The file: for each product m, k, n as u64, then A and B as f32, the expected C and the allowed error as f64.
mod kernel;

use std::io::Read;

type Contract = fn(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]);

fn number(bytes: &mut &[u8]) -> usize {
    let mut raw = [0; 8];
    bytes.read_exact(&mut raw).expect("a product is cut off");
    u64::from_le_bytes(raw) as usize
}

fn singles(bytes: &mut &[u8], count: usize) -> Vec<f32> {
    let (head, rest) = bytes.split_at(4 * count);
    *bytes = rest;
    head.chunks_exact(4).map(|x| f32::from_le_bytes([x[0], x[1], x[2], x[3]])).collect()
}

fn doubles(bytes: &mut &[u8], count: usize) -> Vec<f64> {
    let (head, rest) = bytes.split_at(8 * count);
    *bytes = rest;
    head.chunks_exact(8).map(|x| f64::from_le_bytes(x.try_into().unwrap())).collect()
}

fn main() {
    let path = std::env::args().nth(1).expect("usage: debug_kernel FILE");
    let content = std::fs::read(path).expect("the file of products cannot be read");
    let mut bytes = &content[..];
    // Through a pointer that the optimiser does not know, so that the kernel is not inlined and a breakpoint finds it.
    let matmul: Contract = std::hint::black_box(kernel::matmul);
    let mut wrong_products = 0;
    for product in 0.. {
        if bytes.is_empty() {
            break;
        }
        let (m, k, n) = (number(&mut bytes), number(&mut bytes), number(&mut bytes));
        let (a, b) = (singles(&mut bytes, m * k), singles(&mut bytes, k * n));
        let (want, bound) = (doubles(&mut bytes, m * n), doubles(&mut bytes, m * n));
        let mut c = vec![f32::NAN; m * n];
        matmul(m, k, n, &a, &b, &mut c);
        let differs = |i: &usize| {
            let got = f64::from(c[*i]);
            !(got == want[*i] || (got.is_nan() && want[*i].is_nan()) || (got - want[*i]).abs() <= bound[*i])
        };
        let wrong: Vec<usize> = (0..m * n).filter(differs).collect();
        match wrong.first() {
            None => println!("product {product}, {m}x{k}x{n}: right"),
            Some(i) => println!(
                "product {product}, {m}x{k}x{n}: {} of {} elements differ; first at [{}, {}]: got {:?}, expected {:?}",
                wrong.len(), m * n, i / n, i % n, c[*i], want[*i]
            ),
        }
        wrong_products += usize::from(!wrong.is_empty());
    }
    std::process::exit(i32::from(wrong_products > 0));
}
