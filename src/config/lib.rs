//! The config part of Watchbell.
