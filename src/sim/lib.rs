//! The sim part of Watchbell.
