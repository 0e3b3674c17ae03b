//! What pages show, and what their forms do.

use watchbell_paging::duty::Override;
use watchbell_paging::id::{PersonId, ScheduleId};

use super::*;
use crate::http::fixture::{Answer, House, form, page, with_headers};

const PAGES: [&str; 9] = [
    "/",
    "/incidents",
    "/incidents?state=all",
    "/incidents/3",
    "/oncall",
    "/rules",
    "/targets",
    "/report",
    "/login",
];

async fn look(house: &House, path: &str) -> Answer {
    let answer = house.send(page(path)).await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
    answer
}

#[tokio::test]
async fn every_page_is_whole_without_scripts_and_strict_about_others() {
    let house = House::new();
    for path in PAGES {
        let answer = look(&house, path).await;
        assert!(answer.header("content-type").starts_with("text/html"), "{path}");
        assert_eq!(answer.header("content-security-policy"), POLICY, "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
        assert!(answer.text.contains("<html lang=\"en\">"), "{path}");
        assert!(answer.text.contains("name=\"viewport\""), "{path}");
        assert_eq!(answer.text.matches("<h1").count(), 1, "{path}");
        assert!(!answer.text.contains("<script"), "{path}");
        assert!(!answer.text.contains("style=\""), "the policy forbids inline style: {path}");
    }
}

#[tokio::test]
async fn the_first_page_shows_who_has_what_and_what_is_left_of_the_promise() {
    let house = House::new();
    let text = look(&house, "/").await.text;
    assert!(text.contains("<title>(1) Now · Watchbell</title>"), "{text}");
    assert!(text.contains("2 open incidents"));
    assert!(text.contains("1 waits for an answer"));
    assert!(text.contains("nobody has it; Ana Ruiz paged"));
    assert!(text.contains("Ben Okafor has it"));
    assert!(text.contains(" left to answer"), "{text}");
    assert!(text.contains("1 of 2 are up"));
    assert!(text.contains("connection refused"));
    assert!(text.contains("http-equiv=\"refresh\""));
    let waiting = text.find("api: 4.2%").unwrap();
    assert!(waiting < text.find("checkout: 0.7%").unwrap(), "what waits stands first");
}

#[tokio::test]
async fn nothing_open_is_said_with_what_is_watched() {
    let house = House::new();
    house.paint(|view| {
        view.incidents.retain(|one| one.resolved_at.is_some());
    });
    house.context.targets.retain(|target| target.health == "up");
    let text = look(&house, "/").await.text;
    assert!(text.contains("All is well"), "{text}");
    assert!(text.contains("2 rules over 1 target, last looked at "), "{text}");
    assert!(text.contains("disk of db1 is 96% full"));
}

#[tokio::test]
async fn nothing_is_called_well_while_something_is_not_seen() {
    let house = House::new();
    house.paint(|view| {
        view.incidents.clear();
        view.rules[0].error = Some("two results have the same labels".to_owned());
    });
    let text = look(&house, "/").await.text;
    assert!(!text.contains("All is well"), "{text}");
    assert!(text.contains("But 1 target is down, and 1 rule is failing."), "{text}");
}

#[tokio::test]
async fn a_promise_that_was_broken_says_since_when() {
    let house = House::new();
    house.paint(|view| {
        let mut one = view.incidents[0].as_ref().clone();
        one.deadline = one.fired_at.plus(std::time::Duration::from_secs(5)).into();
        view.incidents[0] = Arc::new(one);
    });
    let text = look(&house, "/").await.text;
    assert!(
        text.contains("promise broken 2m ago") || text.contains("promise broken 2m "),
        "{text}"
    );
}

#[tokio::test]
async fn text_from_outside_is_escaped_and_links_only_to_the_web() {
    let house = House::new();
    house.paint(|view| {
        let mut one = view.incidents[0].as_ref().clone();
        one.title = "<script>alert(1)</script>".to_owned();
        one.runbook = Some("javascript:alert(1)".to_owned());
        let labels = &one.alerts[0].labels;
        one.alerts[0].labels = labels.with("path", "\"><img src=x onerror=alert(1)>");
        view.incidents[0] = Arc::new(one);
    });
    for path in ["/", "/incidents", "/incidents/3"] {
        let text = look(&house, path).await.text;
        assert!(!text.contains("<script>") && !text.contains("<img"), "{path}");
        assert!(text.contains("&lt;script&gt;"), "{path}");
        assert!(!text.contains("href=\"javascript:"), "{path}");
    }
}

#[tokio::test]
async fn an_incident_shows_value_against_bound_and_its_timeline_from_the_first_bad() {
    let house = House::new();
    let text = look(&house, "/incidents/3").await.text;
    assert!(text.contains("4.2%") && text.contains("&gt; 1%"), "{text}");
    for offset in ["+0s", "+1m", "+1m 1s", "+3m"] {
        assert!(text.contains(&format!("<span class=\"offset\">{offset}</span>")), "{offset}");
    }
    assert!(text.contains("Slack took the message to Ana Ruiz"));
    assert!(text.contains("href=\"https://wiki.example.org/error-rate\""));
    assert!(!text.contains("http-equiv=\"refresh\""), "a note may be being typed");
    let over = look(&house, "/incidents/1").await.text;
    assert!(over.contains("answered 2m late"), "{over}");
    assert!(!over.contains("<form"), "there is nothing to do");
}

#[tokio::test]
async fn a_form_acts_as_the_ui_leads_back_and_remembers_the_name() {
    let house = House::new();
    let acted = house.send(form("/incidents/3/ack", "by=%C3%84nne&note=on+it&for=1h")).await;
    assert_eq!(acted.status, StatusCode::SEE_OTHER, "{}", acted.text);
    assert_eq!(acted.header("location"), "/incidents/3");
    let asked = house.asked();
    assert!(asked[0].contains("surface: Ui") && asked[0].contains("on it"), "{}", asked[0]);
    let cookie = acted.header("set-cookie").split(';').next().unwrap().to_owned();
    let again = house.send(with_headers(page("/incidents/2"), &[("cookie", &cookie)])).await;
    assert!(again.text.contains("value=\"Änne\""), "{}", again.text);
}

#[tokio::test]
async fn the_second_to_act_is_told_who_was_first() {
    let house = House::new();
    house.send(form("/incidents/3/ack", "by=ana")).await;
    let second = house.send(form("/incidents/3/ack", "by=ben")).await;
    assert_eq!(second.header("location"), "/incidents/3?already=1");
    let text = look(&house, "/incidents/3?already=1").await.text;
    assert!(text.contains("Ana Ruiz was first, at "), "{text}");
}

#[tokio::test]
async fn resolving_what_still_fires_asks_once_more() {
    let house = House::new();
    let refused = house.send(form("/incidents/3/resolve", "by=ana")).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.text.contains("still has firing alerts"), "{}", refused.text);
    assert!(refused.text.contains("Resolve anyway"));
    let forced = house.send(form("/incidents/3/resolve", "by=ana&force=1")).await;
    assert_eq!(forced.status, StatusCode::SEE_OTHER, "{}", forced.text);
}

#[tokio::test]
async fn a_form_without_a_name_is_refused_on_the_page() {
    let house = House::new();
    let refused = house.send(form("/incidents/3/ack", "by=+&note=x")).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.text.contains("say who acts"), "{}", refused.text);
    assert!(refused.text.contains("Your name"), "the form is still there");
}

#[tokio::test]
async fn on_call_shows_now_the_hand_offs_and_changes() {
    let house = House::new();
    let from = house.context.now();
    let to = from.plus(std::time::Duration::from_secs(3600));
    house.paint(|view| {
        let change = Override {
            add: Some(PersonId::from("cho")),
            remove: None,
            from,
            to,
            why: Some("dentist".to_owned()),
            by: Some("ben".to_owned()),
        };
        view.overrides.insert(ScheduleId::from("devops"), vec![change]);
    });
    let text = look(&house, "/oncall").await.text;
    assert!(text.contains("devops") && text.contains("backend"));
    assert!(text.contains("Hand-offs of the next 14 days"));
    assert!(text.contains("Cho Lee joins (dentist), by Ben Okafor"), "{text}");
}

#[tokio::test]
async fn rules_show_what_needs_eyes_first() {
    let house = House::new();
    let text = look(&house, "/rules").await.text;
    assert!(text.find("error_rate").unwrap() < text.find("checkout_errors").unwrap());
    assert!(text.contains("critical <code>&gt; 1%</code>"), "{text}");
    assert!(text.contains("2 rules, 1 above ok, 1 without any series."), "{text}");
}

#[tokio::test]
async fn rules_unfold_to_their_last_evaluations() {
    let house = House::new();
    let text = look(&house, "/rules").await.text;
    assert!(text.contains("<details class=\"how\"><summary>evaluated 15s ago in 2.5ms, 2 series"));
    assert!(text.contains("<tr class=\"error\"><td colspan=\"4\">many-to-many matching"));
    assert!(text.contains("No target sends what it reads: <code>checkout_total</code>"));
    let one = look(&house, "/rules?rule=checkout_errors").await.text;
    assert!(one.contains("<details class=\"how\" open>"), "{one}");
    assert!(!one.contains("<strong>error_rate</strong>"));
}

#[tokio::test]
async fn targets_show_faulty_lines() {
    let house = House::new();
    let text = look(&house, "/targets").await.text;
    assert!(text.contains("line 12: a value is missing"), "{text}");
    assert!(text.contains("1 of 2 are up."));
}

#[tokio::test]
async fn the_report_says_what_was_kept_and_by_whom() {
    let house = House::new();
    let from = house.context.now().minus(std::time::Duration::from_secs(2 * 86_400));
    let text = look(&house, &format!("/report?from={}", from.to_rfc3339())).await.text;
    assert!(text.contains("50%") && text.contains("1 of 2."), "{text}");
    assert!(text.contains("severity critical") && text.contains("service api"));
    assert!(text.contains("Ana Ruiz"));
    let empty = look(&house, "/report?week=2020-W10").await.text;
    assert!(empty.contains("No incident fired."));
    assert!(empty.contains("/report?week=2020-W09") && empty.contains("/report?week=2020-W11"));
    let bad = house.send(page("/report?week=x")).await;
    assert_eq!(bad.status, StatusCode::BAD_REQUEST);
    assert!(bad.text.contains("write 2026-W47"), "{}", bad.text);
}

#[tokio::test]
async fn a_refused_configuration_is_shown_on_every_page() {
    let house = House::new();
    let mut live = house.context.live.load().as_ref().clone();
    live.refused = Some("watchbell.toml:3:1: unknown key".to_owned());
    house.context.live.store(Arc::new(live));
    for path in ["/", "/rules"] {
        assert!(look(&house, path).await.text.contains("watchbell.toml:3:1: unknown key"));
    }
}

#[tokio::test]
async fn a_missing_page_is_a_page_for_browsers() {
    let house = House::new();
    for path in ["/nothing", "/incidents/99"] {
        let answer = house.send(page(path)).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert!(answer.text.contains("<html"), "{path}");
    }
    let answer = house.send(page("/api/nothing")).await;
    assert_eq!(answer.json()["code"], "unknown-path");
}
