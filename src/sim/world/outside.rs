//! What the engine's effects reach: journal, providers, answers, the published picture.
//!
//! Keeps the transcript. Can be told to break in the middle of a turn, and to lie, so that the
//! audit can be shown to notice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use watchbell_paging::command::{Answer, Command};
use watchbell_paging::engine::Effect;
use watchbell_paging::id::{CommandId, DeliveryId};
use watchbell_paging::outbox::{Delivery, Outcome, Purpose};
use watchbell_paging::record::Record;
use watchbell_paging::time::Timestamp;
use watchbell_paging::turn::{AppendError, Ports};
use watchbell_paging::view::{IncidentState, View};

use crate::audit::Audit;
use crate::provider::Providers;

/// The word by which records of intents are known.
const INTENDED: &str = "intended";

/// Where in a turn that intends a delivery the daemon is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amid {
    /// Before its records are durable: neither they nor its effects are.
    Append,
    /// After that, before its effects.
    Send,
    /// After the providers were called, before their answers.
    Answer,
}

impl Amid {
    /// Reads the words of `amid`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "append" => Some(Self::Append),
            "send" => Some(Self::Send),
            "answer" => Some(Self::Answer),
            _ => None,
        }
    }
}

/// A lie of the world, each of which some invariant must notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// Pages are never attempted.
    DropPages,
    /// The newest records are gone after a crash although they were durable.
    LoseTail,
    /// The journal skips a number.
    SkipSeq,
    /// A page is attempted again after its result is known.
    SendTwice,
    /// After an answer to a person, the last page goes out again as a new one.
    PageAfterAck,
    /// A page goes out for an incident that is over.
    PageForNothing,
}

/// One line of the transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When.
    pub at: Timestamp,
    /// What happened.
    pub text: String,
}

/// Everything outside the engine.
#[derive(Debug, Default)]
pub(super) struct Outside {
    pub(super) now: Timestamp,
    pub(super) journal: Vec<Record>,
    pub(super) appended_at: Option<Timestamp>,
    pub(super) sends: Vec<Delivery>,
    pub(super) asked: BTreeMap<CommandId, Command>,
    pub(super) answers: BTreeMap<CommandId, Answer>,
    pub(super) view: Arc<View>,
    pub(super) disk_full: bool,
    pub(super) cut: Option<Amid>,
    pub(super) died: bool,
    pub(super) providers: Providers,
    pub(super) audit: Option<Audit>,
    pub(super) sabotage: Option<Sabotage>,
    pub(super) transcript: Vec<Line>,
    /// Records that a full disk refused and that were not appended since.
    behind: bool,
    last_page: Option<Delivery>,
}

impl Outside {
    pub(super) fn note(&mut self, at: Timestamp, text: impl Into<String>) {
        self.transcript.push(Line { at, text: text.into() });
    }

    /// Attempts a delivery at its provider.
    pub(super) fn attempt(&mut self, delivery: Delivery, now: Timestamp) -> (Duration, Outcome) {
        let text = describe(&delivery);
        if let Some(audit) = &mut self.audit {
            audit.attempted(now, &delivery);
        }
        let arrived = self.providers.arrived.len();
        let (lasts, outcome) = self.providers.attempt(delivery, now);
        let word = match &outcome {
            Outcome::Accepted { .. } => "accepted".to_owned(),
            Outcome::Retry { why, .. } | Outcome::Failed { why } => why.clone(),
        };
        self.note(now, format!("{text}: {word}"));
        if let (Some(audit), Some(new)) = (&mut self.audit, self.providers.arrived.get(arrived)) {
            audit.arrived(new);
        }
        (lasts, outcome)
    }

    /// Ends a turn: the audit looks at what left the engine.
    pub(super) fn turned(&mut self) {
        if let Some(audit) = &mut self.audit {
            audit.turned(self.now, &self.view);
        }
    }

    /// Tells whether the journal holds everything that left the engine.
    pub(super) fn is_whole(&self) -> bool {
        !self.behind
    }

    /// The process is gone, and with it everything that was only in memory.
    pub(super) fn forget(&mut self) {
        self.sends.clear();
        self.answers.clear();
        self.died = false;
        self.behind = false;
        self.cut = None;
    }

    pub(super) fn step_clock(&mut self, by_ms: i64) {
        if let Some(at) = &mut self.appended_at {
            at.0 = at.0.saturating_add(by_ms);
        }
        if let Some(audit) = &mut self.audit {
            audit.clock_stepped(by_ms);
        }
    }

    pub(super) fn lie_about_the_journal(&mut self) {
        if self.sabotage == Some(Sabotage::LoseTail) {
            let kept = self.journal.iter().position(|record| record.kind().contains("ack"));
            self.journal.truncate(kept.unwrap_or(self.journal.len()));
        }
    }

    fn send(&mut self, delivery: Delivery) {
        let is_page = matches!(delivery.purpose, Purpose::Page { .. });
        if is_page && self.sabotage == Some(Sabotage::DropPages) {
            return;
        }
        if is_page {
            self.last_page = Some(delivery.clone());
        }
        if self.sabotage == Some(Sabotage::SendTwice) {
            self.sends.push(delivery.clone());
        }
        self.sends.push(delivery);
    }

    fn page_again(&mut self, over: bool) {
        let Some(mut page) = self.last_page.clone() else { return };
        page.id = DeliveryId(page.id.0 + 1_000_000);
        if over {
            let incident = Arc::make_mut(&mut page.message.incident);
            incident.state = IncidentState::Resolved;
            incident.resolved_at = Some(Timestamp(self.now.0 - 1));
        }
        self.sends.push(page);
    }
}

impl Ports for Outside {
    fn append(&mut self, records: &[Record]) -> Result<(), AppendError> {
        if self.disk_full {
            self.behind |= !records.is_empty();
            return Err(AppendError::new("no space left on device"));
        }
        let intends = records.iter().any(|record| record.kind().contains(INTENDED));
        if intends && let Some(cut) = self.cut {
            self.died = true;
            if cut == Amid::Append {
                return Ok(());
            }
        }
        self.behind = false;
        self.journal.extend_from_slice(records);
        if self.sabotage == Some(Sabotage::SkipSeq) && 20 < self.journal.len() {
            self.journal.remove(10);
        }
        if !records.is_empty() {
            self.appended_at = Some(self.now);
        }
        if let Some(audit) = &mut self.audit {
            audit.appended(&self.journal);
        }
        Ok(())
    }

    fn perform(&mut self, effect: Effect) {
        if self.died && self.cut != Some(Amid::Answer) {
            return;
        }
        match effect {
            Effect::Send(delivery) => self.send(delivery),
            Effect::Reply(id, answer) => {
                self.note(self.now, format!("answered: {}", word(&answer)));
                if let (Some(audit), Some(asked)) = (&mut self.audit, self.asked.get(&id)) {
                    audit.answered(self.now, asked, &answer, self.disk_full);
                }
                match self.sabotage {
                    Some(Sabotage::PageAfterAck) => self.page_again(false),
                    Some(Sabotage::PageForNothing) => self.page_again(true),
                    Some(_) | None => {}
                }
                self.answers.insert(id, answer);
            }
            Effect::Publish(view) => self.view = view,
        }
    }
}

fn describe(delivery: &Delivery) -> String {
    let what = match &delivery.purpose {
        Purpose::Page { person } => format!("page {person}"),
        Purpose::Post => "post".to_owned(),
        Purpose::Edit => "edit".to_owned(),
        Purpose::Thread { person: Some(person) } => format!("thread, mentions {person}"),
        Purpose::Thread { person: None } => "thread".to_owned(),
    };
    let to = match &delivery.address {
        watchbell_paging::outbox::Address::Slack(to)
        | watchbell_paging::outbox::Address::Email(to)
        | watchbell_paging::outbox::Address::Webhook(to) => to.as_str(),
        watchbell_paging::outbox::Address::Terminal => "terminal",
    };
    let repeat = if delivery.may_be_repeat { ", may be a repeat" } else { "" };
    format!(
        "incident {} #{} {what} at {to} ({:?}, attempt {}{repeat})",
        delivery.message.incident.id, delivery.id, delivery.message.reason, delivery.attempt
    )
}

fn word(answer: &Answer) -> String {
    match answer {
        Answer::Incident(incident) => format!("incident {} is {:?}", incident.id, incident.state),
        Answer::Already { first, .. } => format!("{first} was first"),
        Answer::Silence(id) => format!("silence {id}"),
        Answer::Done => "done".to_owned(),
        Answer::Refused(refusal) => refusal.to_string(),
    }
}
