//! Honest: Winograd's variant of Strassen's scheme in f64, rounded once. It mixes rows, but rounding to f32 hides that from
//! small differences in magnitude.
//!
//! expect: Accepted
//! threads: 1
//! tier: safe

fn add(x: &[f64], y: &[f64]) -> Vec<f64> {
    x.iter().zip(y).map(|(a, b)| a + b).collect()
}
fn sub(x: &[f64], y: &[f64]) -> Vec<f64> {
    x.iter().zip(y).map(|(a, b)| a - b).collect()
}
fn quad(x: &[f64], n: usize, r: usize, q: usize) -> Vec<f64> {
    let h = n / 2;
    let mut v = Vec::with_capacity(h * h);
    for i in 0..h {
        v.extend_from_slice(&x[(r * h + i) * n + q * h..][..h]);
    }
    v
}
fn naive(n: usize, a: &[f64], b: &[f64]) -> Vec<f64> {
    let mut c = vec![0.0; n * n];
    for i in 0..n {
        for p in 0..n {
            let x = a[i * n + p];
            for j in 0..n {
                c[i * n + j] += x * b[p * n + j];
            }
        }
    }
    c
}
/// The largest block that is multiplied as usual; of known size, so that the compiler unrolls and vectorises it.
const LEAF: usize = 16;
fn leaf(a: &[f64], b: &[f64]) -> Vec<f64> {
    let mut c = Vec::with_capacity(LEAF * LEAF);
    for x in a.chunks_exact(LEAF) {
        let mut row = [0.0; LEAF];
        for (&x, y) in x.iter().zip(b.chunks_exact(LEAF)) {
            for j in 0..LEAF {
                row[j] += x * y[j];
            }
        }
        c.extend_from_slice(&row);
    }
    c
}
fn strassen(n: usize, a: &[f64], b: &[f64]) -> Vec<f64> {
    if n == LEAF {
        return leaf(a, b);
    }
    if n < LEAF {
        return naive(n, a, b);
    }
    let h = n / 2;
    let (a11, a12, a21, a22) = (
        quad(a, n, 0, 0),
        quad(a, n, 0, 1),
        quad(a, n, 1, 0),
        quad(a, n, 1, 1),
    );
    let (b11, b12, b21, b22) = (
        quad(b, n, 0, 0),
        quad(b, n, 0, 1),
        quad(b, n, 1, 0),
        quad(b, n, 1, 1),
    );
    let s1 = add(&a21, &a22);
    let s2 = sub(&s1, &a11);
    let s3 = sub(&a11, &a21);
    let s4 = sub(&a12, &s2);
    let t1 = sub(&b12, &b11);
    let t2 = sub(&b22, &t1);
    let t3 = sub(&b22, &b12);
    let t4 = sub(&t2, &b21);
    let p1 = strassen(h, &a11, &b11);
    let p2 = strassen(h, &a12, &b21);
    let p3 = strassen(h, &s4, &b22);
    let p4 = strassen(h, &a22, &t4);
    let p5 = strassen(h, &s1, &t1);
    let p6 = strassen(h, &s2, &t2);
    let p7 = strassen(h, &s3, &t3);
    let u2 = add(&p1, &p6);
    let u3 = add(&u2, &p7);
    let u4 = add(&u2, &p5);
    let c11 = add(&p1, &p2);
    let c12 = add(&u4, &p3);
    let c21 = sub(&u3, &p4);
    let c22 = add(&u3, &p5);
    let mut c = vec![0.0; n * n];
    for i in 0..h {
        c[i * n..i * n + h].copy_from_slice(&c11[i * h..][..h]);
        c[i * n + h..i * n + n].copy_from_slice(&c12[i * h..][..h]);
        c[(i + h) * n..(i + h) * n + h].copy_from_slice(&c21[i * h..][..h]);
        c[(i + h) * n + h..(i + h) * n + n].copy_from_slice(&c22[i * h..][..h]);
    }
    c
}
pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let z = m.max(k).max(n).max(1).next_power_of_two();
    let mut pa = vec![0.0; z * z];
    let mut pb = vec![0.0; z * z];
    for e in 0..m * k {
        pa[e / k * z + e % k] = a[e] as f64;
    }
    for e in 0..k * n {
        pb[e / n * z + e % n] = b[e] as f64;
    }
    let r = strassen(z, &pa, &pb);
    for e in 0..m * n {
        c[e] = r[e / n * z + e % n] as f32;
    }
}
