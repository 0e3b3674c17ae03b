//! The plan and the loop, without a network.
