"""The round table and its judge: evolve Rust kernels for f32 matrix multiplication, believe only what passes."""
