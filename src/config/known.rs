//! The names that a configuration defines, for checking references between tables.
//!
//! Holds what is written, not what could be built: a schedule with a fault is still known, so one
//! fault does not cause others.

use std::collections::BTreeSet;

/// Names by table.
#[derive(Debug, Default)]
pub(crate) struct Known<'a> {
    pub(crate) people: BTreeSet<&'a str>,
    pub(crate) schedules: BTreeSet<&'a str>,
    pub(crate) webhooks: BTreeSet<&'a str>,
    pub(crate) calendars: BTreeSet<&'a str>,
    /// `None` where rules of other files are not seen.
    pub(crate) rules: Option<BTreeSet<&'a str>>,
    /// There is a `[slack]` table.
    pub(crate) slack: bool,
    /// There is an `[email]` table.
    pub(crate) email: bool,
}
