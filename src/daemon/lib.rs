//! The daemon part of Watchbell.
