//! Rules: level, bounds, what they last said, the query behind them and how it went.

use std::sync::Arc;

use axum::extract::{Query, State};
use maud::{Markup, html};
use serde::Deserialize;
use url::form_urlencoded::byte_serialize;
use watchbell_metrics::rule::Level;
use watchbell_metrics::units;

use crate::http::Context;
use crate::http::pages::{Scene, Tab};
use crate::http::watchbell_api::{RuleRow, rule_rows};

const REFRESH: u32 = 30;
/// Where more rules are shown, each shows only its newest evaluations.
const RULES_IN_FULL: usize = 60;
const EVALUATIONS_IN_SHORT: usize = 5;

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    /// Only the rules of this name, unfolded.
    rule: Option<String>,
}

pub(super) async fn page(
    State(context): State<Arc<Context>>,
    Query(asked): Query<Asked>,
    scene: Scene,
) -> Markup {
    let all = rule_rows(&scene.live.config, &scene.view, &context.evaluations);
    let wanted = |row: &&RuleRow| asked.rule.as_ref().is_none_or(|name| *name == row.name);
    let mut rows: Vec<&RuleRow> = all.iter().filter(wanted).collect();
    // What needs eyes first; the order of the files among equals.
    rows.sort_by_key(|row| {
        let is_lost = !row.without_series.is_empty();
        std::cmp::Reverse((row.level, row.error.is_some(), is_lost))
    });
    let look = Look {
        scene: &scene,
        is_open: asked.rule.is_some(),
        evaluations_max: if rows.len() <= RULES_IN_FULL {
            usize::MAX
        } else {
            EVALUATIONS_IN_SHORT
        },
    };
    let body = html! {
        h1 { "Rules" }
        p.lead {
            (in_words(&rows))
            @if look.is_open { " " a href="/rules" { "All rules" } }
        }
        ul.rows { @for row in &rows { (look.one(row)) } }
    };
    scene.page(Tab::Rules, "Rules", Some(REFRESH), &body)
}

/// How rules are shown.
struct Look<'a> {
    scene: &'a Scene,
    is_open: bool,
    evaluations_max: usize,
}

fn in_words(rows: &[&RuleRow]) -> String {
    let count = |is_it: &dyn Fn(&RuleRow) -> bool| rows.iter().filter(|row| is_it(row)).count();
    let recordings = count(&|row| row.kind == "recording");
    let rules = |number: usize| if number == 1 { "rule" } else { "rules" };
    let alerting = rows.len() - recordings;
    let above = count(&|row| row.level > Level::Ok);
    let failing = count(&|row| row.error.is_some());
    let lost = count(&|row| !row.without_series.is_empty());
    let mut words = vec![format!("{alerting} {}, {above} above ok", rules(alerting))];
    if 0 < recordings {
        words.push(format!("{recordings} recording {}", rules(recordings)));
    }
    words.extend((0 < failing).then(|| format!("{failing} failing")));
    words.extend((0 < lost).then(|| format!("{lost} without any series")));
    words.join(", ") + "."
}

/// A rule that fails or finds nothing from the start does not know that all is well.
fn is_known(row: &RuleRow) -> bool {
    Level::Ok < row.level || !matches!(row.state, "error" | "no_series" | "unknown")
}

/// Returns the error of an evaluation where it is not that of the one after it, which is above.
fn new_error(row: &RuleRow, index: usize) -> Option<&str> {
    let of = |index: usize| row.evaluations.get(index).and_then(|one| one.error.as_deref());
    let error = of(index)?;
    let is_repeated = index.checked_sub(1).and_then(of) == Some(error);
    Some(if is_repeated { "the same error" } else { error })
}

impl Look<'_> {
    fn one(&self, row: &RuleRow) -> Markup {
        html! {
            li.row {
                div.first {
                    @if row.kind == "recording" {
                        span.tag { "recording" }
                    } @else if is_known(row) {
                        span.tag.(row.level.as_str()) { (row.level.as_str()) }
                    } @else {
                        span.tag { "unknown" }
                    }
                    strong { (row.name) }
                    @if !matches!(row.state, "ok" | "firing" | "unknown") {
                        span.small { (row.state.replace('_', " ")) }
                    }
                    @if let Some(value) = &row.value { span.reading { (value) } }
                }
                p.bounds {
                    @for (name, bound) in [
                        ("target", &row.bounds.target),
                        ("warn", &row.bounds.warn),
                        ("critical", &row.bounds.critical),
                    ] {
                        @if let Some(bound) = bound { span { (name) " " code { (bound) } } }
                    }
                    @if let Some(window) = &row.window { span { "over " (window) } }
                }
                @if let Some(error) = &row.error {
                    p.fault {
                        (error)
                        @if row.errors_in_row > 1 { " (" (row.errors_in_row) " times in a row)" }
                    }
                }
                @if !row.without_series.is_empty() {
                    p.fault.mild {
                        "No target sends what it reads: "
                        @for (index, selector) in row.without_series.iter().enumerate() {
                            @if 0 < index { ", " } code { (selector) }
                        }
                    }
                }
                @if !row.query.is_empty() || !row.evaluations.is_empty() { (self.details(row)) }
            }
        }
    }

    fn details(&self, row: &RuleRow) -> Markup {
        let shown = row.evaluations.len().min(self.evaluations_max);
        let name: String = byte_serialize(row.name.as_bytes()).collect();
        html! {
            details.how open[self.is_open] {
                summary {
                    @match row.evaluations.first() {
                        Some(newest) => {
                            "evaluated " (self.scene.ago(newest.at)) " in "
                            (units::duration(newest.duration_seconds)) ", "
                            (newest.series) " series"
                        }
                        None => "not evaluated yet",
                    }
                }
                @if !row.query.is_empty() { pre.query { code { (row.query) } } }
                @if let (Some(group), Some(file)) = (&row.group, &row.file) {
                    p.small { "Group " strong { (group) } " of " (file) }
                }
                @if 0 < shown { (self.table(row, shown)) }
                @if !self.is_open {
                    p.small {
                        a href={ "/rules?rule=" (name) } {
                            @if shown < row.evaluations.len() {
                                "All " (row.evaluations.len()) " evaluations"
                            } @else {
                                "Only this rule"
                            }
                        }
                    }
                }
            }
        }
    }

    fn table(&self, row: &RuleRow, shown: usize) -> Markup {
        html! {
            table.evaluations {
                thead { tr {
                    th scope="col" { "at" }
                    th.number scope="col" { "took" }
                    th.number scope="col" { "samples" }
                    th.number scope="col" { "series" }
                } }
                tbody {
                    @for (index, one) in row.evaluations.iter().take(shown).enumerate() {
                        tr {
                            td { (self.scene.time(one.at)) }
                            td.number { (units::duration(one.duration_seconds)) }
                            td.number { (one.samples) }
                            td.number { (one.series) }
                        }
                        @if let Some(error) = new_error(row, index) {
                            tr.error { td colspan="4" { (error) } }
                        }
                    }
                }
            }
        }
    }
}
