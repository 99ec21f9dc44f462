"""From kernel.rs to a checked library: policy on the source, rustc, audit of the binary."""
