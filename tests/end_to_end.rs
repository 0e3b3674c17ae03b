//! The built binary against real and fake peers on loopback.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "this is test code throughout")]

#[path = "support/mod.rs"]
mod support;

#[path = "end_to_end/backfill.rs"]
mod backfill;
#[path = "end_to_end/clicks.rs"]
mod clicks;
#[path = "end_to_end/commands.rs"]
mod commands;
#[path = "end_to_end/journal.rs"]
mod journal;
#[path = "end_to_end/hostile.rs"]
mod hostile;
#[path = "end_to_end/oncall.rs"]
mod oncall;
#[path = "end_to_end/path.rs"]
mod path;
#[path = "end_to_end/reload.rs"]
mod reload;
#[path = "end_to_end/restart.rs"]
mod restart;
#[path = "end_to_end/rules.rs"]
mod rules;
#[path = "end_to_end/watching.rs"]
mod watching;
