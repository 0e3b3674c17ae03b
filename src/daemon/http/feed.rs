//! Calendar feeds: the shifts of a schedule or a person under a secret address.
//!
//! Calendars cannot log in, so the address itself is the proof; it opens nothing but this feed.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use watchbell_paging::duty::Feed;

use crate::http::Context;
use crate::http::errors::Fault;

const DAY: Duration = Duration::from_secs(86_400);
/// How far back shifts are shown, in days: calendars forget what a feed no longer has.
const DAYS_BACK: u32 = 35;
/// How far ahead, in days.
const DAYS_AHEAD: u32 = 182;

pub(super) fn routes(context: &Arc<Context>) -> Router {
    Router::new().route("/feeds/{file}", get(show)).with_state(Arc::clone(context))
}

async fn show(
    State(context): State<Arc<Context>>,
    Path(file): Path<String>,
) -> Result<impl IntoResponse, Fault> {
    let missing = || Fault::missing("unknown-feed", "there is no such feed; copy its address anew");
    let token = file.strip_suffix(".ics").and_then(|text| context.links.read_feed(text).ok());
    let token = token.ok_or_else(missing)?;
    let settings = Arc::clone(&context.live.load().config.settings);
    let schedule = settings.schedules.get(&token.schedule).ok_or_else(missing)?;
    if token.person.as_ref().is_some_and(|person| !settings.people.contains_key(person)) {
        return Err(missing());
    }
    let view = context.desk.view();
    let host = context.links.host();
    let feed = Feed {
        schedule,
        extra: view.overrides.get(&schedule.id).map_or(&[][..], Vec::as_slice),
        people: &settings.people,
        person: token.person.as_ref(),
        host: &host,
    };
    let now = context.now();
    let text = feed.write(now.minus(DAY * DAYS_BACK), now.plus(DAY * DAYS_AHEAD), now);
    let headers = [
        (header::CONTENT_TYPE, "text/calendar; charset=utf-8"),
        (header::CACHE_CONTROL, "private, max-age=300"),
        (header::CONTENT_DISPOSITION, "inline; filename=\"oncall.ics\""),
    ];
    Ok((headers, text))
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use watchbell_paging::duty::Override;
    use watchbell_paging::id::{IncidentId, PersonId, ScheduleId};
    use watchbell_paging::time::Timestamp;

    use crate::http::fixture::{House, get_request, with_headers};
    use crate::links::{FeedToken, Token};

    #[tokio::test]
    async fn a_calendar_reads_its_feed_without_logging_in() {
        let house = House::new();
        house.tokens(&[("ana", "open sesame")]);
        let listed = with_headers(
            get_request("/api/watchbell/v1/oncall/feeds"),
            &[("authorization", "Bearer open sesame")],
        );
        let rows = house.send(listed).await.json();
        let people: Vec<(&str, Option<&str>)> = rows
            .as_array()
            .unwrap()
            .iter()
            .map(|row| (row["schedule"].as_str().unwrap(), row["person"].as_str()))
            .collect();
        let expected = [
            ("backend", None),
            ("backend", Some("cho")),
            ("backend", Some("ana")),
            ("devops", None),
            ("devops", Some("ana")),
            ("devops", Some("ben")),
        ];
        assert_eq!(people, expected);
        for (row, names) in [(3, ["Ana Ruiz", "Ben Okafor"]), (5, ["Ben Okafor", "Ben Okafor"])] {
            let answer = house.send(get_request(&path(rows[row]["url"].as_str().unwrap()))).await;
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
            assert_eq!(answer.header("content-type"), "text/calendar; charset=utf-8");
            let found = |name: &str| answer.text.contains(&format!("SUMMARY:{name} on call"));
            assert!(names.iter().all(|name| found(name)), "{}", answer.text);
            assert_eq!(found("Ana Ruiz"), names.contains(&"Ana Ruiz"), "{}", answer.text);
        }
        let open = house.send(get_request("/api/watchbell/v1/oncall/feeds")).await;
        assert_eq!(open.status, StatusCode::UNAUTHORIZED, "addresses are for people of the team");
    }

    #[tokio::test]
    async fn a_feed_shows_changes_made_at_run_time() {
        let house = House::new();
        let now = house.context.now();
        house.paint(|view| {
            let change = Override {
                add: Some(PersonId::from("cho")),
                remove: None,
                from: now,
                to: Timestamp(now.0 + 3_600_000),
                why: None,
                by: None,
            };
            view.overrides.insert(ScheduleId::from("devops"), vec![change]);
        });
        let url = house.context.links.feed(&token("devops", Some("cho")));
        let text = house.send(get_request(&path(&url))).await.text;
        assert_eq!(text.matches("SUMMARY:Cho Lee on call: devops").count(), 1, "{text}");
    }

    #[tokio::test]
    async fn what_is_no_feed_is_not_found() {
        let house = House::new();
        let links = &house.context.links;
        let mail =
            Token { incident: IncidentId(3), who: "ana".to_owned(), until: Timestamp(i64::MAX) };
        for path in [
            "/feeds/x.ics".to_owned(),
            "/feeds/..ics".to_owned(),
            format!("/feeds/{}.ics", links.sign(&mail)),
            path(&links.feed(&token("gone", None))),
            path(&links.feed(&token("devops", Some("gone")))),
            path(&links.feed(&token("devops", None))).replace(".ics", ""),
        ] {
            let answer = house.send(get_request(&path)).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
            assert_eq!(answer.json()["code"], "unknown-feed", "{path}");
        }
    }

    fn token(schedule: &str, person: Option<&str>) -> FeedToken {
        FeedToken { schedule: ScheduleId::from(schedule), person: person.map(PersonId::from) }
    }

    fn path(url: &str) -> String {
        let (_, file) = url.split_once("/feeds/").unwrap();
        format!("/feeds/{file}")
    }
}
