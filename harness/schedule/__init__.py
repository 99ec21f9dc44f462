"""Descriptions of kernels: schedules, bilinear schemes, checks before compiling, and Rust rendered from templates."""
