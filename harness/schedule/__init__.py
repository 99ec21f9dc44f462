"""The space of kernels: schedules, bilinear schemes, checks before compiling, and Rust templates."""
