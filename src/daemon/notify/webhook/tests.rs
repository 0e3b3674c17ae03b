//! Bodies as receivers get them, and what is refused before anything is sent.

use std::collections::BTreeMap;

use watchbell_metrics::label::Labels;
use watchbell_metrics::rule::Level;
use watchbell_paging::outbox::Address;

use super::template::Template;
use super::{Context, Webhook, alertmanager};
use crate::notify::sample::{at, incident, page, resolved};
use crate::notify::tests::notice;
use crate::secrets::Secret;
use watchbell_paging::view::IncidentView;

fn group_by() -> Vec<String> {
    vec!["alertname".to_owned(), "service".to_owned()]
}

fn body(incident: IncidentView) -> serde_json::Value {
    let delivery = page(7, Address::Webhook("pager".to_owned()), incident);
    let notice = notice(&delivery, at(65));
    let group_by = group_by();
    let context = Context {
        delivery: &delivery,
        notice: &notice,
        group_by: &group_by,
        url: "https://ops.example.org",
        installation: "00c0ffee",
    };
    alertmanager::body("pager", &context)
}

#[test]
fn alertmanagers_body_of_a_new_critical_incident() {
    let body = serde_json::to_string_pretty(&body(incident())).unwrap();
    insta::assert_snapshot!(body);
}

#[test]
fn what_all_alerts_share_is_common_and_what_is_over_has_ended() {
    let mut incident = incident();
    let mut second = incident.alerts[0].clone();
    second.labels = Labels::from_pairs([("alertname", "error_rate"), ("service", "web")]);
    second.level = Level::Ok;
    second.since = at(90);
    incident.alerts.push(second);
    let body = body(incident);
    assert_eq!(body["status"], "firing");
    assert_eq!(
        body["commonLabels"],
        serde_json::json!({"alertname": "error_rate", "severity": "critical"})
    );
    assert_eq!(body["groupLabels"], serde_json::json!({"alertname": "error_rate"}));
    assert_eq!(body["alerts"][0]["endsAt"], "0001-01-01T00:00:00Z");
    assert_eq!(body["alerts"][1]["status"], "resolved");
    assert_eq!(body["alerts"][1]["endsAt"], at(90).to_rfc3339());
}

#[test]
fn an_incident_without_alerts_still_tells_one() {
    let mut incident = resolved();
    incident.alerts.clear();
    let body = body(incident);
    assert_eq!(body["alerts"][0]["status"], "resolved");
    assert_eq!(body["alerts"][0]["annotations"]["summary"], "api: 1.23% of requests fail");
}

#[test]
fn a_fault_of_a_template_is_told_with_its_line_and_without_secrets() {
    let secrets = BTreeMap::from([("key".to_owned(), Secret::new("hidden"))]);
    let why = Template::new("{\n{{ secret.key", &secrets).err().unwrap();
    assert!(why.contains("line 2") && !why.contains("hidden"), "{why}");
}

#[test]
fn addresses_and_headers_that_cannot_be_sent_are_refused_when_they_are_read() {
    let make = |url: &str, header: (&str, &str)| {
        let headers = BTreeMap::from([(header.0.to_owned(), Secret::new(header.1))]);
        Webhook::new("pager", &Secret::new(url), &headers, None).err()
    };
    assert!(make("https://x.example/?token=hidden", ("X-Team", "ops")).is_none());
    for (url, header, word) in [
        ("not a url", ("X-Team", "ops"), "url"),
        ("ftp://x.example", ("X-Team", "ops"), "https://"),
        ("/path", ("X-Team", "ops"), "https://"),
        ("https://x.example", ("X Team", "ops"), "name of a header"),
        ("https://x.example", ("X-Team", "a\r\nB: c"), "one line"),
    ] {
        let why = make(url, header).unwrap_or_default();
        assert!(why.contains(word), "{url} {header:?}: {why}");
    }
}
