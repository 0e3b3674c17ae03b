//! One incident: what is known, what can be done, what has happened.

use std::sync::Arc;

use axum::Extension;
use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use serde::Deserialize;
use watchbell_paging::command::Surface;
use watchbell_paging::time::{Timestamp, format_duration};
use watchbell_paging::view::{AlertView, IncidentState, IncidentView, TimelineEntry};

use crate::http::Context;
use crate::http::act::{Details, Verb, act as perform, find, incident_id};
use crate::http::auth::{Visitor, cookie, encode};
use crate::http::errors::{Asked, Fault};
use crate::http::pages::incidents::has_it;
use crate::http::pages::parts::{NAME, because, promise, severity, state, visible};
use crate::http::pages::{Notice, PageFault, Scene, Tab};

/// How long a browser remembers who acted.
const NAME_TIME: std::time::Duration = std::time::Duration::from_secs(365 * 86_400);

#[derive(Debug, Default, Deserialize)]
pub(super) struct After {
    already: Option<String>,
}

/// What the forms of this page send.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Sent {
    by: Option<String>,
    note: Option<String>,
    #[serde(rename = "for")]
    length: Option<String>,
    force: Option<String>,
}

pub(super) async fn page(
    State(context): State<Arc<Context>>,
    scene: Scene,
    Path(id): Path<String>,
    Asked(after): Asked<After>,
) -> Result<Markup, PageFault> {
    let incident = find(&context, incident_id(&id)?)?;
    let notice = after.already.and_then(|_| first(&scene, &incident)).map(Notice::Refused);
    Ok(draw(&scene, &incident, notice.as_ref(), false))
}

/// Acts, then leads back to the page; a refusal is shown on it.
pub(super) async fn act(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    scene: Scene,
    Path((id, verb)): Path<(String, String)>,
    form: Result<Form<Sent>, FormRejection>,
) -> Result<Response, PageFault> {
    let Form(sent) = form.map_err(|error| Fault::bad("bad-form", error.body_text()))?;
    let unknown = || Fault::missing("unknown-action", format!("an incident cannot be {verb:?}"));
    let verb = Verb::parse(&verb).ok_or_else(unknown)?;
    let id = incident_id(&id)?;
    let details = sent.details(verb);
    let done = async {
        let by = visitor.clone().on(Surface::Ui).actor(details.by.as_deref(), false)?;
        let command = verb.command(id, by, &details, context.now())?;
        perform(&context, id, command).await
    };
    let remember = details.by.as_deref().map(|by| encode(by.trim())).unwrap_or_default();
    let remember = cookie(&context, NAME, &remember, NAME_TIME);
    match done.await {
        Ok(done) => {
            let already = if done.already.is_some() { "?already=1" } else { "" };
            let to = format!("/incidents/{id}{already}");
            let headers = [(header::LOCATION, to), (header::SET_COOKIE, remember)];
            Ok((StatusCode::SEE_OTHER, headers).into_response())
        }
        Err(fault) => {
            let incident = find(&context, id)?;
            let can_force = fault.code == "still-firing";
            let scene = Scene { me: scene.me.clone().or(details.by), ..scene };
            let page = draw(&scene, &incident, Some(&Notice::Refused(fault.text)), can_force);
            Ok((fault.status, [(header::SET_COOKIE, remember)], page).into_response())
        }
    }
}

impl Sent {
    /// All buttons stand in one form, so every one of them sends everything.
    fn details(self, verb: Verb) -> Details {
        Details {
            by: self.by.filter(|by| !by.trim().is_empty()),
            note: self.note,
            length: self.length.filter(|_| verb == Verb::Snooze),
            until: None,
            force: self.force.is_some(),
            program: false,
        }
    }
}

fn draw(
    scene: &Scene,
    incident: &IncidentView,
    notice: Option<&Notice>,
    can_force: bool,
) -> Markup {
    let body = html! {
        (Scene::notice(notice))
        @if can_force { (force(scene, incident)) }
        (headline(scene, incident))
        (actions(scene, incident))
        (summary(scene, incident))
        (timeline(scene, incident))
    };
    let title = format!("#{} {}", incident.id, incident.title);
    scene.page(Tab::Incidents, &title, None, &body)
}

/// The head of an incident: how bad, what, and how the promise stands.
pub(crate) fn headline(scene: &Scene, incident: &IncidentView) -> Markup {
    let (class, words) = promise(incident, scene.now);
    html! {
        div.headline.(incident.severity.as_str()) {
            div.tags {
                (severity(incident.severity))
                span.tag.(state(incident.state)) { (state(incident.state)) }
                @if incident.drill { span.tag { "drill" } }
                span.number { "#" (incident.id) }
            }
            h1 { (visible(&incident.title)) }
            p.meta {
                span { "since " (scene.time(incident.fired_at)) ", " (scene.ago(incident.fired_at)) }
                span { (has_it(scene, incident)) }
            }
            p.clock.(class) {
                (words)
                @if let Some(deadline) = incident.deadline {
                    span.small { " promised until " (scene.time(deadline)) }
                }
            }
        }
    }
}

fn actions(scene: &Scene, incident: &IncidentView) -> Markup {
    if incident.state == IncidentState::Resolved {
        return html! {};
    }
    let to = |verb: &str| format!("/incidents/{}/{verb}", incident.id);
    let unanswered = incident.state == IncidentState::Triggered;
    html! {
        form.actions method="post" action=(to("ack")) {
            div.fields {
                @if !scene.authenticated {
                    label {
                        "Your name"
                        input name="by" required maxlength="100" autocomplete="username"
                            value=[scene.me.as_deref()];
                    }
                }
                label.wide {
                    "Note (optional)"
                    input name="note" maxlength="1000" autocomplete="off";
                }
            }
            div.buttons {
                @if unanswered { button.primary type="submit" { "Acknowledge" } }
                button type="submit" formaction=(to("resolve")) { "Resolve" }
                span.joined {
                    button type="submit" formaction=(to("snooze")) { "Snooze" }
                    select name="for" aria-label="Snooze for" {
                        option value="30m" { "30 min" }
                        option value="1h" selected { "1 hour" }
                        option value="4h" { "4 hours" }
                        option value="24h" { "1 day" }
                    }
                }
                @if unanswered {
                    button type="submit" formaction=(to("escalate")) { "Escalate now" }
                }
                button.link type="submit" formaction=(to("note")) { "Only add the note" }
            }
        }
    }
}

fn force(scene: &Scene, incident: &IncidentView) -> Markup {
    html! {
        form.force method="post" action={ "/incidents/" (incident.id) "/resolve" } {
            input type="hidden" name="by" value=[scene.me.as_deref()];
            input type="hidden" name="force" value="1";
            button.danger type="submit" { "Resolve anyway" }
            span.small { "mutes these alerts until they clear" }
        }
    }
}

/// What is known of an incident: its alerts against their bounds, who heard of it.
pub(crate) fn summary(scene: &Scene, incident: &IncidentView) -> Markup {
    let facts = facts(scene, incident);
    html! {
        section {
            h2 { "What is wrong" }
            @if incident.alerts.is_empty() { p { "No alert is left." } }
            @for alert in &incident.alerts { (alert_box(scene, alert, &incident.title)) }
            @if let Some(runbook) = &incident.runbook {
                p { (link(runbook, "Runbook")) }
            }
            @for why in &incident.suppressed_by {
                p.small { "Notifications are muted: " (why) }
            }
            dl.facts { @for (name, value) in facts { div { dt { (name) } dd { (value) } } } }
        }
    }
}

fn alert_box(scene: &Scene, alert: &AlertView, title: &str) -> Markup {
    let told = alert.summary.as_deref().filter(|summary| *summary != title);
    html! {
        div.alert {
            p.value {
                @if alert.value_text.is_empty() {
                    strong.(alert.level.as_str()) { (alert.level.as_str()) }
                } @else {
                    strong.(alert.level.as_str()) { (alert.value_text) } " "
                    @if let Some(bound) = &alert.bound {
                        "(" (alert.level.as_str()) " " code { (bound) } ")"
                    } @else {
                        (alert.level.as_str())
                    }
                }
                span.small { " since " (scene.time(alert.since)) }
            }
            @if let Some(summary) = told { p { (visible(summary)) } }
            p.labels {
                @for (name, value) in alert.labels.iter() { code { (name) "=" (visible(value)) } " " }
            }
            @if let Some(since) = alert.no_data_since {
                p.small { "No data since " (scene.time(since)) "; that is no recovery." }
            }
            @for why in &alert.muted_by { p.small { "Muted: " (why) } }
        }
    }
}

fn facts(scene: &Scene, incident: &IncidentView) -> Vec<(&'static str, Markup)> {
    let mut facts: Vec<(&'static str, Markup)> = Vec::new();
    let mut add = |name, value: Option<Markup>| facts.extend(value.map(|value| (name, value)));
    let time = |at: Option<Timestamp>| at.map(|at| scene.time(at));
    add("First bad", time(incident.first_bad_at));
    add("Fired", Some(scene.time(incident.fired_at)));
    add("First message sent", time(incident.notified_at));
    add("Acknowledged", time(incident.acked_at));
    add("Snoozed until", time(incident.snoozed_until));
    add("Resolved", time(incident.resolved_at));
    add("Promise broken", time(incident.breached_at));
    add("Because", incident.breach_cause.map(|cause| html! { (because(cause)) }));
    let paged = scene.names(&incident.paged);
    add("Paged", (!paged.is_empty()).then(|| html! { (paged) }));
    let posted = incident.posted.join(", ");
    add("Posted to", (!posted.is_empty()).then(|| html! { (posted) }));
    add("Route", Some(html! { (incident.route) }));
    facts
}

/// A link only where it leads over HTTP: an annotation is untrusted text.
fn link(to: &str, words: &str) -> Markup {
    let web = to.starts_with("https://") || to.starts_with("http://");
    html! {
        @if web { a href=(to) rel="noreferrer" { (words) } } @else { (words) ": " (to) }
    }
}

fn timeline(scene: &Scene, incident: &IncidentView) -> Markup {
    let zero = incident.first_bad_at.unwrap_or(incident.fired_at);
    html! {
        section {
            h2 { "What happened" }
            @if incident.timeline.is_empty() { p { "Nothing is written down yet." } }
            ol.timeline {
                @for entry in &incident.timeline { (line(scene, entry, zero)) }
            }
        }
    }
}

fn line(scene: &Scene, entry: &TimelineEntry, zero: Timestamp) -> Markup {
    let offset = if entry.at < zero {
        format!("-{}", format_duration(zero.since(entry.at)))
    } else {
        format!("+{}", format_duration(entry.at.since(zero)))
    };
    // Most lines name their channel already.
    let channel = entry.channel.as_deref().filter(|channel| !entry.text.contains(*channel));
    html! {
        li.(entry.kind) {
            span.offset { (offset) }
            span.at { (scene.time(entry.at)) }
            span.text {
                (visible(&entry.text))
                @if let Some(channel) = channel { span.small { " " (channel) } }
            }
        }
    }
}

/// Words who was first.
fn first(scene: &Scene, incident: &IncidentView) -> Option<String> {
    let by = scene.name(incident.acked_by.as_deref()?);
    let at = incident.acked_at?.to_local(&scene.live.config.settings.zone);
    Some(format!("{by} was first, at {}. Nothing was changed.", at.strftime("%H:%M:%S")))
}
