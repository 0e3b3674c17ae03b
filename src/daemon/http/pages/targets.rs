//! Targets: whether they answer, and what is wrong with what they say.

use std::sync::Arc;

use axum::extract::State;
use maud::{Markup, html};
use watchbell_metrics::units;
use watchbell_paging::time::Timestamp;

use crate::http::Context;
use crate::http::pages::{Scene, Tab};
use crate::targets::TargetStatus;

const REFRESH: u32 = 30;

pub(super) async fn page(State(context): State<Arc<Context>>, scene: Scene) -> Markup {
    let mut targets = context.targets.all();
    targets.sort_by_key(|target| (target.health == "up", target.faults.is_empty()));
    let up = targets.iter().filter(|target| target.health == "up").count();
    let body = html! {
        h1 { "Targets" }
        @if targets.is_empty() {
            p.empty { "Nothing is scraped yet." }
        } @else {
            p.lead { (up) " of " (targets.len()) " are up." }
        }
        ul.rows { @for target in &targets { (one(&scene, target)) } }
    };
    scene.page(Tab::Targets, "Targets", Some(REFRESH), &body)
}

fn one(scene: &Scene, target: &TargetStatus) -> Markup {
    let class = match target.health {
        "up" => "ok",
        "down" => "critical",
        _ => "info",
    };
    let job = target.labels.get("job").unwrap_or(&target.table);
    html! {
        li.row {
            div.first {
                span.tag.(class) { (target.health) }
                strong { (job) }
                span { (target.labels.get("instance").unwrap_or_default()) }
            }
            p.bounds {
                @if let Some(at) = target.last_scrape_ms.map(Timestamp::from_millis) {
                    span { "scraped " (scene.ago(at)) " in " (units::duration(target.duration_seconds)) }
                }
                span { (target.samples) " samples, " (target.series) " series" }
                span { "every " (units::duration(target.interval_seconds)) }
            }
            @if let Some(error) = &target.last_error { p.fault { (error) } }
            @if !target.faults.is_empty() {
                ul.faults { @for fault in &target.faults { li { code { (fault) } } } }
            }
            @if !target.url.is_empty() { p.small { (target.url) } }
        }
    }
}
