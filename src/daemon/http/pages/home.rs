//! The first page: what is wrong, who has it, who is on call, whether everything is watched.

use std::sync::Arc;

use axum::extract::State;
use maud::{Markup, html};
use watchbell_paging::duty::{shift_end, who};
use watchbell_paging::view::IncidentState;

use crate::http::Context;
use crate::http::pages::incidents::card;
use crate::http::pages::{Scene, Tab};
use crate::targets::TargetStatus;

const REFRESH: u32 = 15;
/// The most open incidents of this page.
const SHOWN_MAX: usize = 50;

pub(super) async fn page(State(context): State<Arc<Context>>, scene: Scene) -> Markup {
    let targets = context.targets.all();
    let body = html! {
        h1.quiet { "Now" }
        (incidents(&scene, &targets))
        (on_call(&scene))
        (watched(&targets))
    };
    scene.page(Tab::Home, "Now", Some(REFRESH), &body)
}

fn incidents(scene: &Scene, targets: &[TargetStatus]) -> Markup {
    let mut open: Vec<_> = scene
        .view
        .incidents
        .iter()
        .filter(|incident| incident.state != IncidentState::Resolved)
        .collect();
    if open.is_empty() {
        return all_is_well(scene, targets);
    }
    // Unanswered first, then by badness; the newest first among equals.
    open.sort_by_key(|one| (one.state, std::cmp::Reverse(one.severity)));
    let waiting = scene.count(IncidentState::Triggered);
    let total = count(open.len(), "open incident");
    html! {
        section aria-label="Open incidents" {
            h2 {
                (total)
                @match waiting {
                    0 => span.aside { "somebody has each of them" },
                    1 => span.aside.alarm { "1 waits for an answer" },
                    _ => span.aside.alarm { (waiting) " wait for an answer" },
                }
            }
            ol.cards {
                @for incident in open.iter().take(SHOWN_MAX) { (card(scene, incident)) }
            }
            @if SHOWN_MAX < open.len() {
                p { a href="/incidents" { "All " (open.len()) " open incidents" } }
            }
        }
    }
}

/// Nothing is open: what watches, and whether anything keeps it from watching.
fn all_is_well(scene: &Scene, targets: &[TargetStatus]) -> Markup {
    let newest = scene.view.rules.iter().filter_map(|rule| rule.evaluated_at).max();
    let rules = scene.live.config.rules.len();
    let last = scene.view.incidents.iter().find_map(|one| one.resolved_at.map(|at| (one, at)));
    let blind = blind_spots(scene, targets);
    html! {
        section.calm.look[!blind.is_empty()] {
            h2 { @if blind.is_empty() { "All is well" } @else { "Nothing is open" } }
            @if !blind.is_empty() { p { "But " (blind.join(", and ")) "." } }
            p {
                (count(rules, "rule")) " over " (count(targets.len(), "target"))
                @if let Some(newest) = newest { ", last looked at " (scene.ago(newest)) }
                "."
            }
            @if let Some((incident, at)) = last {
                p.small {
                    "The last incident, "
                    a href={ "/incidents/" (incident.id) } { (incident.title) }
                    ", ended " (scene.ago(at)) "."
                }
            }
        }
    }
}

/// What is not seen although nothing is open.
fn blind_spots(scene: &Scene, targets: &[TargetStatus]) -> Vec<String> {
    let down = targets.iter().filter(|target| target.health == "down").count();
    let failing = scene.view.rules.iter().filter(|rule| rule.error.is_some()).count();
    let mut spots = Vec::new();
    if targets.is_empty() {
        spots.push("nothing is scraped".to_owned());
    }
    if down > 0 {
        spots.push(format!("{} down", are(down, "target")));
    }
    if failing > 0 {
        spots.push(format!("{} failing", are(failing, "rule")));
    }
    spots
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

fn are(number: usize, noun: &str) -> String {
    let verb = if number == 1 { "is" } else { "are" };
    format!("{} {verb}", count(number, noun))
}

fn on_call(scene: &Scene) -> Markup {
    let schedules = &scene.live.config.settings.schedules;
    html! {
        @if !schedules.is_empty() {
            section {
                h2 { a href="/oncall" { "On call" } }
                ul.people {
                    @for schedule in schedules.values() {
                        @let extra = scene.view.overrides.get(&schedule.id);
                        @let extra = extra.map_or(&[][..], Vec::as_slice);
                        @let people = who(schedule, extra, scene.now);
                        @let until = shift_end(schedule, extra, scene.now);
                        li {
                            span.label { (schedule.id) }
                            @if people.is_empty() {
                                strong.alarm { "nobody" }
                            } @else {
                                strong { (scene.names(&people)) }
                            }
                            @if let Some(until) = until {
                                span.small { "until " (scene.day_time(until)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn watched(targets: &[TargetStatus]) -> Markup {
    let up = targets.iter().filter(|target| target.health == "up").count();
    let down: Vec<&TargetStatus> =
        targets.iter().filter(|target| target.health == "down").collect();
    html! {
        section {
            h2 { a href="/targets" { "Targets" } }
            @if targets.is_empty() {
                p { "Nothing is scraped yet." }
            } @else {
                p { (up) " of " (targets.len()) " are up." }
            }
            @if !down.is_empty() {
                ul.down {
                    @for target in down.iter().take(10) {
                        li {
                            span.tag.critical { "down" } " "
                            strong { (target.labels.get("instance").unwrap_or(&target.table)) } " "
                            span.small { (target.last_error.as_deref().unwrap_or_default()) }
                        }
                    }
                    @if down.len() > 10 { li.small { "and " (down.len() - 10) " more" } }
                }
            }
        }
    }
}
