//! Packs both operands into panels.
//!
//! expect: Accepted
//! threads: 1
//! tier: safe

const MC: usize = 72;
const KC: usize = 256;
const NC: usize = 512;
const MR: usize = 6;
const NR: usize = 16;
fn pack_a(a: &[f32], lda: usize, mc: usize, kc: usize, buf: &mut Vec<f32>) {
    buf.clear();
    for i in (0..mc).step_by(MR) {
        for p in 0..kc {
            for r in 0..MR {
                buf.push(if i + r < mc {
                    a[(i + r) * lda + p]
                } else {
                    0.0
                });
            }
        }
    }
}
fn pack_b(b: &[f32], ldb: usize, kc: usize, nc: usize, buf: &mut Vec<f32>) {
    buf.clear();
    for j in (0..nc).step_by(NR) {
        for p in 0..kc {
            for q in 0..NR {
                buf.push(if j + q < nc { b[p * ldb + j + q] } else { 0.0 });
            }
        }
    }
}
#[inline(never)]
fn micro(kc: usize, pa: &[f32], pb: &[f32], acc: &mut [[f32; NR]; MR]) {
    for (x, y) in pa.chunks_exact(MR).zip(pb.chunks_exact(NR)).take(kc) {
        for r in 0..MR {
            for q in 0..NR {
                acc[r][q] += x[r] * y[q];
            }
        }
    }
}
pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    c.fill(0.0);
    let (mut pa, mut pb) = (Vec::new(), Vec::new());
    let mut jc = 0;
    while jc < n {
        let nc = NC.min(n - jc);
        let mut pc = 0;
        while pc < k {
            let kc = KC.min(k - pc);
            pack_b(&b[pc * n + jc..], n, kc, nc, &mut pb);
            let mut ic = 0;
            while ic < m {
                let mc = MC.min(m - ic);
                pack_a(&a[ic * k + pc..], k, mc, kc, &mut pa);
                for (jt, jr) in (0..nc).step_by(NR).enumerate() {
                    for (it, ir) in (0..mc).step_by(MR).enumerate() {
                        let mut acc = [[0.0; NR]; MR];
                        micro(kc, &pa[it * MR * kc..], &pb[jt * NR * kc..], &mut acc);
                        for r in 0..MR.min(mc - ir) {
                            for q in 0..NR.min(nc - jr) {
                                c[(ic + ir + r) * n + jc + jr + q] += acc[r][q];
                            }
                        }
                    }
                }
                ic += MC;
            }
            pc += KC;
        }
        jc += NC;
    }
}
