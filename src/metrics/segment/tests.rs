//! Cases of the segment module.
