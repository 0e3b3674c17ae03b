//! The report of a week: whether the promise was kept, for whom, and why not.

use std::sync::Arc;

use axum::extract::State;
use maud::{Markup, html};
use watchbell_metrics::units;
use watchbell_paging::sla::{PersonRow, Quantile, Report, ReportRow, iso_week};
use watchbell_paging::time::{Timestamp, format_duration};

use crate::http::Context;
use crate::http::errors::Asked;
use crate::http::pages::parts::because_word;
use crate::http::pages::{PageFault, Scene, Tab};
use crate::http::watchbell_api::{Stretch, build_report};

pub(super) async fn page(
    State(context): State<Arc<Context>>,
    scene: Scene,
    Asked(stretch): Asked<Stretch>,
) -> Result<Markup, PageFault> {
    let report = build_report(&context, &stretch)?;
    let body = html! {
        h1 { "Report" @if let Some(week) = &report.week { " " (week) } }
        (weeks(&scene, &report))
        @match report.rows.first() {
            Some(all) if all.incidents > 0 => { (kept(all)) (table(&report)) (people(&scene, &report)) },
            Some(_) | None => p.empty { "No incident fired." },
        }
        @if report.drills > 0 { p.small { (report.drills) " drills, which are not counted." } }
    };
    Ok(scene.page(Tab::Report, "Report", None, &body))
}

fn weeks(scene: &Scene, report: &Report) -> Markup {
    let zone = &scene.live.config.settings.zone;
    let day = std::time::Duration::from_secs(86_400);
    let before = iso_week(report.from.minus(day), zone);
    let after = iso_week(report.to.plus(day), zone).filter(|_| report.to <= scene.now);
    html! {
        nav.choices aria-label="Weeks" {
            @if let Some(week) = before { a href={ "/report?week=" (week) } { "← " (week) } }
            span { (scene.day_time(report.from)) " to " (scene.day_time(last(report))) }
            @if let Some(week) = after { a href={ "/report?week=" (week) } { (week) " →" } }
        }
    }
}

fn last(report: &Report) -> Timestamp {
    Timestamp(report.to.0.saturating_sub(1))
}

fn kept(all: &ReportRow) -> Markup {
    let judged = all.met + all.late + all.missed;
    html! {
        section.attained {
            p.big { (share(all.attainment)) }
            p {
                "of answers came in time: " (all.met) " of " (judged) "."
                @if let Some(tta) = &all.tta {
                    " Half of them within " (quantile(tta.p50)) ", 95 % within " (quantile(tta.p95)) "."
                }
            }
            @if !all.causes.is_empty() {
                p.small {
                    "Broken because "
                    @for (index, (cause, count)) in all.causes.iter().enumerate() {
                        @if index > 0 { ", " }
                        (because_word(cause)) " (" (count) ")"
                    }
                    "."
                }
            }
        }
    }
}

fn table(report: &Report) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="By group" {
            table {
                thead { tr {
                    th scope="col" { "Group" }
                    @for name in ["fired", "in time", "late", "missed", "by itself", "muted", "open", "kept", "p50", "p95"] {
                        th.number scope="col" { (name) }
                    }
                } }
                tbody {
                    @for row in &report.rows {
                        tr {
                            th scope="row" {
                                @if row.name.is_empty() { "all" } @else { (row.group) " " (row.name) }
                            }
                            @for count in [row.incidents, row.met, row.late, row.missed, row.self_resolved, row.suppressed, row.running] {
                                td.number { (count) }
                            }
                            td.number { (share(row.attainment)) }
                            @let tta = row.tta.as_ref();
                            td.number { (tta.map(|tta| quantile(tta.p50)).unwrap_or_default()) }
                            td.number { (tta.map(|tta| quantile(tta.p95)).unwrap_or_default()) }
                        }
                    }
                }
            }
        }
    }
}

fn people(scene: &Scene, report: &Report) -> Markup {
    let cells = |row: &PersonRow| {
        [row.met, row.late, row.covered, row.not_charged, row.pages, row.night_pages]
    };
    html! {
        @if !report.persons.is_empty() {
            section {
            h2 { "People" }
            div.scroll tabindex="0" role="region" aria-label="By person" {
                table {
                    thead { tr {
                        th scope="col" { "Person" }
                        @for name in ["in time", "late", "covered", "not charged", "pages", "at night", "pages per shift"] {
                            th.number scope="col" { (name) }
                        }
                    } }
                    tbody {
                        @for row in &report.persons {
                            tr {
                                th scope="row" { (scene.name(&row.person)) }
                                @for count in cells(row) { td.number { (count) } }
                                td.number { (row.pages_per_shift.map(units::number).unwrap_or_default()) }
                            }
                        }
                    }
                }
            }
            }
        }
    }
}

fn share(attainment: Option<f64>) -> String {
    attainment.map_or_else(|| "–".to_owned(), units::percent)
}

fn quantile(value: Quantile) -> String {
    match value {
        Quantile::Exact(length) => format_duration(length),
        Quantile::Above(length) => format!("> {}", format_duration(length)),
    }
}
