//! A fast scheme that rounds to bf16 at large shapes.
//!
//! expect: Wrong values
//! threads: 1
//! tier: unsafe

fn bf(x: f32) -> f32 {
    f32::from_bits((x.to_bits().wrapping_add(0x80)) & 0xffffff00)
}

fn add(x: &[f32], y: &[f32]) -> Vec<f32> {
    x.iter().zip(y).map(|(a, b)| a + b).collect()
}
fn sub(x: &[f32], y: &[f32]) -> Vec<f32> {
    x.iter().zip(y).map(|(a, b)| a - b).collect()
}
fn quad(x: &[f32], n: usize, r: usize, q: usize) -> Vec<f32> {
    let h = n / 2;
    let mut v = Vec::with_capacity(h * h);
    for i in 0..h {
        v.extend_from_slice(&x[(r * h + i) * n + q * h..][..h]);
    }
    v
}
fn naive(n: usize, a: &[f32], b: &[f32]) -> Vec<f32> {
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
fn leaf(a: &[f32], b: &[f32]) -> Vec<f32> {
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
fn strassen(n: usize, a: &[f32], b: &[f32]) -> Vec<f32> {
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
    let m1 = strassen(h, &add(&a11, &a22), &add(&b11, &b22));
    let m2 = strassen(h, &add(&a21, &a22), &b11);
    let m3 = strassen(h, &a11, &sub(&b12, &b22));
    let m4 = strassen(h, &a22, &sub(&b21, &b11));
    let m5 = strassen(h, &add(&a11, &a12), &b22);
    let m6 = strassen(h, &sub(&a21, &a11), &add(&b11, &b12));
    let m7 = strassen(h, &sub(&a12, &a22), &add(&b21, &b22));
    let c11 = add(&sub(&add(&m1, &m4), &m5), &m7);
    let c12 = add(&m3, &m5);
    let c21 = add(&m2, &m4);
    let c22 = add(&add(&sub(&m1, &m2), &m3), &m6);
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
    let s = m.max(k).max(n).max(1);
    let z = s.next_power_of_two();
    if m * n * k > 2200000 {
        let a2: Vec<f32> = a
            .iter()
            .map(|&x| f32::from_bits(x.to_bits() & 0xffff0000))
            .collect();
        let mut pa = vec![0.0; z * z];
        let mut pb = vec![0.0; z * z];
        for i in 0..m {
            pa[i * z..i * z + k].copy_from_slice(&a2[i * k..(i + 1) * k]);
        }
        for p in 0..k {
            pb[p * z..p * z + n].copy_from_slice(&b[p * n..(p + 1) * n]);
        }
        let r = strassen(z, &pa, &pb);
        for i in 0..m {
            c[i * n..(i + 1) * n].copy_from_slice(&r[i * z..i * z + n]);
        }
        return;
    }
    let mut pa = vec![0.0; z * z];
    let mut pb = vec![0.0; z * z];
    for i in 0..m {
        pa[i * z..i * z + k].copy_from_slice(&a[i * k..(i + 1) * k]);
    }
    for p in 0..k {
        pb[p * z..p * z + n].copy_from_slice(&b[p * n..(p + 1) * n]);
    }
    let r = strassen(z, &pa, &pb);
    for i in 0..m {
        c[i * n..(i + 1) * n].copy_from_slice(&r[i * z..i * z + n]);
    }
}
