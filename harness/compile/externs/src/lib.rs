//! Empty: it exists so that Cargo builds the crates that candidates may link.
pub use rayon;
