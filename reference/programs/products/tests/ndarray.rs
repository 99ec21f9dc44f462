//! Products of ndarray: `dot` and `general_mat_mul` in every layout that its arrays can have. ndarray's own tests of them
//! are in its repository only, not in the published crate, so these are written anew.

use ndarray::linalg::general_mat_mul;
use ndarray::{s, Array, Array2, ArrayView2, Axis, LinalgScalar, ShapeBuilder};

const SIZES: [(usize, usize, usize); 12] = [
    (1, 1, 1), (1, 3, 1), (2, 3, 4), (4, 4, 4), (5, 1, 7), (8, 8, 8), (9, 17, 10), (16, 32, 16), (31, 5, 64),
    (33, 65, 34), (64, 64, 64), (70, 130, 90),
];

/// Small integers, so that every product is exact and layouts can be compared bit for bit.
fn numbers<A: LinalgScalar + From<i8>>(rows: usize, cols: usize, seed: usize) -> Array2<A> {
    Array::from_shape_fn((rows, cols), |(i, j)| A::from(((i * 31 + j * 17 + seed * 7) % 11) as i8 - 5))
}

/// The same elements in every layout: row-major, column-major, a block of a larger array, every second element, and
/// both axes reversed in memory.
fn layouts<A: LinalgScalar>(of: &Array2<A>) -> Vec<Array2<A>> {
    let mut columns = Array2::zeros(of.dim().f());
    columns.assign(of);
    vec![of.to_owned(), columns]
}

/// Calls `work` with a view of the same elements in every layout, owned ones and parts of larger arrays.
fn each_view<A: LinalgScalar>(of: &Array2<A>, mut work: impl FnMut(ArrayView2<A>)) {
    let (rows, cols) = of.dim();
    for owned in layouts(of) {
        work(owned.view());
    }
    let mut block = Array2::zeros((rows + 3, cols + 5));
    block.slice_mut(s![2..2 + rows, 1..1 + cols]).assign(of);
    work(block.slice(s![2..2 + rows, 1..1 + cols]));
    let mut sparse = Array2::zeros((2 * rows, 3 * cols));
    sparse.slice_mut(s![..;2, ..;3]).assign(of);
    work(sparse.slice(s![..;2, ..;3]));
    let mut turned = of.clone();
    turned.invert_axis(Axis(0));
    turned.invert_axis(Axis(1));
    let mut same = turned.as_standard_layout().to_owned();
    same.invert_axis(Axis(0));
    same.invert_axis(Axis(1));
    work(same.view());
}

/// The product, element by element.
fn reference<A: LinalgScalar>(a: ArrayView2<A>, b: ArrayView2<A>) -> Array2<A> {
    let (m, k) = a.dim();
    Array::from_shape_fn((m, b.dim().1), |(i, j)| {
        (0..k).fold(A::zero(), |sum, p| sum + a[(i, p)] * b[(p, j)])
    })
}

fn dot_in_every_layout<A: LinalgScalar + From<i8> + std::fmt::Debug + PartialEq>() {
    for (m, k, n) in SIZES {
        let (a, b) = (numbers::<A>(m, k, 1), numbers::<A>(k, n, 2));
        let want = reference(a.view(), b.view());
        each_view(&a, |a| each_view(&b, |b| assert_eq!(a.dot(&b), want, "{m}x{k}x{n}")));
    }
}

#[test]
fn dot_f32() {
    dot_in_every_layout::<f32>();
}

#[test]
fn dot_f64() {
    dot_in_every_layout::<f64>();
}

#[test]
fn dot_i32() {
    dot_in_every_layout::<i32>();
}

#[test]
fn dot_of_transposes() {
    for (m, k, n) in SIZES {
        let (a, b) = (numbers::<f32>(k, m, 3), numbers::<f32>(n, k, 4));
        assert_eq!(a.t().dot(&b.t()), reference(a.t(), b.t()));
        assert_eq!(b.dot(&a).t(), a.t().dot(&b.t()));
    }
}

fn general_in_every_layout<A: LinalgScalar + From<i8> + std::fmt::Debug + PartialEq>() {
    for (m, k, n) in SIZES {
        let (a, b, before) = (numbers::<A>(m, k, 5), numbers::<A>(k, n, 6), numbers::<A>(m, n, 7));
        let product = reference(a.view(), b.view());
        for (alpha, beta) in [(1, 0), (1, 1), (2, -3), (-1, 2), (3, 0)] {
            let (alpha, beta) = (A::from(alpha), A::from(beta));
            let want = Array::from_shape_fn((m, n), |at| alpha * product[at] + beta * before[at]);
            each_view(&a, |a| {
                for mut c in layouts(&before) {
                    general_mat_mul(alpha, &a, &b, beta, &mut c);
                    assert_eq!(c, want, "{m}x{k}x{n}");
                }
                let mut larger = Array2::from_elem((2 * m, n + 4), A::from(9));
                larger.slice_mut(s![..;2, 1..n + 1]).assign(&before);
                general_mat_mul(alpha, &a, &b, beta, &mut larger.slice_mut(s![..;2, 1..n + 1]));
                assert_eq!(larger.slice(s![..;2, 1..n + 1]), want);
                assert!(larger.slice(s![1..;2, ..]).iter().all(|x| *x == A::from(9)), "a gap was written");
                assert!(larger.column(0).iter().all(|x| *x == A::from(9)), "a gap was written");
            });
        }
    }
}

#[test]
fn general_f32() {
    general_in_every_layout::<f32>();
}

#[test]
fn general_f64() {
    general_in_every_layout::<f64>();
}

#[test]
fn general_never_reads_c_when_beta_is_zero() {
    for (m, k, n) in SIZES {
        let (a, b) = (numbers::<f32>(m, k, 8), numbers::<f32>(k, n, 9));
        for order in [false, true] {
            let mut c = Array2::from_elem((m, n).set_f(order), f32::NAN);
            general_mat_mul(1.0, &a, &b, 0.0, &mut c);
            assert_eq!(c, reference(a.view(), b.view()));
        }
    }
}

#[test]
fn empty_extents() {
    for (m, k, n) in [(0, 3, 4), (3, 0, 4), (3, 4, 0), (0, 0, 0)] {
        let (a, b) = (numbers::<f32>(m, k, 1), numbers::<f32>(k, n, 2));
        assert_eq!(a.dot(&b), Array2::<f32>::zeros((m, n)));
    }
}

#[test]
fn a_broadcast_operand_repeats_its_row() {
    let row = numbers::<f32>(1, 12, 1);
    let a = row.broadcast((7, 12)).expect("one row becomes seven");
    let b = numbers::<f32>(12, 9, 2);
    assert_eq!(a.dot(&b), reference(a, b.view()));
}

#[test]
fn real_numbers_are_near_the_sum_in_f64() {
    let wave = |rows, cols, step: f32| Array::from_shape_fn((rows, cols), |(i, j)| ((i * cols + j) as f32 * step).sin());
    for (m, k, n) in [(40, 300, 50), (128, 128, 128), (200, 700, 33)] {
        let (a, b) = (wave(m, k, 0.7), wave(k, n, 1.3));
        let got = a.dot(&b);
        for ((i, j), x) in got.indexed_iter() {
            let terms = (0..k).map(|p| f64::from(a[(i, p)]) * f64::from(b[(p, j)]));
            let (sum, size) = terms.fold((0.0, 0.0), |(sum, size), term| (sum + term, size + term.abs()));
            assert!((f64::from(*x) - sum).abs() <= k as f64 * f64::from(f32::EPSILON) * size, "[{i}, {j}]");
        }
    }
}
