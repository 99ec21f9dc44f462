//! Copies A and B only once where they overlap, and so reads B from the wrong place.
//!
//! expect: Wrong conduct
//! threads: 1
//! tier: safe

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
    let (first, last) = (a.as_ptr() as usize, a.as_ptr() as usize + 4 * a.len());
    let inside = (first..last).contains(&(b.as_ptr() as usize)) && b.len() <= a.len();
    if inside && b.len() > 1 {
        let copy = a.to_vec();
        product(m, k, n, &copy, &copy[..b.len()], c);
    } else {
        product(m, k, n, a, b, c);
    }
}
