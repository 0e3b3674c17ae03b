//! Configuration: TOML text to checked values, all faults at once, each with its place and repair.
//!
//! Pure: texts come in, values and diagnostics go out; whoever calls reads the files.

pub mod value;
pub mod diagnostic;
pub mod load;
pub mod schema;
