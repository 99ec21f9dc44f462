"""From kernel.rs to a checked library: policy, rustc, binary audit."""
