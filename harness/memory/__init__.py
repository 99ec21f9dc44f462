"""The memory of accepted kernels."""
