//! What every page is made of: the frame, times, names, words for levels and promises.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use maud::{DOCTYPE, Markup, html};
use watchbell_paging::id::PersonId;
use watchbell_paging::level::Severity;
use watchbell_paging::sla::{BreachCause, Outcome};
use watchbell_paging::time::{Timestamp, format_duration};
use watchbell_paging::view::{IncidentState, IncidentView, View};

use crate::http::Context;
use crate::http::auth::{Visitor, cookie_of};
use crate::http::errors::Fault;
use crate::http::pages::PageFault;
use crate::live::Live;
use crate::notify::is_direction;

/// The cookie that remembers who acted last from this browser.
pub(super) const NAME: &str = "watchbell_name";

/// Where in the navigation a page stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tab {
    Home,
    Incidents,
    OnCall,
    Rules,
    Targets,
    Report,
}

const TABS: [(Tab, &str, &str); 6] = [
    (Tab::Home, "/", "Now"),
    (Tab::Incidents, "/incidents", "Incidents"),
    (Tab::OnCall, "/oncall", "On call"),
    (Tab::Rules, "/rules", "Rules"),
    (Tab::Targets, "/targets", "Targets"),
    (Tab::Report, "/report", "Report"),
];

/// Everything a page is drawn from.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    /// The configuration in force.
    pub(crate) live: Arc<Live>,
    /// The picture.
    pub(crate) view: Arc<View>,
    /// When it is looked at.
    pub(crate) now: Timestamp,
    /// Who looks: authenticated, or as they called themselves last.
    pub(crate) me: Option<String>,
    /// Whether a token or a session proves it.
    pub(crate) authenticated: bool,
}

/// A sentence above a page's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// Something was done.
    Done(String),
    /// Something was not done.
    Refused(String),
}

impl FromRequestParts<Arc<Context>> for Scene {
    type Rejection = PageFault;

    async fn from_request_parts(
        parts: &mut Parts,
        context: &Arc<Context>,
    ) -> Result<Self, PageFault> {
        let visitor = parts.extensions.get::<Visitor>();
        let visitor = visitor.ok_or_else(|| Fault::ours("nobody was asked who this is"))?;
        let name = visitor.name.as_ref().map(PersonId::to_string);
        let authenticated = name.is_some();
        let remembered = || cookie_of(&parts.headers, NAME).and_then(decode);
        Ok(Self {
            live: context.live.load_full(),
            view: context.desk.view(),
            now: context.now(),
            me: name.or_else(remembered),
            authenticated,
        })
    }
}

impl Scene {
    /// Draws a page; `refresh` seconds only where nothing is being typed.
    pub(crate) fn page(
        &self,
        tab: Tab,
        title: &str,
        refresh: Option<u32>,
        body: &Markup,
    ) -> Markup {
        let waiting = self.count(IncidentState::Triggered);
        let title = match waiting {
            0 => format!("{title} · Watchbell"),
            _ => format!("({waiting}) {title} · Watchbell"),
        };
        html! {
            (DOCTYPE)
            html lang="en" {
                (head(&title, refresh, waiting > 0))
                body {
                    a.skip href="#content" { "Skip to content" }
                    header {
                        div.bar {
                            a.brand href="/" { (bell()) " Watchbell" }
                            nav aria-label="Pages" {
                                @for (own, path, name) in TABS {
                                    a href=(path) aria-current=[(own == tab).then_some("page")] {
                                        (name)
                                    }
                                }
                            }
                            @if self.authenticated {
                                form.who method="post" action="/logout" {
                                    span { (self.me.as_deref().map(|me| self.name(me)).unwrap_or_default()) }
                                    button.link type="submit" { "Log out" }
                                }
                            }
                        }
                    }
                    main id="content" {
                        @if let Some(refused) = &self.live.refused {
                            div.notice.bad role="status" {
                                strong { "The newest configuration was refused; the one before it is in force." }
                                pre { (refused) }
                            }
                        }
                        (body)
                    }
                    footer {
                        "Times are " (self.live.config.settings.zone.name()) ", as of "
                        (self.time(self.now)) "."
                        @if let Some(seconds) = refresh {
                            " The page looks again every " (seconds) " s."
                        }
                    }
                }
            }
        }
    }

    /// Counts incidents in a state.
    pub(crate) fn count(&self, state: IncidentState) -> usize {
        self.view.incidents.iter().filter(|incident| incident.state == state).count()
    }

    /// Returns a person's name, or what they are called where the configuration lacks them.
    pub(crate) fn name(&self, id: &str) -> String {
        let people = &self.live.config.settings.people;
        people.get(&PersonId::from(id)).map_or_else(|| id.to_owned(), |one| one.name.clone())
    }

    /// Joins names for a sentence.
    pub(crate) fn names(&self, ids: &[PersonId]) -> String {
        let names: Vec<String> = ids.iter().map(|id| self.name(id.as_str())).collect();
        names.join(", ")
    }

    /// Shows an instant as a clock, with its date where that is not today's.
    pub(crate) fn time(&self, at: Timestamp) -> Markup {
        let zone = &self.live.config.settings.zone;
        let (local, today) = (at.to_local(zone), self.now.to_local(zone).date());
        let format = if local.date() == today {
            "%H:%M:%S"
        } else if local.year() == today.year() {
            "%a %-d %b %H:%M"
        } else {
            "%-d %b %Y %H:%M"
        };
        stamp(at, &local.strftime(format).to_string())
    }

    /// Shows an instant with weekday and date, without seconds.
    pub(crate) fn day_time(&self, at: Timestamp) -> Markup {
        let local = at.to_local(&self.live.config.settings.zone);
        stamp(at, &local.strftime("%a %-d %b %H:%M").to_string())
    }

    /// Words how long ago something was.
    pub(crate) fn ago(&self, at: Timestamp) -> String {
        format!("{} ago", length(self.now.since(at)))
    }

    /// Shows the notice above a page's content.
    pub(crate) fn notice(notice: Option<&Notice>) -> Markup {
        html! {
            @match notice {
                Some(Notice::Done(text)) => div.notice.good role="status" { (text) },
                Some(Notice::Refused(text)) => div.notice.bad role="alert" { (text) },
                None => {}
            }
        }
    }
}

/// The head of every page.
pub(super) fn head(title: &str, refresh: Option<u32>, waiting: bool) -> Markup {
    let colour = if waiting { "%23c0281c" } else { "%232f7d4f" };
    let icon = format!(
        "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'>\
         <circle cx='8' cy='8' r='7' fill='{colour}'/></svg>"
    );
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            @if let Some(seconds) = refresh { meta http-equiv="refresh" content=(seconds); }
            title { (title) }
            link rel="icon" href=(icon);
            link rel="stylesheet" href={ "/style.css?" (env!("CARGO_PKG_VERSION")) };
        }
    }
}

fn bell() -> Markup {
    html! {
        svg.bell viewBox="0 0 24 24" width="20" height="20" aria-hidden="true" {
            path d="M12 3a6 6 0 0 0-6 6v4.2L4.2 17h15.6L18 13.2V9a6 6 0 0 0-6-6z" {}
            path d="M9.8 19a2.2 2.2 0 0 0 4.4 0z" {}
        }
    }
}

/// An instant as some words, with UTC at hand.
fn stamp(at: Timestamp, words: &str) -> Markup {
    html! { time datetime=(at.to_rfc3339()) title=(at.to_rfc3339_seconds()) { (words) } }
}

/// Text from outside without characters that turn or hide their neighbours.
pub(super) fn visible(text: &str) -> String {
    text.chars().filter(|one| !is_direction(*one)).collect()
}

/// Words why a promise was broken.
pub(super) fn because(cause: BreachCause) -> &'static str {
    match cause {
        BreachCause::DaemonDown => "the daemon was down",
        BreachCause::NoOneOnCall => "nobody was on call",
        BreachCause::DeliveryFailed => "no message could be delivered",
        BreachCause::SystemLate => "the first message was late",
        BreachCause::Responder => "nobody answered in time",
    }
}

/// The same for the word of the public JSON.
pub(super) fn because_word(word: &str) -> String {
    let all = [
        BreachCause::DaemonDown,
        BreachCause::NoOneOnCall,
        BreachCause::DeliveryFailed,
        BreachCause::SystemLate,
        BreachCause::Responder,
    ];
    let known = all.into_iter().find(|cause| cause.as_str() == word);
    known.map_or_else(|| word.replace('_', " "), |cause| because(cause).to_owned())
}

/// Words a length without fractions of a second.
pub(super) fn length(length: Duration) -> String {
    format_duration(Duration::from_secs(length.as_secs()))
}

/// A severity as a word in its colour.
pub(super) fn severity(severity: Severity) -> Markup {
    html! { span.tag.(severity.as_str()) { (severity.as_str()) } }
}

/// A state as a word.
pub(super) fn state(state: IncidentState) -> &'static str {
    match state {
        IncidentState::Triggered => "unanswered",
        IncidentState::Acked => "acknowledged",
        IncidentState::Resolved => "resolved",
    }
}

/// How the promise of an incident stands: a class of the style, and words.
pub(super) fn promise(incident: &IncidentView, now: Timestamp) -> (&'static str, String) {
    let deadline = incident.deadline;
    match incident.sla {
        Outcome::Running => match deadline {
            None => ("plain", "no promise runs".to_owned()),
            Some(deadline) if now <= deadline => {
                ("urgent", format!("{} left to answer", length(deadline.since(now))))
            }
            Some(deadline) => {
                ("broken", format!("promise broken {} ago", length(now.since(deadline))))
            }
        },
        Outcome::Met => ("kept", "answered in time".to_owned()),
        Outcome::Late => {
            let late = incident.acked_at.zip(deadline).map(|(acked, end)| acked.since(end));
            (
                "broken",
                late.map_or_else(late_words, |late| format!("answered {} late", length(late))),
            )
        }
        Outcome::Missed => ("broken", "never answered".to_owned()),
        Outcome::SelfResolved => ("plain", "ended by itself in time".to_owned()),
        Outcome::Suppressed => ("plain", "muted".to_owned()),
        Outcome::Cancelled => ("plain", "cancelled".to_owned()),
    }
}

fn late_words() -> String {
    "answered late".to_owned()
}

/// Reads a name that `auth::encode` wrote.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        bytes.push(u8::try_from(digit()? * 16 + digit()?).ok()?);
    }
    String::from_utf8(bytes).ok().filter(|name| !name.is_empty())
}
