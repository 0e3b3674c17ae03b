//! Lists of incidents, and the card that stands for one.

use maud::{Markup, html};
use serde::Deserialize;
use watchbell_paging::view::{IncidentState, IncidentView};

use crate::http::errors::Asked;
use crate::http::pages::parts::{promise, severity, state, visible};
use crate::http::pages::{PageFault, Scene, Tab};
use crate::http::watchbell_api::select_incidents;

const REFRESH: u32 = 30;
/// The most incidents of one list.
const SHOWN_MAX: usize = 200;
const STATES: [(&str, &str); 5] = [
    ("open", "Open"),
    ("triggered", "Unanswered"),
    ("acked", "Acknowledged"),
    ("resolved", "Resolved"),
    ("all", "All"),
];

#[derive(Debug, Default, Deserialize)]
pub(super) struct Which {
    state: Option<String>,
}

pub(super) async fn page(scene: Scene, Asked(which): Asked<Which>) -> Result<Markup, PageFault> {
    let wanted = which.state.as_deref().unwrap_or("open");
    let found = select_incidents(&scene.view, wanted)?;
    let body = html! {
        h1 { "Incidents" }
        nav.choices aria-label="States" {
            @for (word, name) in STATES {
                a href={ "/incidents?state=" (word) }
                    aria-current=[(word == wanted).then_some("true")] { (name) }
            }
        }
        @if found.is_empty() {
            p.empty { "There are none." }
        } @else {
            ol.cards { @for incident in found.iter().take(SHOWN_MAX) { (card(&scene, incident)) } }
        }
        @if SHOWN_MAX < found.len() {
            p.small { "The newest " (SHOWN_MAX) " of " (found.len()) " are shown." }
        }
    };
    Ok(scene.page(Tab::Incidents, "Incidents", Some(REFRESH), &body))
}

/// One incident in a list: how bad, what, since when, who has it, what is left of the promise.
pub(super) fn card(scene: &Scene, incident: &IncidentView) -> Markup {
    let (class, words) = promise(incident, scene.now);
    let quiet = incident.state == IncidentState::Resolved;
    html! {
        li.card.(incident.severity.as_str()).quiet[quiet] {
            div.tags {
                (severity(incident.severity))
                span.tag.(state(incident.state)) { (state(incident.state)) }
                @if incident.drill { span.tag { "drill" } }
                span.number { "#" (incident.id) }
            }
            h3 { a href={ "/incidents/" (incident.id) } { (visible(&incident.title)) } }
            p.meta {
                span { "since " (scene.time(incident.fired_at)) ", " (scene.ago(incident.fired_at)) }
                span { (has_it(scene, incident)) }
                span.promise.(class) { (words) }
            }
            @if incident.state == IncidentState::Triggered { (answer(scene, incident)) }
        }
    }
}

/// One button where it is known who presses it, else the way to the page that asks.
fn answer(scene: &Scene, incident: &IncidentView) -> Markup {
    html! {
        @if let Some(me) = &scene.me {
            form method="post" action={ "/incidents/" (incident.id) "/ack" } {
                input type="hidden" name="by" value=(me);
                button.primary type="submit" { "Acknowledge as " (scene.name(me)) }
            }
        } @else {
            a.button.primary href={ "/incidents/" (incident.id) } { "Answer" }
        }
    }
}

/// Words who has an incident.
pub(super) fn has_it(scene: &Scene, incident: &IncidentView) -> String {
    match (incident.state, &incident.acked_by) {
        (IncidentState::Resolved, Some(by)) => format!("{} answered", scene.name(by)),
        (IncidentState::Resolved, None) => "nobody answered".to_owned(),
        (IncidentState::Acked, Some(by)) => format!("{} has it", scene.name(by)),
        (IncidentState::Acked, None) => "somebody has it".to_owned(),
        (IncidentState::Triggered, _) if incident.paged.is_empty() => {
            "nobody has been reached yet".to_owned()
        }
        (IncidentState::Triggered, _) => {
            format!("nobody has it; {} paged", scene.names(&incident.paged))
        }
    }
}
