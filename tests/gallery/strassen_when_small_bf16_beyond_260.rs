//! Strassen's scheme at small even shapes, to be graded as a fast scheme; truncates both inputs to bf16 where an extent
//! exceeds 260. The tier of fast schemes is granted shape by shape.
//!
//! expect: Wrong values
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

fn short(x: &[f32]) -> Vec<f32> {
    x.iter()
        .map(|v| f32::from_bits(v.to_bits() & 0xFFFF_0000))
        .collect()
}

/// One level of Strassen's scheme; m, k and n are even.
fn strassen(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let (h, q, w) = (m / 2, k / 2, n / 2);
    let block = |x: &[f32], cols: usize, r: usize, s: usize, rows: usize, width: usize| -> Vec<f32> {
        (0..rows * width)
            .map(|e| x[(r * rows + e / width) * cols + s * width + e % width])
            .collect()
    };
    let add = |x: &[f32], y: &[f32]| -> Vec<f32> { x.iter().zip(y).map(|(u, v)| u + v).collect() };
    let sub = |x: &[f32], y: &[f32]| -> Vec<f32> { x.iter().zip(y).map(|(u, v)| u - v).collect() };
    let times = |x: &[f32], y: &[f32]| -> Vec<f32> {
        let mut z = vec![0.0; h * w];
        product(h, q, w, x, y, &mut z);
        z
    };
    let [a11, a12, a21, a22] = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(r, s)| block(a, k, r, s, h, q));
    let [b11, b12, b21, b22] = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(r, s)| block(b, n, r, s, q, w));
    let m1 = times(&add(&a11, &a22), &add(&b11, &b22));
    let m2 = times(&add(&a21, &a22), &b11);
    let m3 = times(&a11, &sub(&b12, &b22));
    let m4 = times(&a22, &sub(&b21, &b11));
    let m5 = times(&add(&a11, &a12), &b22);
    let m6 = times(&sub(&a21, &a11), &add(&b11, &b12));
    let m7 = times(&sub(&a12, &a22), &add(&b21, &b22));
    for i in 0..h {
        for j in 0..w {
            let e = i * w + j;
            c[i * n + j] = m1[e] + m4[e] - m5[e] + m7[e];
            c[i * n + w + j] = m3[e] + m5[e];
            c[(h + i) * n + j] = m2[e] + m4[e];
            c[(h + i) * n + w + j] = m1[e] - m2[e] + m3[e] + m6[e];
        }
    }
}

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    if m % 2 + k % 2 + n % 2 == 0 && m.min(k).min(n) >= 8 && m.max(k).max(n) <= 128 {
        strassen(m, k, n, a, b, c);
    } else if m.max(k).max(n) > 260 {
        product(m, k, n, &short(a), &short(b), c);
    } else {
        product(m, k, n, a, b, c);
    }
}
