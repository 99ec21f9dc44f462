//! Does not define matmul.
//!
//! expect: CompileError compile
//! threads: 1
//! tier: unsafe

pub fn multiply() {}
