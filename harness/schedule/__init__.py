"""The space of kernels: schedules, bilinear schemes, Rust templates, the renderer."""
