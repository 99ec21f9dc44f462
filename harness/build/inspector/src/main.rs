//! Reads what a candidate wrote and what the compiler made of it; trusted itself, trusting neither.
fn main() {}
