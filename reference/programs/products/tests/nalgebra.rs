//! Products of nalgebra, whose matrices are column-major: operators, `gemm`, `gemm_tr` and views. The published crate's
//! own tests of products use f64 and small matrices, for which it does not call matrixmultiply.

use nalgebra::{DMatrix, DMatrixView, Dyn, Matrix, OMatrix, U8};

const SIZES: [(usize, usize, usize); 7] =
    [(6, 6, 6), (7, 9, 8), (16, 8, 24), (33, 65, 34), (64, 64, 64), (6, 200, 7), (90, 70, 130)];

fn numbers(rows: usize, cols: usize, seed: usize) -> DMatrix<f32> {
    DMatrix::from_fn(rows, cols, |i, j| ((i * 31 + j * 17 + seed * 7) % 11) as f32 - 5.0)
}

fn reference(a: DMatrixView<f32>, b: DMatrixView<f32>) -> DMatrix<f32> {
    DMatrix::from_fn(a.nrows(), b.ncols(), |i, j| (0..a.ncols()).map(|p| a[(i, p)] * b[(p, j)]).sum())
}

#[test]
fn the_product_of_two_matrices() {
    for (m, k, n) in SIZES {
        let (a, b) = (numbers(m, k, 1), numbers(k, n, 2));
        let want = reference(a.as_view(), b.as_view());
        assert_eq!(&a * &b, want, "{m}x{k}x{n}");
        let mut c = DMatrix::from_element(m, n, f32::NAN);
        a.mul_to(&b, &mut c);
        assert_eq!(c, want);
    }
}

#[test]
fn gemm_with_alpha_and_beta() {
    for (m, k, n) in SIZES {
        let (a, b, before) = (numbers(m, k, 3), numbers(k, n, 4), numbers(m, n, 5));
        let product = reference(a.as_view(), b.as_view());
        for (alpha, beta) in [(1.0, 0.0), (1.0, 1.0), (2.0, -3.0), (-0.5, 2.0)] {
            let mut c = if beta == 0.0 { DMatrix::from_element(m, n, f32::NAN) } else { before.clone() };
            c.gemm(alpha, &a, &b, beta);
            let want = product.zip_map(&before, |x, y| alpha * x + if beta == 0.0 { 0.0 } else { beta * y });
            assert_eq!(c, want, "{m}x{k}x{n} {alpha} {beta}");
        }
    }
}

#[test]
fn transposed_operands() {
    for (m, k, n) in SIZES {
        let (a, b) = (numbers(k, m, 6), numbers(n, k, 7));
        let (at, bt) = (a.transpose(), b.transpose());
        let want = reference(at.as_view(), bt.as_view());
        assert_eq!(&at * &bt, want);
        assert_eq!(a.tr_mul(&bt), want);
        let mut c = DMatrix::zeros(m, n);
        c.gemm_tr(1.0, &a, &bt, 0.0);
        assert_eq!(c, want);
    }
}

#[test]
fn views_of_larger_matrices() {
    for (m, k, n) in SIZES {
        let (a, b) = (numbers(2 * m, k + 3, 8), numbers(k + 2, 2 * n, 9));
        let a = a.view_with_steps((0, 2), (m, k), (1, 0));
        let b = b.view((1, n / 2), (k, n));
        let want = DMatrix::from_fn(m, n, |i, j| (0..k).map(|p| a[(i, p)] * b[(p, j)]).sum());
        assert_eq!(a * b, want);
        let mut larger = DMatrix::from_element(m + 4, n + 2, 9.0);
        larger.view_mut((1, 1), (m, n)).gemm(1.0, &a, &b, 0.0);
        assert_eq!(larger.view((1, 1), (m, n)), want);
        assert!(larger.row(0).iter().chain(larger.column(0).iter()).all(|x| *x == 9.0), "a gap was written");
    }
}

#[test]
fn one_extent_known_when_compiled() {
    let a: OMatrix<f32, U8, Dyn> = Matrix::from_fn_generic(U8, Dyn(40), |i, j| ((i * 3 + j) % 7) as f32);
    let b = numbers(40, 24, 1);
    let c = &a * &b;
    let wide = DMatrix::from_fn(8, 40, |i, j| a[(i, j)]);
    assert_eq!(DMatrix::from_fn(8, 24, |i, j| c[(i, j)]), reference(wide.as_view(), b.as_view()));
}
