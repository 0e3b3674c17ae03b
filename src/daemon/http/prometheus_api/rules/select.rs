//! Which rules and groups are asked for, and how many groups at once.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};
use watchbell_metrics::label::{Labels, Matcher};

use crate::http::prometheus_api::Fault;
use crate::http::prometheus_api::params::Params;
use crate::http::prometheus_api::rules::describe::{Entry, Listed};

/// Which rules are asked for.
#[derive(Debug)]
pub(super) struct Asked {
    alerting: bool,
    recording: bool,
    names: Vec<String>,
    groups: Vec<String>,
    files: Vec<String>,
    /// One of them must match the labels, as they are written.
    matchers: Vec<Vec<Matcher>>,
    /// The alerts of each rule, too.
    pub(super) with_alerts: bool,
}

/// Which groups of all that are asked for.
#[derive(Debug)]
pub(super) struct Page {
    groups_max: Option<usize>,
    /// The token of the first group; none once it was met.
    first: Option<String>,
    next: Option<String>,
}

impl Asked {
    pub(super) fn read(params: &Params) -> Result<Self, Fault> {
        let kind = params.get("type").unwrap_or_default().to_lowercase();
        if !matches!(kind.as_str(), "" | "alert" | "record") {
            return Err(Fault::parameter("type", format!("not supported value {kind:?}")));
        }
        let all = |name| params.all(name).map(str::to_owned).collect();
        Ok(Self {
            alerting: kind != "record",
            recording: kind != "alert",
            names: all("rule_name[]"),
            groups: all("rule_group[]"),
            files: all("file[]"),
            matchers: params.selectors()?,
            with_alerts: !flag(params, "exclude_alerts")?,
        })
    }

    pub(super) fn wants_group(&self, group: &Listed<'_>) -> bool {
        is_in(&self.groups, group.name) && is_in(&self.files, &group.file)
    }

    pub(super) fn wants(&self, rule: &Entry<'_>) -> bool {
        let kind = match rule {
            Entry::Alert(..) => self.alerting,
            Entry::Recording(..) => self.recording,
        };
        kind && is_in(&self.names, rule.name()) && self.passes(&rule.labels())
    }

    fn passes(&self, labels: &Labels) -> bool {
        let passes = |set: &Vec<Matcher>| set.iter().all(|one| one.matches(labels));
        self.matchers.is_empty() || self.matchers.iter().any(passes)
    }
}

impl Page {
    pub(super) fn read(params: &Params) -> Result<Self, Fault> {
        let limit = params.get("group_limit");
        let token = params.get("group_next_token");
        let Some(limit) = limit else {
            return match token {
                None => Ok(Self { groups_max: None, first: None, next: None }),
                Some(_) => Err(Fault::parameter(
                    "group_next_token",
                    "group_limit needs to be present in order to paginate over the groups",
                )),
            };
        };
        let groups_max = limit.parse::<i32>().map_err(|_| {
            let words = "group_limit needs to be a valid number: strconv.ParseInt: parsing";
            Fault::parameter("group_limit", format!("{words} {limit:?}: invalid syntax"))
        })?;
        let groups_max = usize::try_from(groups_max).ok().filter(|most| 0 < *most);
        if groups_max.is_none() {
            return Err(Fault::parameter("group_limit", "group_limit needs to be greater than 0"));
        }
        Ok(Self { groups_max, first: token.map(str::to_owned), next: None })
    }

    /// Tells whether a group is on the page or behind it.
    pub(super) fn begins_with(&mut self, group: &Listed<'_>) -> bool {
        self.first.take_if(|first| *first == token(group));
        self.first.is_none()
    }

    /// Tells whether the page has no place for a further group; then that is the next one's first.
    pub(super) fn is_full(&mut self, count: usize, group: &Listed<'_>) -> bool {
        let is_full = self.groups_max.is_some_and(|most| most <= count);
        if is_full {
            self.next = Some(token(group));
        }
        is_full
    }

    /// Returns where the next page begins.
    pub(super) fn next(self) -> Result<Option<String>, Fault> {
        match self.first {
            Some(unmet) => Err(Fault::parameter(
                "group_next_token",
                format!("invalid group_next_token '{unmet}'. were rule groups changed?"),
            )),
            None => Ok(self.next),
        }
    }
}

fn is_in(wanted: &[String], name: &str) -> bool {
    wanted.is_empty() || wanted.iter().any(|one| one == name)
}

/// Reads a flag in the spellings of Go.
fn flag(params: &Params, name: &str) -> Result<bool, Fault> {
    let text = params.get(name).unwrap_or_default().to_lowercase();
    match text.as_str() {
        "1" | "t" | "true" => Ok(true),
        "" | "0" | "f" | "false" => Ok(false),
        _ => {
            let words = format!("error converting {name}: strconv.ParseBool: parsing");
            Err(Fault::parameter(name, format!("{words} {text:?}: invalid syntax")))
        }
    }
}

/// Names a group in a way that says nothing of its file.
fn token(group: &Listed<'_>) -> String {
    let mut token = String::with_capacity(40);
    for byte in Sha256::digest(format!("{};{}", group.file, group.name)).iter().take(20) {
        let (Ok(()) | Err(_)) = write!(token, "{byte:02x}");
    }
    token
}
