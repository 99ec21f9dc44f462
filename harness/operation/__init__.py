"""The operations that kernels are evolved for: what belongs to matmul or to sgemm alone."""
