"""Real Rust kernels for the judge's tests: honest ones of every kind, and mutants of them, as text."""

from __future__ import annotations

HEAD = "pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {\n"

TEXTBOOK = (
    HEAD
    + """    for i in 0..m {
        for j in 0..n {
            let mut sum = 0.0f32;
            for p in 0..k {
                sum += a[i * k + p] * b[p * n + j];
            }
            c[i * n + j] = sum;
        }
    }
}
"""
)

ROWS = (
    HEAD
    + """    c.fill(0.0);
    for i in 0..m {
        for p in 0..k {
            let x = a[i * k + p];
            for j in 0..n {
                c[i * n + j] += x * b[p * n + j];
            }
        }
    }
}
"""
)

BLOCKED = (
    HEAD
    + """    const T: usize = 32;
    c.fill(0.0);
    for i0 in (0..m).step_by(T) {
        for p0 in (0..k).step_by(T) {
            for j0 in (0..n).step_by(T) {
                for i in i0..(i0 + T).min(m) {
                    for p in p0..(p0 + T).min(k) {
                        for j in j0..(j0 + T).min(n) {
                            c[i * n + j] += a[i * k + p] * b[p * n + j];
                        }
                    }
                }
            }
        }
    }
}
"""
)

# FMA in whole vectors, mul and add in the tail: rounding differs between columns, as in many real kernels.
FUSED_WITH_PLAIN_TAIL = (
    HEAD
    + """    let whole = n - n % 8;
    for i in 0..m {
        for j0 in (0..whole).step_by(8) {
            let mut acc = [0.0f32; 8];
            for p in 0..k {
                for j in 0..8 {
                    acc[j] = a[i * k + p].mul_add(b[p * n + j0 + j], acc[j]);
                }
            }
            c[i * n + j0..i * n + j0 + 8].copy_from_slice(&acc);
        }
        for j in whole..n {
            c[i * n + j] = (0..k).map(|p| a[i * k + p] * b[p * n + j]).sum();
        }
    }
}
"""
)

# B transposed into scratch, eight partial sums per dot product: another order than the textbook's.
PARTIAL_SUMS = (
    HEAD
    + """    let mut t = vec![0.0f32; n * k];
    for p in 0..k {
        for j in 0..n {
            t[j * k + p] = b[p * n + j];
        }
    }
    for i in 0..m {
        for j in 0..n {
            let (x, y) = (&a[i * k..(i + 1) * k], &t[j * k..(j + 1) * k]);
            let mut part = [0.0f32; 8];
            for (u, v) in x.chunks(8).zip(y.chunks(8)) {
                for (l, (s, t)) in u.iter().zip(v).enumerate() {
                    part[l] += s * t;
                }
            }
            c[i * n + j] = part.iter().sum();
        }
    }
}
"""
)

# Panels of both operands padded with zeros, as in packed kernels.
PADDED = (
    HEAD
    + """    let (mp, kp, np) = (m.next_multiple_of(6), k.next_multiple_of(4), n.next_multiple_of(16));
    let (mut x, mut y, mut z) = (vec![0.0f32; mp * kp], vec![0.0f32; kp * np], vec![0.0f32; mp * np]);
    for i in 0..m {
        x[i * kp..i * kp + k].copy_from_slice(&a[i * k..(i + 1) * k]);
    }
    for p in 0..k {
        y[p * np..p * np + n].copy_from_slice(&b[p * n..(p + 1) * n]);
    }
    for i in 0..mp {
        for p in 0..kp {
            for j in 0..np {
                z[i * np + j] = x[i * kp + p].mul_add(y[p * np + j], z[i * np + j]);
            }
        }
    }
    for i in 0..m {
        c[i * n..(i + 1) * n].copy_from_slice(&z[i * np..i * np + n]);
    }
}
"""
)

RAYON = (
    "use rayon::prelude::*;\n"
    + HEAD
    + """    if n == 0 {
        return;
    }
    c.par_chunks_mut(n).enumerate().for_each(|(i, row)| {
        row.fill(0.0);
        for p in 0..k {
            for j in 0..n {
                row[j] += a[i * k + p] * b[p * n + j];
            }
        }
    });
    let _ = m;
}
"""
)

# k split in four, each part summed by its own thread, the parts added in a fixed order: deterministic.
SPLIT_K_IN_FIXED_ORDER = (
    "use rayon::prelude::*;\n"
    + HEAD
    + """    let parts: Vec<Vec<f32>> = (0..4usize)
        .into_par_iter()
        .map(|q| {
            let mut part = vec![0.0f32; m * n];
            for i in 0..m {
                for p in q * k / 4..(q + 1) * k / 4 {
                    for j in 0..n {
                        part[i * n + j] += a[i * k + p] * b[p * n + j];
                    }
                }
            }
            part
        })
        .collect();
    for (at, out) in c.iter_mut().enumerate() {
        *out = parts.iter().map(|part| part[at]).sum();
    }
}
"""
)

INTRINSICS = (
    """#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn row(a: &[f32], b: &[f32], n: usize, out: &mut [f32]) {
    use std::arch::x86_64::*;
    let mut j = 0;
    while j + 8 <= n {
        let mut acc = _mm256_setzero_ps();
        for (p, &x) in a.iter().enumerate() {
            acc = _mm256_fmadd_ps(_mm256_set1_ps(x), _mm256_loadu_ps(b.as_ptr().add(p * n + j)), acc);
        }
        _mm256_storeu_ps(out.as_mut_ptr().add(j), acc);
        j += 8;
    }
    plain(a, b, n, j, out);
}
fn plain(a: &[f32], b: &[f32], n: usize, from: usize, out: &mut [f32]) {
    for j in from..n {
        let mut sum = 0.0f32;
        for (p, &x) in a.iter().enumerate() {
            sum += x * b[p * n + j];
        }
        out[j] = sum;
    }
}
"""
    + HEAD
    + """    for i in 0..m {
        let (x, out) = (&a[i * k..(i + 1) * k], &mut c[i * n..(i + 1) * n]);
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            unsafe { row(x, b, n, out) };
            continue;
        }
        plain(x, b, n, 0, out);
    }
}
"""
)

# Strassen with a cut-off; odd rows, columns and depth are peeled and computed classically.
STRASSEN = """
const LEAST: usize = 24;
fn take(x: &[f32], cols: usize, r: usize, q: usize, h: usize, w: usize) -> Vec<f32> {
    (0..h * w).map(|e| x[(r + e / w) * cols + q + e % w]).collect()
}
fn plus(x: &[f32], y: &[f32]) -> Vec<f32> {
    x.iter().zip(y).map(|(s, t)| s + t).collect()
}
fn minus(x: &[f32], y: &[f32]) -> Vec<f32> {
    x.iter().zip(y).map(|(s, t)| s - t).collect()
}
fn product(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], levels: usize) -> Vec<f32> {
    let mut c = vec![0.0f32; m * n];
    if levels == 0 || m.min(k).min(n) < LEAST {
        add_range(m, k, n, a, b, (0, m), (0, k), (0, n), &mut c);
        return c;
    }
    let (h, d, w) = (m / 2, k / 2, n / 2);
    let x = |r, q| take(a, k, r * h, q * d, h, d);
    let y = |r, q| take(b, n, r * d, q * w, d, w);
    let (a11, a12, a21, a22) = (x(0, 0), x(0, 1), x(1, 0), x(1, 1));
    let (b11, b12, b21, b22) = (y(0, 0), y(0, 1), y(1, 0), y(1, 1));
    let go = |s: &[f32], t: &[f32]| product(h, d, w, s, t, levels - 1);
    let m1 = go(&plus(&a11, &a22), &plus(&b11, &b22));
    let m2 = go(&plus(&a21, &a22), &b11);
    let m3 = go(&a11, &minus(&b12, &b22));
    let m4 = go(&a22, &minus(&b21, &b11));
    let m5 = go(&plus(&a11, &a12), &b22);
    let m6 = go(&minus(&a21, &a11), &plus(&b11, &b12));
    let m7 = go(&minus(&a12, &a22), &plus(&b21, &b22));
    for i in 0..h {
        for j in 0..w {
            let e = i * w + j;
            c[i * n + j] = m1[e] + m4[e] - m5[e] + m7[e];
            c[i * n + j + w] = m3[e] + m5[e];
            c[(i + h) * n + j] = m2[e] + m4[e];
            c[(i + h) * n + j + w] = m1[e] - m2[e] + m3[e] + m6[e];
        }
    }
    add_range(m, k, n, a, b, (0, 2 * h), (2 * d, k), (0, 2 * w), &mut c);
    add_range(m, k, n, a, b, (2 * h, m), (0, k), (0, n), &mut c);
    add_range(m, k, n, a, b, (0, 2 * h), (0, k), (2 * w, n), &mut c);
    c
}
type Span = (usize, usize);
fn add_range(_m: usize, k: usize, n: usize, a: &[f32], b: &[f32], i: Span, p: Span, j: Span, c: &mut [f32]) {
    for r in i.0..i.1 {
        for q in p.0..p.1 {
            for s in j.0..j.1 {
                c[r * n + s] += a[r * k + q] * b[q * n + s];
            }
        }
    }
}
pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    c.copy_from_slice(&product(m, k, n, a, b, 2));
}
"""

HONEST = {
    "textbook": TEXTBOOK,
    "rows": ROWS,
    "blocked": BLOCKED,
    "fused with plain tail": FUSED_WITH_PLAIN_TAIL,
    "partial sums": PARTIAL_SUMS,
    "padded": PADDED,
    "intrinsics": INTRINSICS,
    "wide accumulator": ROWS.replace("c.fill(0.0);", "let mut sums = vec![0.0f64; m * n];")
    .replace("= a[i * k + p];", "= a[i * k + p] as f64;")
    .replace("c[i * n + j] += x * b[p * n + j];", "sums[i * n + j] += x * b[p * n + j] as f64;")
    .removesuffix("}\n")
    + "    c.iter_mut().zip(sums).for_each(|(x, sum)| *x = sum as f32);\n}\n",
    # The textbook's sums, in reverse order and from -0.0, row by row: a third of the textbook's CPU time.
    "backwards": ROWS.replace("for p in 0..k", "for p in (0..k).rev()"),
    "iterator sum": ROWS.replace("c.fill(0.0);", "c.fill(-0.0);"),
}
HONEST_THREADED = {"rayon": RAYON, "split k in fixed order": SPLIT_K_IN_FIXED_ORDER}
FAST = {
    "strassen": STRASSEN,
    "strassen for large": STRASSEN.replace("LEAST: usize = 24", "LEAST: usize = 150"),
}

# name: (the honest kernel, text to replace, replacement, gate that must reject it)
MUTANTS: dict[str, tuple[str, str, str, str]] = {
    "k stops one short": (TEXTBOOK, "0..k {", "0..k.saturating_sub(1) {", "shapes"),
    "first term twice": (TEXTBOOK, "= sum;", "= sum + if k > 0 { a[i * k] * b[j] } else { 0.0 };", "shapes"),
    "last row left out": (TEXTBOOK, "in 0..m {", "in 0..m.max(1) - 1 {", "shapes"),
    "last column left out": (TEXTBOOK, "in 0..n {", "in 0..n.max(1) - 1 {", "shapes"),
    "square stride of B": (ROWS, "b[p * n + j]", "b[(p * k + j) % b.len()]", "shapes"),
    "B transposed": (ROWS, "b[p * n + j]", "b[(j * k + p) % b.len()]", "shapes"),
    "minus": (ROWS, "+= x *", "-= x *", "shapes"),
    "no zeroing": (ROWS, "c.fill(0.0);", "", "shapes"),
    "zeroing of NaN only": (
        ROWS,
        "c.fill(0.0);",
        "for x in c.iter_mut() { if !x.is_nan() { *x = 0.0 } }",
        "shapes",
    ),
    "tail of tiles skipped": (BLOCKED, "(p0 + T).min(k)", "if p0 + T <= k { p0 + T } else { p0 }", "shapes"),
    "diagonal tiles only": (
        BLOCKED,
        "c[i * n + j] +=",
        "if i0 == j0 { } else { continue }\nc[i * n + j] +=",
        "shapes",
    ),
    "deep k forgotten": (TEXTBOOK, "0..k {", "0..k.min(1000) {", "shapes"),
    "wide n forgotten": (TEXTBOOK, "= sum;", "= if j >= 512 { 0.0 } else { sum };", "shapes"),
    "wrong from 127 rows on": (
        TEXTBOOK,
        "= sum;",
        "= if m >= 127 && i == 126 { -sum } else { sum };",
        "shapes",
    ),
    "wrong at a timed shape": (
        TEXTBOOK,
        "= sum;",
        "= if (m, k, n) == (200, 200, 200) && i == 9 { 0.0 } else { sum };",
        "shapes",
    ),
    "wrong at one element": (
        ROWS,
        "    for i in 0..m {",
        "    for i in 0..m {\n        if (m, n) == (300, 300) && i == 77 { continue }",
        "shapes",
    ),
    "plain tail drops k's end": (FUSED_WITH_PLAIN_TAIL, "(0..k).map", "(0..k - k % 2).map", "shapes"),
    "halves of 16 bits": (
        TEXTBOOK,
        "a[i * k + p] *",
        "f32::from_bits(a[i * k + p].to_bits() & 0xffff_0000) *",
        "values",
    ),
    "TF32": (
        TEXTBOOK,
        "a[i * k + p] *",
        "f32::from_bits((a[i * k + p].to_bits() + 0x1000) & 0xffff_e000) *",
        "values",
    ),
    "20 bits": (
        TEXTBOOK,
        "a[i * k + p] *",
        "f32::from_bits((a[i * k + p].to_bits() + 8) & 0xffff_fff0) *",
        "values",
    ),
    "product of 16 bits": (
        TEXTBOOK,
        "sum += a[i * k + p] * b[p * n + j]",
        "sum += f32::from_bits((a[i * k + p] * b[p * n + j]).to_bits() & 0xffff_ff00)",
        "values",
    ),
    "small values dropped": (
        TEXTBOOK,
        "sum += a[i * k + p]",
        "sum += if a[i * k + p].abs() < 1e-6 { 0.0 } else { a[i * k + p] }",
        "values",
    ),
    "zeros skipped": (ROWS, "for j in 0..n", "if x == 0.0 { continue }\nfor j in 0..n", "values"),
    "NaN hidden": (TEXTBOOK, "= sum;", "= if sum.is_nan() { 0.0 } else { sum };", "values"),
    "saturates": (TEXTBOOK, "= sum;", "= sum.clamp(f32::MIN, f32::MAX);", "values"),
    "flushes": (TEXTBOOK, "= sum;", "= if sum.is_subnormal() { 0.0 } else { sum };", "values"),
    "negates twice": (
        TEXTBOOK,
        "= sum;",
        "= if k > 0 { -(0..k).map(|p| -a[i * k + p] * b[p * n + j]).fold(0.0, |s, t| s + t) } else { sum };",
        "values",
    ),
    "coarse strassen": (STRASSEN, "s + t)", "f32::from_bits((s + t).to_bits() & 0xffff_0000))", "values"),
    "strassen with a wrong sign": (STRASSEN, "- m5[e] + m7[e]", "- m5[e] - m7[e]", "shapes"),
    "strassen that drops small": (
        STRASSEN,
        "product(m, k, n, a, b, 2)",
        "product(m, k, n, &a.iter().map(|x| if x.abs() < 1e-3 { 0.0 } else { *x }).collect::<Vec<_>>(), b, 2)",
        "values",
    ),
}
