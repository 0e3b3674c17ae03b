//! Who is on call, changes to it, and the report of the promise.

use std::iter;
use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use jiff::civil;
use serde::{Deserialize, Serialize};
use watchbell_paging::command::Command;
use watchbell_paging::duty::{Override, Schedule, shift_end, who};
use watchbell_paging::id::{PersonId, ScheduleId};
use watchbell_paging::ledger::report_of;
use watchbell_paging::settings::Settings;
use watchbell_paging::sla::{Report, iso_week, week_range};
use watchbell_paging::time::{Timestamp, Zone, instant};

use crate::http::Context;
use crate::http::act::ask;
use crate::http::auth::Visitor;
use crate::http::errors::{Asked, Fault, Raw};
use crate::http::watchbell_api::json;
use crate::links::FeedToken;

#[derive(Debug, Deserialize)]
pub(super) struct At {
    at: Option<String>,
}

/// Who is on call on one schedule.
#[derive(Debug, Serialize)]
pub(super) struct OnCall {
    schedule: ScheduleId,
    people: Vec<PersonId>,
    /// When that changes.
    until: Option<String>,
    /// Who is on call from then on.
    next: Vec<PersonId>,
}

/// The secret address of a calendar feed.
#[derive(Debug, Serialize)]
pub(super) struct FeedAddress {
    schedule: ScheduleId,
    /// Absent: everybody's shifts.
    person: Option<PersonId>,
    url: String,
}

/// A change that was made at run time.
#[derive(Debug, Serialize)]
pub(super) struct Changed {
    schedule: ScheduleId,
    add: Option<PersonId>,
    remove: Option<PersonId>,
    from: String,
    to: String,
    why: Option<String>,
    by: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Change {
    schedule: String,
    add: Option<String>,
    remove: Option<String>,
    from: Option<String>,
    to: String,
    why: Option<String>,
    by: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(in crate::http) struct Stretch {
    week: Option<String>,
    from: Option<String>,
    to: Option<String>,
}

pub(super) async fn now(
    State(context): State<Arc<Context>>,
    Asked(query): Asked<At>,
) -> Result<Json<Vec<OnCall>>, Fault> {
    let settings = Arc::clone(&context.live.load().config.settings);
    let at = match query.at.as_deref() {
        Some(text) => time(text, &settings.zone, "at")?,
        None => context.now(),
    };
    let view = context.desk.view();
    let rows = settings.schedules.values().map(|schedule| {
        let extra = view.overrides.get(&schedule.id).map_or(&[][..], Vec::as_slice);
        let until = shift_end(schedule, extra, at);
        OnCall {
            schedule: schedule.id.clone(),
            people: who(schedule, extra, at),
            until: until.map(Timestamp::to_rfc3339),
            next: until.map(|until| who(schedule, extra, until)).unwrap_or_default(),
        }
    });
    Ok(Json(rows.collect()))
}

/// Every feed that there is: one of each schedule, and one of each of its people.
pub(super) async fn feeds(State(context): State<Arc<Context>>) -> Json<Vec<FeedAddress>> {
    let settings = Arc::clone(&context.live.load().config.settings);
    let mut rows = Vec::new();
    for schedule in settings.schedules.values() {
        let people = schedule.people().into_iter().cloned().map(Some);
        for person in iter::once(None).chain(people) {
            let token = FeedToken { schedule: schedule.id.clone(), person };
            let url = context.links.feed(&token);
            rows.push(FeedAddress { schedule: token.schedule, person: token.person, url });
        }
    }
    Json(rows)
}

/// The changes that were made at run time.
pub(super) async fn changes(State(context): State<Arc<Context>>) -> Json<Vec<Changed>> {
    let view = context.desk.view();
    let rows = view.overrides.iter().flat_map(|(schedule, changes)| {
        changes.iter().cloned().map(|change| Changed {
            schedule: schedule.clone(),
            add: change.add,
            remove: change.remove,
            from: change.from.to_rfc3339(),
            to: change.to.to_rfc3339(),
            why: change.why,
            by: change.by,
        })
    });
    Json(rows.collect())
}

pub(super) async fn change(
    State(context): State<Arc<Context>>,
    Extension(visitor): Extension<Visitor>,
    Raw(body): Raw,
) -> Result<Json<Override>, Fault> {
    let asked: Change = json(&body)?;
    let settings = Arc::clone(&context.live.load().config.settings);
    let schedule = schedule(&settings, &asked.schedule)?;
    let by = visitor.actor(asked.by.as_deref(), false)?;
    let from = match asked.from.as_deref() {
        Some(text) => time(text, &schedule.zone, "from")?,
        None => context.now(),
    };
    let to = time(&asked.to, &schedule.zone, "to")?;
    if to <= from {
        return Err(Fault::bad("bad-time", "`to` is not after `from`"));
    }
    let (add, remove) = (person(&settings, asked.add)?, person(&settings, asked.remove)?);
    if add.is_none() && remove.is_none() {
        return Err(Fault::bad("missing-person", "say whom: `add`, `remove`, or both"));
    }
    let why = asked.why.filter(|why| !why.trim().is_empty());
    let change = Override { add, remove, from, to, why, by: Some(by.name.clone()) };
    let command = Command::Override { schedule: schedule.id.clone(), change: change.clone(), by };
    ask(&context, command).await?;
    Ok(Json(change))
}

pub(super) async fn report(
    State(context): State<Arc<Context>>,
    Asked(stretch): Asked<Stretch>,
) -> Result<Json<Report>, Fault> {
    build_report(&context, &stretch).map(Json)
}

/// Builds the report of a week, of a range, or of the week that runs.
pub(in crate::http) fn build_report(context: &Context, stretch: &Stretch) -> Result<Report, Fault> {
    let settings = Arc::clone(&context.live.load().config.settings);
    let zone = &settings.zone;
    let (from, to) = match (&stretch.week, &stretch.from, &stretch.to) {
        (None, Some(from), Some(to)) => (time(from, zone, "from")?, time(to, zone, "to")?),
        (None, Some(from), None) => (time(from, zone, "from")?, context.now()),
        (week, None, None) => {
            let running = || iso_week(context.now(), zone).unwrap_or_default();
            let week = week.clone().unwrap_or_else(running);
            week_range(&week, zone).ok_or_else(|| {
                Fault::bad("bad-week", format!("{week:?} is no week; write 2026-W47"))
            })?
        }
        (Some(_), _, _) | (None, None, Some(_)) => {
            return Err(Fault::bad("bad-range", "give `week`, or `from` with `to`"));
        }
    };
    if to <= from {
        return Err(Fault::bad("bad-range", "`to` is not after `from`"));
    }
    Ok(report_of(&context.desk.view(), &settings, from, to))
}

fn schedule<'a>(settings: &'a Settings, name: &str) -> Result<&'a Schedule, Fault> {
    settings.schedules.get(&ScheduleId::from(name)).ok_or_else(|| {
        let known: Vec<&str> = settings.schedules.keys().map(ScheduleId::as_str).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let text = format!("there is no schedule {name:?}; there are: {known}");
        Fault::missing("unknown-schedule", text)
    })
}

/// A person who is put on call must be one who can be paged.
fn person(settings: &Settings, name: Option<String>) -> Result<Option<PersonId>, Fault> {
    let Some(name) = name.filter(|name| !name.is_empty()) else { return Ok(None) };
    let person = PersonId::from(name.as_str());
    if settings.people.contains_key(&person) {
        return Ok(Some(person));
    }
    let known: Vec<&str> = settings.people.keys().map(PersonId::as_str).collect();
    let text = format!("there is no person {name:?}; people: {}", known.join(", "));
    Err(Fault::bad("unknown-person", text))
}

/// Reads an instant, or a local date or date and clock in a zone.
fn time(text: &str, zone: &Zone, what: &str) -> Result<Timestamp, Fault> {
    if let Ok(at) = Timestamp::parse_rfc3339(text) {
        return Ok(at);
    }
    let local = text
        .parse::<civil::DateTime>()
        .or_else(|_| text.parse::<civil::Date>().map(|date| date.at(0, 0, 0, 0)));
    local.map(|local| instant(local, zone)).map_err(|_| {
        let text = format!(
            "{what}: {text:?} is no time; write 2026-11-23T10:00:00Z or a local 2026-11-23T10:00"
        );
        Fault::bad("bad-time", text)
    })
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;
    use crate::http::fixture::{House, get_request, request};

    #[tokio::test]
    async fn on_call_names_people_until_when_and_who_follows() {
        let house = House::new();
        let answer = house.send(get_request("/api/watchbell/v1/oncall?at=2026-11-24T12:00:00Z"));
        let answer = answer.await;
        assert_eq!(answer.status, StatusCode::OK);
        let rows = answer.json();
        assert_eq!(rows[1]["schedule"], "devops");
        assert_eq!(rows[1]["people"], serde_json::json!(["ana"]));
        assert_eq!(rows[1]["until"], "2026-11-30T08:00:00.000Z");
        assert_eq!(rows[1]["next"], serde_json::json!(["ben"]));
        let bad = house.send(get_request("/api/watchbell/v1/oncall?at=noon")).await;
        assert_eq!(bad.json()["code"], "bad-time");
    }

    #[tokio::test]
    async fn an_override_takes_local_times_of_the_schedule() {
        let house = House::new();
        let body = r#"{"schedule":"devops","add":"ben","remove":"ana","from":"2026-12-24T09:00",
            "to":"2026-12-27T09:00","why":"holidays","by":"ana"}"#;
        let answer = house.send(request("POST", "/api/watchbell/v1/overrides", body)).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        let asked = house.asked();
        assert!(asked[0].contains("1798099200000"), "09:00 in Berlin: {}", asked[0]);
    }

    #[tokio::test]
    async fn changes_made_at_run_time_are_listed() {
        let house = House::new();
        house.paint(|view| {
            let change = Override {
                add: Some(PersonId::from("cho")),
                remove: None,
                from: Timestamp(0),
                to: Timestamp(1_500),
                why: Some("dentist".to_owned()),
                by: None,
            };
            view.overrides.insert(ScheduleId::from("devops"), vec![change]);
        });
        let rows = house.send(get_request("/api/watchbell/v1/overrides")).await.json();
        assert_eq!(
            rows,
            serde_json::json!([{
                "schedule": "devops", "add": "cho", "remove": null, "why": "dentist", "by": null,
                "from": "1970-01-01T00:00:00.000Z", "to": "1970-01-01T00:00:01.500Z",
            }])
        );
    }

    #[tokio::test]
    async fn an_override_that_cannot_be_is_refused() {
        let house = House::new();
        for (body, status, code) in [
            (r#"{"schedule":"x","add":"ben","to":"2026-12-27","by":"a"}"#, 404, "unknown-schedule"),
            (
                r#"{"schedule":"devops","add":"x","to":"2099-12-27","by":"a"}"#,
                400,
                "unknown-person",
            ),
            (r#"{"schedule":"devops","to":"2099-12-27","by":"a"}"#, 400, "missing-person"),
            (r#"{"schedule":"devops","add":"ben","to":"2001-12-27","by":"a"}"#, 400, "bad-time"),
            (r#"{"schedule":"devops","add":"ben","by":"a"}"#, 400, "bad-json"),
        ] {
            let answer = house.send(request("POST", "/api/watchbell/v1/overrides", body)).await;
            assert_eq!(answer.status.as_u16(), status, "{body}");
            assert_eq!(answer.json()["code"], code, "{body}");
        }
    }

    #[tokio::test]
    async fn a_report_of_no_week_is_refused() {
        let house = House::new();
        for (query, code) in [
            ("week=47", "bad-week"),
            ("week=2026-W60", "bad-week"),
            ("to=2026-11-23", "bad-range"),
            ("week=2026-W47&from=2026-11-23", "bad-range"),
            ("from=2026-11-23&to=2026-11-22", "bad-range"),
            ("from=x&to=2026-11-22", "bad-time"),
        ] {
            let path = format!("/api/watchbell/v1/report?{query}");
            let answer = house.send(get_request(&path)).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
            assert_eq!(answer.json()["code"], code, "{query}");
        }
    }

    #[tokio::test]
    async fn a_report_counts_what_fired_in_its_range() {
        let house = House::new();
        let now = house.context.now();
        let from = now.minus(std::time::Duration::from_secs(2 * 86_400)).to_rfc3339();
        let to = now.to_rfc3339();
        let path = format!("/api/watchbell/v1/report?from={from}&to={to}");
        let report = house.send(get_request(&path)).await;
        assert_eq!(report.status, StatusCode::OK, "{}", report.text);
        let report = report.json();
        let all = &report["rows"][0];
        assert_eq!(all["group"], "all");
        assert_eq!(all["incidents"], 3);
        assert_eq!(all["late"], 1);
        assert_eq!(all["running"], 1);
        let week = house.send(get_request("/api/watchbell/v1/report?week=2026-W47")).await;
        assert_eq!(week.json()["week"], "2026-W47");
        assert_eq!(week.json()["from"], "2026-11-15T23:00:00Z", "midnight of the report's zone");
    }
}
