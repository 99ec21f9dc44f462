"""Kernels for NEON and an exported crate, compiled for aarch64-linux and run under emulation: `make test-aarch64`."""
