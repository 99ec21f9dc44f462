//! Row by row: each row of C is a sum of rows of B.

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    c.fill(0.0);
    for i in 0..m {
        let row = &mut c[i * n..(i + 1) * n];
        for p in 0..k {
            let x = a[i * k + p];
            let from_b = &b[p * n..(p + 1) * n];
            for (sum, y) in row.iter_mut().zip(from_b) {
                *sum += x * y;
            }
        }
    }
}
