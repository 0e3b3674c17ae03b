//! Who is on call, and the hand-offs of the next two weeks.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use maud::{Markup, html};
use watchbell_paging::duty::{Override, Schedule, Segment, timeline};
use watchbell_paging::id::PersonId;
use watchbell_paging::time::Timestamp;

use crate::http::Context;
use crate::http::pages::{Scene, Tab};
use crate::links::{FeedToken, Links};

/// Slow, because a list that was opened closes with it.
const REFRESH: u32 = 300;
const DAYS: u32 = 14;
/// The most hand-offs of one schedule; hourly turns have more.
const SEGMENTS_MAX: usize = 60;
/// The width of the strip in its own units.
const STRIP_WIDTH: f64 = 1000.0;
/// Colours of the style.
const COLOURS: usize = 6;

pub(super) async fn page(State(context): State<Arc<Context>>, scene: Scene) -> Markup {
    let settings = &scene.live.config.settings;
    let body = html! {
        h1 { "On call" }
        @if settings.schedules.is_empty() { p.empty { "There are no schedules." } }
        @for schedule in settings.schedules.values() {
            @let extra = scene.view.overrides.get(&schedule.id);
            (one(&scene, &context.links, schedule, extra.map_or(&[][..], Vec::as_slice)))
        }
    };
    scene.page(Tab::OnCall, "On call", Some(REFRESH), &body)
}

fn one(scene: &Scene, links: &Links, schedule: &Schedule, extra: &[Override]) -> Markup {
    let to = scene.now.plus(Duration::from_secs(u64::from(DAYS) * 86_400));
    let segments = timeline(schedule, extra, scene.now, to);
    let now = segments.first().map(|segment| segment.people.clone()).unwrap_or_default();
    html! {
        section.schedule {
            h2 { (schedule.id) span.aside { (schedule.zone.name()) } }
            p.holder {
                @if now.is_empty() {
                    strong.alarm { "Nobody is on call" }
                    span.small {
                        @if let Some(first) = segments.first().filter(|first| first.to < to) {
                            "until " (scene.day_time(first.to)) "; "
                        }
                        "pages go to the next step of a route, else to its fallback"
                    }
                } @else {
                    strong { (scene.names(&now)) }
                    @if let Some(first) = segments.first().filter(|first| first.to < to) {
                        span.small { "until " (scene.day_time(first.to)) }
                    }
                }
            }
            (strip(scene, &segments, to))
            p.span.small { span { "now" } span { (scene.day_time(to)) } }
            details open[segments.len() <= 8] {
                summary { "Hand-offs of the next " (DAYS) " days" }
                ol.handoffs {
                    @for segment in segments.iter().take(SEGMENTS_MAX) {
                        li {
                            span.at {
                                @if segment.from <= scene.now { "now" }
                                @else { (scene.day_time(segment.from)) }
                            }
                            @if segment.people.is_empty() {
                                strong.alarm { "nobody" }
                            } @else {
                                span { (dot(&segments, &segment.people)) " " (scene.names(&segment.people)) }
                            }
                        }
                    }
                    @if SEGMENTS_MAX < segments.len() {
                        li.small { "and " (segments.len() - SEGMENTS_MAX) " more" }
                    }
                }
            }
            (feeds(scene, links, schedule))
            @for change in extra.iter().filter(|change| scene.now < change.to) {
                p.small { (words(scene, change)) }
            }
        }
    }
}

/// Addresses for a calendar to read, everybody's and each person's.
fn feeds(scene: &Scene, links: &Links, schedule: &Schedule) -> Markup {
    let url = |person: Option<&PersonId>| {
        links.feed(&FeedToken { schedule: schedule.id.clone(), person: person.cloned() })
    };
    html! {
        details {
            summary { "Calendar feeds" }
            p.small { "Whoever has an address can read the shifts: share it as you would a key." }
            ul {
                li { a href=(url(None)) { "Everybody" } }
                @for person in schedule.people() {
                    li { a href=(url(Some(person))) { (scene.name(person.as_str())) } }
                }
            }
        }
    }
}

/// The two weeks as one strip; the list below says the same in words.
fn strip(scene: &Scene, segments: &[Segment], to: Timestamp) -> Markup {
    let whole = to.since(scene.now).as_secs_f64().max(1.0);
    let place = |at: Timestamp| at.since(scene.now).as_secs_f64() / whole * STRIP_WIDTH;
    html! {
        svg.strip viewBox="0 0 1000 36" preserveAspectRatio="none" aria-hidden="true" {
            @for segment in segments {
                @let (left, right) = (place(segment.from), place(segment.to));
                rect.(colour(segments, &segment.people)) x=(round(left)) y="0" height="28"
                    width=(round((right - left - 1.5).max(0.5))) {}
            }
            @for day in 1..DAYS {
                @let at = round(STRIP_WIDTH * f64::from(day) / f64::from(DAYS));
                line x1=(at) x2=(at) y1="30" y2="36" {}
            }
        }
    }
}

fn round(value: f64) -> String {
    format!("{value:.1}")
}

fn dot(segments: &[Segment], people: &[PersonId]) -> Markup {
    html! {
        svg.dot viewBox="0 0 10 10" width="10" height="10" aria-hidden="true" {
            rect.(colour(segments, people)) width="10" height="10" rx="3" {}
        }
    }
}

/// People keep their colour within one schedule, in order of their first turn.
fn colour(segments: &[Segment], people: &[PersonId]) -> String {
    if people.is_empty() {
        return "nobody".to_owned();
    }
    let mut seen: Vec<&[PersonId]> = Vec::new();
    for segment in segments {
        if !segment.people.is_empty() && !seen.contains(&segment.people.as_slice()) {
            seen.push(&segment.people);
        }
    }
    let position = seen.iter().position(|one| *one == people).unwrap_or_default();
    format!("p{}", position % COLOURS)
}

fn words(scene: &Scene, change: &Override) -> Markup {
    let name = |id: &Option<PersonId>| id.as_ref().map(|id| scene.name(id.as_str()));
    html! {
        "Changed from " (scene.day_time(change.from)) " to " (scene.day_time(change.to)) ": "
        @match (name(&change.add), name(&change.remove)) {
            (Some(add), Some(remove)) => { (add) " for " (remove) },
            (Some(add), None) => { (add) " joins" },
            (None, Some(remove)) => { (remove) " is off" },
            (None, None) => {},
        }
        @if let Some(why) = &change.why { " (" (why) ")" }
        @if let Some(by) = &change.by { ", by " (scene.name(by)) }
    }
}
