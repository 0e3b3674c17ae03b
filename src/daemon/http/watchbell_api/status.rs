//! The daemon itself: one picture of its state, its targets, and drills.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use watchbell_paging::time::format_duration;
use watchbell_paging::view::IncidentState;

use crate::control::{Control, DrillStarted};
use crate::http::Context;
use crate::http::errors::{Fault, Raw};
use crate::http::watchbell_api::json as read_json;
use crate::targets::TargetStatus;

/// How long the daemon may take to start a drill.
const DRILL_TIME: Duration = Duration::from_secs(10);

#[derive(Debug, Deserialize)]
#[serde(default)]
pub(super) struct Drill {
    name: String,
}

impl Default for Drill {
    fn default() -> Self {
        Self { name: "page".to_owned() }
    }
}

pub(super) async fn targets(State(context): State<Arc<Context>>) -> Json<Vec<TargetStatus>> {
    Json(context.targets.all())
}

pub(super) async fn status(State(context): State<Arc<Context>>) -> Json<Value> {
    let live = context.live.load();
    let view = context.desk.view();
    let targets = context.targets.all();
    let health = |word: &str| targets.iter().filter(|target| target.health == word).count();
    let in_state = |state| view.incidents.iter().filter(|incident| incident.state == state).count();
    let series = context.series.stats();
    let files: Vec<String> =
        live.config.files.iter().map(|file| file.display().to_string()).collect();
    Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "ready": context.ready.load(Ordering::Relaxed),
        "started_at": live.started_at.to_rfc3339(),
        "uptime": format_duration(context.clock.elapsed()),
        "config": files,
        "loaded_at": live.loaded_at.to_rfc3339(),
        "refused": live.refused,
        "rules": live.config.rules.len(),
        "rules_failing": view.rules.iter().filter(|rule| rule.error.is_some()).count(),
        "people": live.config.settings.people.len(),
        "schedules": live.config.settings.schedules.len(),
        "targets": { "up": health("up"), "down": health("down"), "unknown": health("unknown") },
        "incidents": {
            "triggered": in_state(IncidentState::Triggered),
            "acked": in_state(IncidentState::Acked),
        },
        "deliveries_in_flight": view.in_flight,
        "series": { "read": series.read, "unread": series.unread, "samples": series.ingested },
    }))
}

pub(super) async fn drill(
    State(context): State<Arc<Context>>,
    Raw(body): Raw,
) -> Result<Json<DrillStarted>, Fault> {
    let drill: Drill = read_json(&body)?;
    let (answer, answered) = oneshot::channel();
    let asked = async {
        context.controls.send(Control::Drill(drill.name, answer)).await.ok()?;
        answered.await.ok()
    };
    let started = tokio::time::timeout(DRILL_TIME, asked).await.map_err(|_| {
        Fault::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", "the drill has not begun yet")
    })?;
    match started.ok_or_else(Fault::stopping)? {
        Ok(started) => Ok(Json(started)),
        Err(why) => Err(Fault::new(StatusCode::CONFLICT, "no-drill", why)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::fixture::{House, get_request, request};

    #[tokio::test]
    async fn targets_say_how_they_are() {
        let house = House::new();
        let targets = house.send(get_request("/api/watchbell/v1/targets")).await.json();
        assert_eq!(targets[0]["health"], "down");
        assert_eq!(targets[0]["last_error"], "connection refused");
        assert_eq!(targets[0]["labels"]["job"], "api");
        assert_eq!(targets[1]["health"], "up");
    }

    #[tokio::test]
    async fn the_status_counts_what_there_is() {
        let house = House::new();
        let status = house.send(get_request("/api/watchbell/v1/status")).await.json();
        assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(status["ready"], true);
        assert_eq!(status["refused"], Value::Null);
        assert_eq!(status["targets"], json!({ "up": 1, "down": 1, "unknown": 0 }));
        assert_eq!(status["incidents"], json!({ "triggered": 1, "acked": 1 }));
        assert_eq!(status["rules"], 2);
        assert_eq!(status["config"], json!(["/etc/watchbell/watchbell.toml"]));
    }

    #[tokio::test]
    async fn a_drill_answers_its_id_at_once() {
        let house = House::new();
        let path = "/api/watchbell/v1/drill";
        let started = house.send(request("POST", path, r#"{"name":"cpu"}"#)).await;
        assert_eq!(started.status, StatusCode::OK);
        assert_eq!(started.json()["rule"], "drill_cpu");
        let refused = house.send(request("POST", path, r#"{"name":"no"}"#)).await;
        assert_eq!(refused.status, StatusCode::CONFLICT);
        assert_eq!(refused.json()["code"], "no-drill");
    }
}
