"""A round table of agents that evolves Rust kernels for f32 matrix multiplication, and the judge that decides about
them.
"""
