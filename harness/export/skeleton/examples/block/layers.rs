//! What is not a product: layer norm, softmax under a causal mask, GELU, each with its gradient.

use super::matrix::Matrix;

/// The output of a layer norm, and the reciprocal standard deviation of each row.
pub struct Normed {
    pub output: Matrix,
    pub inverse_deviations: Vec<f32>,
}

/// Each row minus its mean, divided by its standard deviation.
pub fn norm(input: &Matrix) -> Normed {
    let mut output = Matrix::zeros(input.rows, input.cols);
    let mut inverse_deviations = Vec::with_capacity(input.rows);
    let rows = input.data.chunks_exact(input.cols).zip(output.data.chunks_exact_mut(input.cols));
    for (from, to) in rows {
        let mean = from.iter().sum::<f32>() / from.len() as f32;
        let variance = from.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / from.len() as f32;
        let inverse = (variance + 1e-5).sqrt().recip();
        to.iter_mut().zip(from).for_each(|(y, x)| *y = (x - mean) * inverse);
        inverse_deviations.push(inverse);
    }
    Normed { output, inverse_deviations }
}

/// The gradient of the input: (g - mean(g) - y * mean(g * y)) / deviation, row by row, with y the output.
pub fn norm_backward(seen: &Normed, gradient: &Matrix) -> Matrix {
    let mut back = Matrix::zeros(gradient.rows, gradient.cols);
    let rows = gradient.data.chunks_exact(gradient.cols).zip(seen.output.data.chunks_exact(gradient.cols));
    let targets = back.data.chunks_exact_mut(gradient.cols).zip(&seen.inverse_deviations);
    for ((g, y), (to, inverse)) in rows.zip(targets) {
        let mean = g.iter().sum::<f32>() / g.len() as f32;
        let along = g.iter().zip(y).map(|(g, y)| g * y).sum::<f32>() / g.len() as f32;
        for ((to, g), y) in to.iter_mut().zip(g).zip(y) {
            *to = (g - mean - y * along) * inverse;
        }
    }
    back
}

/// Row i becomes softmax of its first i + 1 elements; the rest, tokens of the future, becomes 0.
pub fn softmax_causal(scores: &mut Matrix) {
    for (i, row) in scores.data.chunks_exact_mut(scores.cols).enumerate() {
        let (past, future) = row.split_at_mut(i + 1);
        let most = past.iter().fold(f32::NEG_INFINITY, |most, x| most.max(*x));
        past.iter_mut().for_each(|x| *x = (*x - most).exp());
        let sum: f32 = past.iter().sum();
        past.iter_mut().for_each(|x| *x /= sum);
        future.fill(0.0);
    }
}

/// The gradient of the scores from that of the weights, in place: w * (g - sum(w * g)), row by row.
pub fn softmax_backward(weights: &Matrix, gradient: &mut Matrix) {
    let rows = weights.data.chunks_exact(weights.cols).zip(gradient.data.chunks_exact_mut(weights.cols));
    for (w, g) in rows {
        let along: f32 = w.iter().zip(g.iter()).map(|(w, g)| w * g).sum();
        g.iter_mut().zip(w).for_each(|(g, w)| *g = w * (*g - along));
    }
}

/// sqrt(2 / pi), of the usual approximation of GELU by tanh (Hendrycks and Gimpel, arXiv:1606.08415).
const SQRT_2_OVER_PI: f32 = 0.797_884_6;

/// x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))), element by element.
pub fn gelu(input: &Matrix) -> Matrix {
    let one = |x: &f32| 0.5 * x * (1.0 + (SQRT_2_OVER_PI * (x + 0.044_715 * x * x * x)).tanh());
    Matrix { rows: input.rows, cols: input.cols, data: input.data.iter().map(one).collect() }
}

/// The gradient of the input.
pub fn gelu_backward(input: &Matrix, gradient: &Matrix) -> Matrix {
    let one = |(x, g): (&f32, &f32)| {
        let t = (SQRT_2_OVER_PI * (x + 0.044_715 * x * x * x)).tanh();
        let slope = SQRT_2_OVER_PI * (1.0 + 3.0 * 0.044_715 * x * x);
        g * (0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * slope)
    };
    let data = input.data.iter().zip(&gradient.data).map(one).collect();
    Matrix { rows: input.rows, cols: input.cols, data }
}
