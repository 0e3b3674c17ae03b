//! Cases of the exposition module.
