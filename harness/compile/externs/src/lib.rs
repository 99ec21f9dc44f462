//! Nothing of its own: it makes Cargo build the crates that candidates link.
pub use rayon;
