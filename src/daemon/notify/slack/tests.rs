//! Messages as Slack gets them.

use serde_json::{Value, json};
use watchbell_paging::id::{DeliveryId, PersonId};
use watchbell_paging::outbox::{Address, Delivery, Purpose, Reason};

use super::message::{Words, escape};
use crate::notify::sample::{acked, at, hostile, incident, message, page, resolved};
use crate::notify::tests::notice;

fn words(delivery: &Delivery, has_buttons: bool, make: impl Fn(&Words<'_>) -> Value) -> Value {
    let notice = notice(delivery, at(65));
    make(&Words { delivery, notice: &notice, has_buttons })
}

fn ana() -> Address {
    Address::Slack("U01".to_owned())
}

#[test]
fn the_page_of_a_new_critical_incident() {
    let body = words(&page(7, ana(), incident()), true, |words| words.post("U01"));
    insta::assert_snapshot!(serde_json::to_string_pretty(&body).unwrap());
}

#[test]
fn the_edit_after_an_acknowledgement() {
    let delivery = Delivery {
        purpose: Purpose::Edit,
        message: message(Reason::Acked, "Ana acknowledged it in Slack", acked()),
        ..page(8, ana(), acked())
    };
    let body = words(&delivery, true, |words| words.edit("D01", "1.2"));
    insta::assert_snapshot!(read(&body));
}

#[test]
fn the_edit_after_the_end_has_no_buttons() {
    let delivery = Delivery {
        purpose: Purpose::Edit,
        message: message(Reason::Resolved, "the error rate fell to 0.04%", resolved()),
        ..page(9, ana(), resolved())
    };
    let body = words(&delivery, true, |words| words.edit("D01", "1.2"));
    insta::assert_snapshot!(read(&body));
}

#[test]
fn a_line_in_the_thread_mentions_whoever_is_paged() {
    let why = "nobody has answered for 2m; Ben is next";
    let mention = |person: Option<&str>| {
        let delivery = Delivery {
            id: DeliveryId(10),
            purpose: Purpose::Thread { person: person.map(PersonId::from) },
            message: message(Reason::Escalated { step: 1 }, why, incident()),
            ..page(10, ana(), incident())
        };
        let body = words(&delivery, true, |words| words.thread("C01", "1.2"));
        assert_eq!(body["thread_ts"], "1.2");
        assert!(body.get("blocks").is_none());
        body["text"].as_str().unwrap().to_owned()
    };
    insta::assert_snapshot!(mention(Some("ben")));
    insta::assert_snapshot!(mention(Some("<!here>")));
    insta::assert_snapshot!(mention(None));
}

#[test]
fn a_drill_and_a_possible_repeat_say_so_first() {
    let mut drill = incident();
    drill.drill = true;
    let delivery = Delivery { may_be_repeat: true, ..page(11, ana(), drill) };
    let body = words(&delivery, false, |words| words.post("U01"));
    insta::assert_snapshot!(read(&body));
}

#[test]
fn buttons_stand_only_where_a_click_can_be_heard() {
    let has_actions = |body: &Value| {
        body["blocks"].as_array().unwrap().iter().any(|block| block["type"] == "actions")
    };
    let delivery = page(7, ana(), incident());
    assert!(has_actions(&words(&delivery, true, |words| words.post("U01"))));
    assert!(!has_actions(&words(&delivery, false, |words| words.post("U01"))));
    let over = page(7, ana(), resolved());
    assert!(!has_actions(&words(&over, true, |words| words.post("U01"))));
}

#[test]
fn the_longest_incident_stays_within_slacks_lengths() {
    let mut incident = hostile();
    let alert = incident.alerts[0].clone();
    incident.title = "<&>".repeat(4000);
    incident.alerts = vec![alert; 2000];
    for alert in &mut incident.alerts {
        alert.summary = Some("&".repeat(9000));
        alert.value_text = "<".repeat(9000);
    }
    let mut delivery = page(12, ana(), incident);
    delivery.message.why = ">".repeat(9000);
    delivery.message.paged = vec!["x".repeat(500); 500];
    let body = words(&delivery, true, |words| words.post("U01"));
    let blocks = body["blocks"].as_array().unwrap();
    assert!(blocks.len() <= 50, "{}", blocks.len());
    for block in blocks {
        let length = |value: &Value| value["text"].as_str().map_or(0, |text| text.chars().count());
        let most = if block["type"] == "header" { 150 } else { 3000 };
        assert!(length(&block["text"]) <= most, "{block}");
        for field in block["fields"].as_array().into_iter().flatten() {
            assert!(length(field) <= 2000, "{field}");
        }
    }
    assert!(body["text"].as_str().unwrap().chars().count() <= 4000);
}

#[test]
fn text_is_escaped_within_its_length() {
    for (text, length_max, expected) in [
        ("a < b & c > d", 99, "a &lt; b &amp; c &gt; d"),
        ("<!here>", 99, "&lt;!here&gt;"),
        ("@channel", 99, "@\u{2060}channel"),
        ("abcdef", 4, "abc…"),
        ("ab<<", 6, "ab…"),
        ("", 4, ""),
    ] {
        assert_eq!(escape(text, length_max), expected, "{text}");
    }
    assert_eq!(json!(escape("\"", 9)).to_string(), r#""\"""#);
}

/// The texts of a message in the order of reading.
fn read(body: &Value) -> String {
    let mut lines = vec![format!("text: {}", body["text"].as_str().unwrap())];
    for block in body["blocks"].as_array().unwrap() {
        let mut texts = Vec::new();
        collect(block, &mut texts);
        let kind = block["type"].as_str().unwrap();
        lines.push(format!("{kind}: {}", texts.join(" | ").replace('\n', " / ")));
    }
    lines.join("\n")
}

fn collect(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(text) = fields.get("text").and_then(Value::as_str) {
                texts.push(text.to_owned());
            }
            fields.values().for_each(|one| collect(one, texts));
        }
        Value::Array(items) => items.iter().for_each(|one| collect(one, texts)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
