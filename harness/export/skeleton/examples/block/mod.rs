//! A block of GPT-2, forward and backward, on any function with the signature of `matrixmultiply::sgemm`.

mod layers;
mod matrix;

pub use matrix::Gemm;

use layers::{gelu, gelu_backward, norm, norm_backward, softmax_backward, softmax_causal, Normed};
use matrix::{Matrix, View};

/// Sequences, tokens per sequence, channels per token (a multiple of the heads), heads of attention.
#[derive(Clone, Copy)]
pub struct Sizes {
    pub batch: usize,
    pub time: usize,
    pub channels: usize,
    pub heads: usize,
}

impl Sizes {
    /// Tokens of all sequences: the rows of every activation.
    pub fn tokens(&self) -> usize {
        self.batch * self.time
    }

    /// An activation of numbers between -1 and 1, the same for the same seed.
    pub fn numbers(&self, seed: u64) -> Vec<f32> {
        matrix::numbers(self.tokens() * self.channels, seed)
    }

    /// Floating-point operations of the products of one step: forward, and twice that backward.
    #[allow(dead_code)]
    pub fn flops(&self) -> f64 {
        let (t, c) = (self.tokens() as f64, self.channels as f64);
        3.0 * (2.0 * t * 12.0 * c * c + 4.0 * t * self.time as f64 * c)
    }
}

/// Weights (outputs x inputs, row-major) and biases of one linear layer, with their gradients.
struct Linear {
    weight: Matrix,
    bias: Vec<f32>,
    weight_gradient: Matrix,
    bias_gradient: Vec<f32>,
}

impl Linear {
    fn new(outputs: usize, inputs: usize, seed: u64) -> Linear {
        let scale = (inputs as f32).sqrt().recip();
        let mut weight = Matrix { rows: outputs, cols: inputs, data: matrix::numbers(outputs * inputs, seed) };
        weight.data.iter_mut().for_each(|w| *w *= scale);
        let weight_gradient = Matrix::zeros(outputs, inputs);
        Linear { weight, bias: vec![0.0; outputs], weight_gradient, bias_gradient: vec![0.0; outputs] }
    }

    /// input * transpose of W + bias.
    fn forward(&self, gemm: Gemm, input: &Matrix) -> Matrix {
        let mut output = Matrix::zeros(input.rows, self.weight.rows);
        for row in output.data.chunks_exact_mut(self.bias.len()) {
            row.copy_from_slice(&self.bias);
        }
        matrix::product(gemm, 1.0, input.view(), self.weight.view().transposed(), 1.0, output.view_mut());
        output
    }

    /// Adds the gradients of W and bias; returns that of the input.
    fn backward(&mut self, gemm: Gemm, input: &Matrix, gradient: &Matrix) -> Matrix {
        let mut back = Matrix::zeros(input.rows, input.cols);
        matrix::product(gemm, 1.0, gradient.view(), self.weight.view(), 0.0, back.view_mut());
        let to = self.weight_gradient.view_mut();
        matrix::product(gemm, 1.0, gradient.view().transposed(), input.view(), 1.0, to);
        for row in gradient.data.chunks_exact(self.bias.len()) {
            self.bias_gradient.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
        }
        back
    }

    /// One step of gradient descent; clears the gradients.
    fn step(&mut self, rate: f32) {
        let pairs = [(&mut self.weight.data, &mut self.weight_gradient.data), (&mut self.bias, &mut self.bias_gradient)];
        for (values, gradients) in pairs {
            for (value, gradient) in values.iter_mut().zip(gradients.iter_mut()) {
                *value -= rate * std::mem::take(gradient);
            }
        }
    }
}

/// The block. Layer norms have no weights of their own, which a linear layer behind them would absorb.
pub struct Block {
    sizes: Sizes,
    gemm: Gemm,
    qkv: Linear,
    projection: Linear,
    widen: Linear,
    narrow: Linear,
}

/// What the backward pass needs of the forward pass.
struct Activations {
    first: Normed,
    qkv: Matrix,
    weights: Vec<Matrix>,
    mixed: Matrix,
    second: Normed,
    wide: Matrix,
    active: Matrix,
    output: Matrix,
}

impl Block {
    /// A block with small random weights. `gemm` is `sgemm` of this crate, or another function with its contract.
    pub fn new(sizes: Sizes, gemm: Gemm) -> Block {
        let c = sizes.channels;
        assert!(c.is_multiple_of(sizes.heads), "{c} channels cannot be divided among {} heads", sizes.heads);
        let (qkv, projection) = (Linear::new(3 * c, c, 11), Linear::new(c, c, 12));
        let (widen, narrow) = (Linear::new(4 * c, c, 13), Linear::new(c, 4 * c, 14));
        Block { sizes, gemm, qkv, projection, widen, narrow }
    }

    /// One step of gradient descent: forward, backward, update. Returns the loss before the update.
    pub fn train(&mut self, input: &[f32], target: &[f32], rate: f32) -> f32 {
        let loss = self.backward(input, target);
        for layer in [&mut self.qkv, &mut self.projection, &mut self.widen, &mut self.narrow] {
            layer.step(rate);
        }
        loss
    }

    /// The loss: half of the mean square of output - target.
    #[allow(dead_code)]
    pub fn loss(&self, input: &[f32], target: &[f32]) -> f32 {
        half_mean_square(&self.forward(&self.activation(input)).output.data, target)
    }

    /// Every weight and bias, and after `backward` the gradient of the loss for each; for tests.
    #[allow(dead_code)]
    pub fn parameters(&mut self) -> Vec<(&'static str, &mut [f32], &[f32])> {
        let layers = [
            ("qkv", &mut self.qkv),
            ("projection", &mut self.projection),
            ("widen", &mut self.widen),
            ("narrow", &mut self.narrow),
        ];
        let mut found: Vec<(&'static str, &mut [f32], &[f32])> = Vec::new();
        for (name, layer) in layers {
            found.push((name, &mut layer.weight.data, &layer.weight_gradient.data));
            found.push((name, &mut layer.bias, &layer.bias_gradient));
        }
        found
    }

    fn activation(&self, values: &[f32]) -> Matrix {
        Matrix { rows: self.sizes.tokens(), cols: self.sizes.channels, data: values.to_vec() }
    }

    fn forward(&self, input: &Matrix) -> Activations {
        let gemm = self.gemm;
        let first = norm(input);
        let qkv = self.qkv.forward(gemm, &first.output);
        let (weights, mixed) = self.attention(&qkv);
        let mut residual = self.projection.forward(gemm, &mixed);
        residual.add(input);
        let second = norm(&residual);
        let wide = self.widen.forward(gemm, &second.output);
        let active = gelu(&wide);
        let mut output = self.narrow.forward(gemm, &active);
        output.add(&residual);
        Activations { first, qkv, weights, mixed, second, wide, active, output }
    }

    /// Adds the gradients of all parameters. Returns the loss.
    pub fn backward(&mut self, input: &[f32], target: &[f32]) -> f32 {
        let (gemm, input) = (self.gemm, self.activation(input));
        let seen = self.forward(&input);
        let scale = (target.len() as f32).recip();
        let mut gradient = Matrix::zeros(seen.output.rows, seen.output.cols);
        for (to, (x, y)) in gradient.data.iter_mut().zip(seen.output.data.iter().zip(target)) {
            *to = (x - y) * scale;
        }
        let active = self.narrow.backward(gemm, &seen.active, &gradient);
        let second = self.widen.backward(gemm, &seen.second.output, &gelu_backward(&seen.wide, &active));
        let mut residual = norm_backward(&seen.second, &second);
        residual.add(&gradient);
        let mixed = self.projection.backward(gemm, &seen.mixed, &residual);
        let qkv = self.attention_backward(&seen, &mixed);
        self.qkv.backward(gemm, &seen.first.output, &qkv);
        half_mean_square(&seen.output.data, target)
    }

    /// Softmax(Q * transpose of K / sqrt(size of a head)) for each sequence and head, and that times V.
    fn attention(&self, qkv: &Matrix) -> (Vec<Matrix>, Matrix) {
        let Sizes { time, .. } = self.sizes;
        let mut mixed = Matrix::zeros(self.sizes.tokens(), self.sizes.channels);
        let mut all = Vec::new();
        for head in self.heads() {
            let mut weights = Matrix::zeros(time, time);
            let (q, k, v) = (head.part(qkv, 0), head.part(qkv, 1), head.part(qkv, 2));
            matrix::product(self.gemm, head.scale(), q, k.transposed(), 0.0, weights.view_mut());
            softmax_causal(&mut weights);
            matrix::product(self.gemm, 1.0, weights.view(), v, 0.0, head.part_mut(&mut mixed, 0));
            all.push(weights);
        }
        (all, mixed)
    }

    fn attention_backward(&self, seen: &Activations, mixed: &Matrix) -> Matrix {
        let Sizes { time, .. } = self.sizes;
        let gemm = self.gemm;
        let mut back = Matrix::zeros(seen.qkv.rows, seen.qkv.cols);
        for (head, weights) in self.heads().zip(&seen.weights) {
            let (q, k, v) = (head.part(&seen.qkv, 0), head.part(&seen.qkv, 1), head.part(&seen.qkv, 2));
            let gradient = head.part(mixed, 0);
            let mut scores = Matrix::zeros(time, time);
            matrix::product(gemm, 1.0, gradient, v.transposed(), 0.0, scores.view_mut());
            matrix::product(gemm, 1.0, weights.view().transposed(), gradient, 0.0, head.part_mut(&mut back, 2));
            softmax_backward(weights, &mut scores);
            matrix::product(gemm, head.scale(), scores.view(), k, 0.0, head.part_mut(&mut back, 0));
            matrix::product(gemm, head.scale(), scores.view().transposed(), q, 0.0, head.part_mut(&mut back, 1));
        }
        back
    }

    fn heads(&self) -> impl Iterator<Item = Head> {
        let Sizes { batch, time, channels, heads } = self.sizes;
        let each = move |index: usize| Head {
            row: index / heads * time, time, channels, column: index % heads * (channels / heads), width: channels / heads,
        };
        (0..batch * heads).map(each)
    }
}

/// Where one head of one sequence lies: rows of its tokens, columns of its channels.
struct Head {
    row: usize,
    time: usize,
    channels: usize,
    column: usize,
    width: usize,
}

impl Head {
    fn scale(&self) -> f32 {
        (self.width as f32).sqrt().recip()
    }

    /// Its columns in part 0 (Q, or the mixed values), 1 (K) or 2 (V) of a matrix.
    fn part<'a>(&self, of: &'a Matrix, part: usize) -> View<'a> {
        of.block(self.row, part * self.channels + self.column, self.time, self.width)
    }

    fn part_mut<'a>(&self, of: &'a mut Matrix, part: usize) -> matrix::ViewMut<'a> {
        of.block_mut(self.row, part * self.channels + self.column, self.time, self.width)
    }
}

fn half_mean_square(output: &[f32], target: &[f32]) -> f32 {
    let square = |(x, y): (&f32, &f32)| f64::from(x - y) * f64::from(x - y);
    (output.iter().zip(target).map(square).sum::<f64>() / (2 * target.len()) as f64) as f32
}
