//! Clicks on Slack's buttons, posted as Slack posts them: signed, or refused.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use watchbell::clock::Clock;

use crate::support::daemon::{DEADLINE, Daemon, Folder, one_gauge};
use crate::support::service::Service;
use crate::support::slack::{Call, Slack};

/// What the environment of the daemon holds.
const SECRET: &str = "xoxb-test";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signed_click_acknowledges_as_the_person_and_a_forged_one_does_nothing() {
    let (service, slack) = (Service::start().await, Slack::start().await);
    let folder = Folder::new("click");
    let config = one_gauge(&service, &slack, "0s");
    let config = format!("{config}signing_secret = \"env:TEST_SLACK_TOKEN\"\n");
    let daemon = Daemon::start(&folder, &config).await;
    service.instruments.gauge.set(2.0);
    let calls = slack.wait_for(|calls| calls.iter().any(has_button), DEADLINE).await;
    let page = calls.iter().find(|call| has_button(call)).unwrap();
    let (action, incident) = button(&page.body);

    let click = form(&action, &incident, "U01");
    assert_eq!(post(&daemon, "guess", &click).await, 401);
    let open = daemon.incidents("the incident", "open", |open| open.first().cloned()).await;
    assert_eq!(open["state"], "triggered");

    assert_eq!(post(&daemon, SECRET, &click).await, 200);
    let acked = daemon.incidents("the ack", "acked", |acked| acked.first().cloned()).await;
    assert_eq!((&acked["acked_by"], &acked["sla"]), (&json!("ana"), &json!("met")));
    // The message itself says it to everybody in the channel.
    let shown =
        |call: &Call| call.method == "chat.update" && call.body.to_string().contains("ana has it");
    slack.wait_for(|calls| calls.iter().any(shown), DEADLINE).await;

    // Whoever clicks second is well received; the first one stays.
    let late = form(&action, &incident, "U99");
    assert_eq!(post(&daemon, SECRET, &late).await, 200);
    let acked = daemon.incidents("the ack", "acked", |acked| acked.first().cloned()).await;
    assert_eq!(acked["acked_by"], "ana");
}

async fn post(daemon: &Daemon, secret: &str, form: &str) -> u16 {
    let (stamp, signature) = signed(secret, form);
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("x-slack-request-timestamp", stamp.as_str()),
        ("x-slack-signature", signature.as_str()),
    ];
    daemon.request_with("POST", "/slack/actions", &headers, form).await.status
}

fn has_button(call: &Call) -> bool {
    call.body.to_string().contains("watchbell_ack")
}

/// The `action_id` and the value of the button that acknowledges.
fn button(body: &Value) -> (String, String) {
    let blocks = body["blocks"].as_array().unwrap().iter();
    let elements = blocks.flat_map(|block| block["elements"].as_array().into_iter().flatten());
    let found = elements.into_iter().find(|one| one["action_id"] == "watchbell_ack").unwrap();
    let text = |name: &str| found[name].as_str().unwrap().to_owned();
    (text("action_id"), text("value"))
}

fn form(action: &str, incident: &str, user: &str) -> String {
    let payload = json!({
        "type": "block_actions",
        "user": { "id": user, "username": user },
        "actions": [{ "action_id": action, "value": incident }],
    });
    let encoded =
        url::form_urlencoded::byte_serialize(payload.to_string().as_bytes()).collect::<String>();
    format!("payload={encoded}")
}

/// The stamp and the signature by which Slack proves itself, with the clock of now.
fn signed(secret: &str, body: &str) -> (String, String) {
    let stamp = (Clock::start().now().as_millis() / 1000).to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("v0:{stamp}:{body}").as_bytes());
    let signature = mac.finalize().into_bytes();
    let digits: String = signature.iter().map(|byte| format!("{byte:02x}")).collect();
    (stamp, format!("v0={digits}"))
}
