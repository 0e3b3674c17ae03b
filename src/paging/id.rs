//! Names and numbers of things, each of its own type so that they cannot be swapped.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Returns the text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(Arc::from(text))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{}", self.0)
            }
        }
    };
}

name!(
    /// The key of a `[person.*]` table; may also name someone whom the configuration lacks.
    PersonId
);
name!(
    /// The key of a `[schedule.*]` table.
    ScheduleId
);
name!(
    /// The name of a `[[route]]`.
    RouteName
);
name!(
    /// A silence's id, in the form of a UUID because Alertmanager's clients insist on one.
    SilenceId
);
number!(
    /// An incident's number, counted from 1 in a journal; JSON carries it as text.
    IncidentId
);
number!(
    /// An alert's number, counted from 1 in a journal.
    AlertId
);
number!(
    /// A delivery intent's number, counted from 1 in a journal; a repeat keeps it.
    DeliveryId
);
number!(
    /// A command's number, chosen by the caller, so that the answer finds its way back.
    CommandId
);

impl IncidentId {
    /// Reads an id as people type it: `42`, `#42` or `INC-42`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.trim_start_matches("INC-").trim_start_matches("inc-");
        digits.trim_start_matches('#').parse().ok().map(Self)
    }
}
