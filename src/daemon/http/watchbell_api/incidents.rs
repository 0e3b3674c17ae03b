//! Incidents: lists, one in full, and the actions on it.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};
use watchbell_paging::view::{IncidentState, IncidentView, View};

use crate::http::Context;
use crate::http::act::{Details, Done, Verb, act as perform, find, incident_id};
use crate::http::auth::Visitor;
use crate::http::errors::{Asked, Fault, Raw};
use crate::http::watchbell_api::json as read_json;

#[derive(Debug, Default, Deserialize)]
pub(super) struct Which {
    state: Option<String>,
}

pub(super) async fn list(
    State(context): State<Arc<Context>>,
    Asked(which): Asked<Which>,
) -> Result<Json<Vec<Arc<IncidentView>>>, Fault> {
    let view = context.desk.view();
    select(&view, which.state.as_deref().unwrap_or("open")).map(Json)
}

pub(super) async fn one(
    State(context): State<Arc<Context>>,
    Path(id): Path<String>,
) -> Result<Json<Arc<IncidentView>>, Fault> {
    find(&context, incident_id(&id)?).map(Json)
}

pub(super) async fn act(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    Path((id, verb)): Path<(String, String)>,
    Raw(body): Raw,
) -> Result<Response, Fault> {
    let verb = Verb::parse(&verb).ok_or_else(|| {
        let text = format!(
            "an incident cannot be {verb:?}; it takes ack, resolve, snooze, escalate and note"
        );
        Fault::missing("unknown-action", text)
    })?;
    let details: Details = read_json(&body)?;
    let id = incident_id(&id)?;
    let by = visitor.actor(details.by.as_deref(), details.program)?;
    let command = verb.command(id, by, &details, context.now())?;
    answer(&perform(&context, id, command).await?)
}

/// The incident, with `already` where somebody was first.
fn answer(done: &Done) -> Result<Response, Fault> {
    let Some((first, at)) = &done.already else {
        return Ok(Json(&*done.incident).into_response());
    };
    let mut body = serde_json::to_value(&*done.incident)
        .map_err(|error| Fault::ours(format!("writing the incident: {error}")))?;
    if let Value::Object(fields) = &mut body {
        fields.insert("already".to_owned(), json!({ "by": first, "at": at.to_rfc3339() }));
    }
    Ok(Json(body).into_response())
}

/// Returns the incidents of a state word, newest first.
pub(in crate::http) fn select(view: &View, state: &str) -> Result<Vec<Arc<IncidentView>>, Fault> {
    let wanted: &[IncidentState] = match state {
        "open" => &[IncidentState::Triggered, IncidentState::Acked],
        "triggered" => &[IncidentState::Triggered],
        "acked" => &[IncidentState::Acked],
        "resolved" => &[IncidentState::Resolved],
        "all" => &[IncidentState::Triggered, IncidentState::Acked, IncidentState::Resolved],
        _ => {
            let text = format!("state is open, triggered, acked, resolved or all, not {state:?}");
            return Err(Fault::bad("bad-state", text));
        }
    };
    let all = view.incidents.iter();
    Ok(all.filter(|incident| wanted.contains(&incident.state)).cloned().collect())
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use crate::http::fixture::{House, get_request, request};

    const PATH: &str = "/api/watchbell/v1/incidents";

    #[tokio::test]
    async fn a_list_is_a_plain_array_of_open_incidents_newest_first() {
        let house = House::new();
        let open = house.send(get_request(PATH)).await;
        assert_eq!(open.status, StatusCode::OK);
        assert_eq!(open.ids(), ["3", "2"]);
        let all = house.send(get_request(&format!("{PATH}?state=all"))).await;
        assert_eq!(all.ids(), ["3", "2", "1"]);
        let acked = house.send(get_request(&format!("{PATH}?state=acked"))).await;
        assert_eq!(acked.ids(), ["2"]);
        let refused = house.send(get_request(&format!("{PATH}?state=closed"))).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        assert_eq!(refused.json()["code"], "bad-state");
    }

    #[tokio::test]
    async fn one_incident_is_found_by_its_number() {
        let house = House::new();
        let found = house.send(get_request(&format!("{PATH}/3"))).await;
        assert_eq!(found.json()["id"], "3");
        assert_eq!(found.json()["state"], "triggered");
        assert_eq!(found.json()["sla"], "running");
        assert_eq!(found.json()["alerts"][0]["labels"]["alertname"], "error_rate");
        for unknown in ["99", "x", "-1", "99999999999999999999"] {
            let missing = house.send(get_request(&format!("{PATH}/{unknown}"))).await;
            assert_eq!(missing.status, StatusCode::NOT_FOUND, "{unknown}");
            assert_eq!(missing.json()["code"], "unknown-incident");
        }
    }

    #[tokio::test]
    async fn the_first_ack_wins_and_the_second_is_told_who_was_first() {
        let house = House::new();
        let first = house.send(request("POST", &format!("{PATH}/3/ack"), r#"{"by":"ana"}"#)).await;
        assert_eq!(first.status, StatusCode::OK);
        assert_eq!(first.json()["state"], "acked");
        assert_eq!(first.json()["acked_by"], "ana");
        assert!(first.json().get("already").is_none());
        let second = house.send(request("POST", &format!("{PATH}/3/ack"), r#"{"by":"ben"}"#)).await;
        assert_eq!(second.status, StatusCode::OK);
        assert_eq!(second.json()["acked_by"], "ana");
        assert_eq!(second.json()["already"]["by"], "ana");
    }

    #[tokio::test]
    async fn resolve_while_alerts_fire_is_409_naming_them_unless_forced() {
        let house = House::new();
        let path = format!("{PATH}/3/resolve");
        let refused = house.send(request("POST", &path, r#"{"by":"ana"}"#)).await;
        assert_eq!(refused.status, StatusCode::CONFLICT);
        assert_eq!(refused.json()["code"], "still-firing");
        assert!(refused.json()["error"].as_str().unwrap().contains("error_rate"));
        assert_eq!(refused.json()["alerts"][0], "error_rate{service=\"api\"}");
        let forced = house.send(request("POST", &path, r#"{"by":"ana","force":true}"#)).await;
        assert_eq!(forced.status, StatusCode::OK);
        assert_eq!(forced.json()["state"], "resolved");
    }

    #[tokio::test]
    async fn nonsense_in_an_action_is_refused_with_a_word() {
        let house = House::new();
        for (path, body, status, code) in [
            ("3/ack", "{}", 400, "missing-by"),
            ("3/ack", "", 400, "missing-by"),
            ("3/ack", "{", 400, "bad-json"),
            ("3/ack", r#"{"by":7}"#, 400, "bad-json"),
            ("99/ack", r#"{"by":"ana"}"#, 404, "unknown-incident"),
            ("3/dance", r#"{"by":"ana"}"#, 404, "unknown-action"),
            ("3/snooze", r#"{"by":"ana"}"#, 400, "missing-end"),
            ("3/snooze", r#"{"by":"ana","for":"soon"}"#, 400, "bad-time"),
            ("3/snooze", r#"{"by":"ana","for":"0s"}"#, 400, "bad-time"),
            ("3/snooze", r#"{"by":"ana","until":"2001-01-01T00:00:00Z"}"#, 400, "bad-time"),
            ("3/note", r#"{"by":"ana","note":" "}"#, 400, "missing-note"),
            ("1/ack", r#"{"by":"ana"}"#, 409, "already-resolved"),
        ] {
            let answer = house.send(request("POST", &format!("{PATH}/{path}"), body)).await;
            assert_eq!(answer.status.as_u16(), status, "{path} {body}: {}", answer.text);
            assert_eq!(answer.json()["code"], code, "{path} {body}");
            assert!(answer.json()["error"].is_string());
        }
    }

    #[tokio::test]
    async fn every_verb_reaches_the_engine_with_its_details() {
        let house = House::new();
        for (verb, body) in [
            ("snooze", r#"{"by":"ana","for":"1h","note":"looking"}"#),
            ("escalate", r#"{"by":"ana"}"#),
            ("note", r#"{"by":"bot","note":"deployed","program":true}"#),
        ] {
            let answer = house.send(request("POST", &format!("{PATH}/3/{verb}"), body)).await;
            assert_eq!(answer.status, StatusCode::OK, "{verb}: {}", answer.text);
        }
        let asked = house.asked();
        assert!(asked[0].starts_with("Snooze") && asked[0].contains("looking"), "{}", asked[0]);
        assert!(asked[1].starts_with("Escalate"), "{}", asked[1]);
        assert!(asked[2].contains("deployed") && asked[2].contains("program: true"));
    }

    #[tokio::test]
    async fn a_stopping_daemon_says_so() {
        let house = House::new();
        house.close_desk();
        let answer = house.send(request("POST", &format!("{PATH}/3/ack"), r#"{"by":"ana"}"#)).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.json()["code"], "stopping");
    }

    #[tokio::test]
    async fn unknown_paths_are_404_in_json() {
        let house = House::new();
        for path in ["/api/x", "/api/watchbell/v1/x", "/api", "/x/y"] {
            let answer = house.send(get_request(path)).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
            assert_eq!(answer.json()["code"], "unknown-path", "{path}");
        }
    }
}
