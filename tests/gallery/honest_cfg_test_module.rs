//! Cfg test module.
//!
//! expect: Accepted
//! threads: 1
//! tier: safe

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    c.fill(0.0);
    for i in 0..m {
        for p in 0..k {
            let x = a[i * k + p];
            for (s, &y) in c[i * n..][..n].iter_mut().zip(&b[p * n..][..n]) {
                *s += x * y;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::matmul;
    use std::time::Instant;

    #[test]
    fn multiplies() {
        let now = Instant::now();
        let mut c = [0.0];
        matmul(1, 1, 1, &[2.0], &[3.0], &mut c);
        println!("{c:?} {:?}", now.elapsed());
        assert_eq!(c, [6.0]);
    }
}
