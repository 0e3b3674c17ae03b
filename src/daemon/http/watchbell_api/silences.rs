//! Silences: list, make, end.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};
use watchbell_metrics::promql::parse_matchers;
use watchbell_paging::command::{Answer, Command};
use watchbell_paging::id::SilenceId;
use watchbell_paging::view::SilenceView;

use crate::http::Context;
use crate::http::act::{Details, ask};
use crate::http::auth::Visitor;
use crate::http::errors::{Asked, Fault, Raw};
use crate::http::watchbell_api::json as read_json;

#[derive(Debug, Deserialize)]
pub(super) struct Wish {
    matchers: String,
    reason: Option<String>,
    #[serde(flatten)]
    details: Details,
}

#[derive(Debug, Deserialize)]
pub(super) struct By {
    by: Option<String>,
}

pub(super) async fn list(State(context): State<Arc<Context>>) -> Json<Vec<SilenceView>> {
    Json(context.desk.view().silences.clone())
}

pub(super) async fn add(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    Raw(body): Raw,
) -> Result<Json<Value>, Fault> {
    let wish: Wish = read_json(&body)?;
    let matchers = parse_matchers(&wish.matchers).map_err(|error| {
        let text = format!("matchers, at byte {}: {}", error.span.start + 1, error.message);
        Fault::bad("bad-matchers", text)
    })?;
    if matchers.0.iter().all(|matcher| matcher.is_match("")) {
        let text = "the matchers fit every alert; name at least one label that must be there";
        return Err(Fault::bad("bad-matchers", text));
    }
    let by = visitor.actor(wish.details.by.as_deref(), wish.details.program)?;
    let reason = wish.reason.or_else(|| wish.details.note.clone()).unwrap_or_default();
    if reason.trim().is_empty() {
        let text = "say why, for those who wonder later: {\"reason\": \"...\"}";
        return Err(Fault::bad("missing-reason", text));
    }
    let from = context.now();
    let until = wish.details.end(from, "silence")?;
    let shown = matchers.to_string();
    let by_name = by.name.clone();
    let command = Command::Silence { matchers, from, until, reason: reason.clone(), by };
    match ask(&context, command).await? {
        Answer::Silence(id) => Ok(Json(json!({
            "id": id,
            "matchers": shown,
            "from": from.to_rfc3339(),
            "until": until.to_rfc3339(),
            "reason": reason,
            "by": by_name,
        }))),
        Answer::Incident(_) | Answer::Already { .. } | Answer::Done | Answer::Refused(_) => {
            Err(Fault::ours("the engine answered something else"))
        }
    }
}

pub(super) async fn end(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
    Asked(query): Asked<By>,
    Raw(body): Raw,
) -> Result<StatusCode, Fault> {
    let details: Details = read_json(&body)?;
    let by = visitor.actor(details.by.as_deref().or(query.by.as_deref()), details.program)?;
    ask(&context, Command::Unsilence { id: SilenceId::from(id.as_str()), by }).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::fixture::{House, get_request, request};

    const PATH: &str = "/api/watchbell/v1/silences";

    #[tokio::test]
    async fn a_silence_is_made_listed_and_ended() {
        let house = House::new();
        let body = r#"{"matchers":"alertname=\"disk\"","for":"2h","reason":"moving","by":"ana"}"#;
        let made = house.send(request("POST", PATH, body)).await;
        assert_eq!(made.status, StatusCode::OK, "{}", made.text);
        let id = made.json()["id"].as_str().unwrap().to_owned();
        let list = house.send(get_request(PATH)).await;
        assert_eq!(list.json()[0]["id"], id.as_str());
        assert_eq!(list.json()[0]["reason"], "moving");
        let ended = house.send(request("DELETE", &format!("{PATH}/{id}?by=ana"), "")).await;
        assert_eq!(ended.status, StatusCode::NO_CONTENT, "{}", ended.text);
        let missing = house.send(request("DELETE", &format!("{PATH}/{id}?by=ana"), "")).await;
        assert_eq!(missing.status, StatusCode::NOT_FOUND);
        assert_eq!(missing.json()["code"], "unknown-silence");
    }

    #[tokio::test]
    async fn a_silence_of_everything_or_without_reason_is_refused() {
        let house = House::new();
        for (body, code) in [
            (r#"{"matchers":"a=~\".*\"","for":"2h","reason":"x","by":"ana"}"#, "bad-matchers"),
            (r#"{"matchers":"","for":"2h","reason":"x","by":"ana"}"#, "bad-matchers"),
            (r#"{"matchers":"a=","for":"2h","reason":"x","by":"ana"}"#, "bad-matchers"),
            (r#"{"matchers":"a=\"b\"","for":"2h","by":"ana"}"#, "missing-reason"),
            (r#"{"matchers":"a=\"b\"","reason":"x","by":"ana"}"#, "missing-end"),
            (r#"{"matchers":"a=\"b\"","for":"2h","reason":"x"}"#, "missing-by"),
        ] {
            let answer = house.send(request("POST", PATH, body)).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
            assert_eq!(answer.json()["code"], code, "{body}");
        }
    }
}
