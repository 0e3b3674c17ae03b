//! Rules: level, bounds, what they last said, and the query behind them.

use maud::{Markup, html};
use watchbell_metrics::rule::Level;

use crate::http::pages::{Scene, Tab};
use crate::http::watchbell_api::{RuleRow, rule_rows};

const REFRESH: u32 = 30;

pub(super) async fn page(scene: Scene) -> Markup {
    let mut rows = rule_rows(&scene.live.config, &scene.view);
    // What needs eyes first; the order of the files among equals.
    rows.sort_by_key(|row| std::cmp::Reverse((row.level, row.error.is_some())));
    let above = rows.iter().filter(|row| row.level > Level::Ok).count();
    let body = html! {
        h1 { "Rules" }
        p.lead { (rows.len()) " rules, " (above) " above ok." }
        ul.rows { @for row in &rows { (one(row)) } }
    };
    scene.page(Tab::Rules, "Rules", Some(REFRESH), &body)
}

fn one(row: &RuleRow) -> Markup {
    html! {
        li.row {
            div.first {
                span.tag.(row.level.as_str()) { (row.level.as_str()) }
                strong { (row.name) }
                @if row.state != "ok" && row.state != "firing" {
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
            @if !row.query.is_empty() {
                pre.query { code { (row.query) } }
            }
        }
    }
}
