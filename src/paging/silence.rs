//! Silences: for a while, matching alerts tell nobody. They never stop evaluation or resolution.

use serde::{Deserialize, Serialize};
use watchbell_metrics::label::{Labels, MatchOp, Matcher, Matchers};

use crate::id::SilenceId;
use crate::time::Timestamp;

/// How many silences may wait or be in force; more are refused.
pub const SILENCES_MAX: usize = 10_000;
/// How long an ended silence is shown.
pub(crate) const ENDED_SHOWN_MS: i64 = 5 * 24 * 3_600_000;

/// One silence; immutable but for its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Silence {
    /// Its id.
    pub id: SilenceId,
    /// All must hold, over an alert's labels with `severity`.
    #[serde(with = "stored")]
    pub matchers: Matchers,
    /// Inclusive.
    pub from: Timestamp,
    /// Exclusive.
    pub until: Timestamp,
    /// Why.
    pub reason: String,
    /// Who.
    pub by: String,
}

impl Silence {
    /// Tells whether it is in force.
    #[must_use]
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.until
    }

    /// Tells whether it mutes an alert of these labels now.
    #[must_use]
    pub fn mutes(&self, labels: &Labels, now: Timestamp) -> bool {
        self.is_active(now) && self.matchers.matches(labels)
    }

    /// Returns when it begins or ends next.
    #[must_use]
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        [self.from, self.until].into_iter().find(|at| now < *at)
    }
}

/// Makes the id of the silence with this number: the form of a UUID, the same on every replay.
#[must_use]
pub fn id_of(number: u64) -> SilenceId {
    SilenceId::from(format!("5117e9ce-0000-4000-8000-{:012x}", number & 0xffff_ffff_ffff).as_str())
}

/// Matchers in the journal: name, operator, value.
mod stored {
    use serde::de::Error as _;
    use serde::{Deserializer, Serializer};

    use super::{Deserialize, MatchOp, Matcher, Matchers, Serialize};

    pub(super) fn serialize<S: Serializer>(all: &Matchers, out: S) -> Result<S::Ok, S::Error> {
        let parts: Vec<(&str, MatchOp, &str)> =
            all.0.iter().map(|one| (one.name(), one.op(), one.value())).collect();
        parts.serialize(out)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Matchers, D::Error> {
        let parts = Vec::<(String, MatchOp, String)>::deserialize(from)?;
        let read = |(name, op, value): &(String, MatchOp, String)| Matcher::new(name, *op, value);
        parts.iter().map(read).collect::<Result<_, _>>().map(Matchers).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_is_in_force_from_its_start_until_before_its_end() {
        let silence = sample();
        let labels = Labels::from_pairs([("job", "api")]);
        for (at, expected) in [(9, false), (10, true), (19, true), (20, false)] {
            assert_eq!(silence.mutes(&labels, Timestamp(at)), expected, "at {at}");
        }
        assert!(!silence.mutes(&Labels::from_pairs([("job", "web")]), Timestamp(15)));
        assert_eq!(silence.next_change(Timestamp(10)), Some(Timestamp(20)));
        assert_eq!(silence.next_change(Timestamp(20)), None);
    }

    #[test]
    fn a_silence_survives_the_journal() {
        let silence = sample();
        let text = serde_json::to_string(&silence).unwrap();
        assert_eq!(serde_json::from_str::<Silence>(&text).unwrap(), silence);
    }

    fn sample() -> Silence {
        let matcher = Matcher::new("job", MatchOp::Regex, "a.*").unwrap();
        Silence {
            id: id_of(1),
            matchers: Matchers(vec![matcher]),
            from: Timestamp(10),
            until: Timestamp(20),
            reason: String::new(),
            by: "ana".to_owned(),
        }
    }
}
