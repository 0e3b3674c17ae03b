//! Webhooks, to a receiver that answers as told.

use super::*;

/// What a webhook's receiver got.
#[derive(Clone, Debug)]
struct Hook {
    headers: HeaderMap,
    body: String,
}

#[derive(Clone)]
struct Receiver {
    hooks: watch::Sender<Vec<Hook>>,
    answer: (StatusCode, &'static str),
}

async fn receive(
    State(receiver): State<Receiver>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, [(&'static str, &'static str); 1], &'static str) {
    let body = String::from_utf8_lossy(&body).into_owned();
    receiver.hooks.send_modify(|hooks| hooks.push(Hook { headers, body }));
    let (status, words) = receiver.answer;
    (status, [("retry-after", "3")], words)
}

async fn receiver(status: u16, words: &'static str) -> (SocketAddr, watch::Receiver<Vec<Hook>>) {
    let (hooks, seen) = watch::channel(Vec::new());
    let state = Receiver { hooks, answer: (StatusCode::from_u16(status).unwrap(), words) };
    let router = axum::Router::new().route("/hook", post(receive)).with_state(state);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    spawn(async move { axum::serve(listener, router).await.unwrap() });
    (address, seen)
}

fn hook_table(address: SocketAddr) -> Webhook {
    Webhook {
        url: SecretOr::Secret(SecretRef::Literal(format!("http://{address}/hook"))),
        body: None,
        headers: BTreeMap::from([("X-Team".to_owned(), SecretOr::Plain("ops".to_owned()))]),
        secrets: BTreeMap::new(),
        bearer: Some(SecretRef::Literal("hook-token".to_owned())),
    }
}

fn hook_config(address: SocketAddr) -> Config {
    let mut config = configuration();
    config.webhooks.insert("pager".to_owned(), hook_table(address));
    config
}

fn pager() -> Address {
    Address::Webhook("pager".to_owned())
}

#[tokio::test]
async fn a_webhook_gets_alertmanagers_body_and_a_key_that_a_repeat_keeps() {
    let (address, seen) = receiver(200, "").await;
    let mut bench = Bench::start(&hook_config(address), Limits::default());
    let accepted = Outcome::Accepted { anchor: None };
    assert_eq!(bench.outcome(page(5, pager(), incident())).await, accepted);
    let repeat = Delivery { may_be_repeat: true, ..page(5, pager(), incident()) };
    assert_eq!(bench.outcome(repeat).await, accepted);
    assert_eq!(bench.outcome(page(6, pager(), resolved())).await, accepted);

    let hooks = seen.borrow().clone();
    let header = |index: usize, name: &str| hooks[index].headers[name].to_str().unwrap().to_owned();
    let key = |delivery: u64| format!("watchbell-{}-{delivery}", links().installation());
    assert_eq!(header(0, "idempotency-key"), key(5));
    assert_eq!(header(1, "idempotency-key"), key(5));
    assert_eq!(header(2, "idempotency-key"), key(6));
    assert_eq!(header(0, "authorization"), "Bearer hook-token");
    assert_eq!(header(0, "x-team"), "ops");
    assert_eq!(header(0, "content-type"), "application/json");
    let body: Value = serde_json::from_str(&hooks[0].body).unwrap();
    assert_eq!(body["version"], "4");
    assert_eq!(body["status"], "firing");
    assert_eq!(body["receiver"], "pager");
    assert_eq!(body["alerts"][0]["labels"]["severity"], "critical");
    assert_eq!(body["alerts"][0]["startsAt"], at(60).to_rfc3339());
    let body: Value = serde_json::from_str(&hooks[2].body).unwrap();
    assert_eq!(body["status"], "resolved");
    assert_eq!(body["alerts"][0]["status"], "resolved");
    assert_eq!(body["alerts"][0]["endsAt"], at(600).to_rfc3339());
}

#[tokio::test]
async fn a_template_of_the_user_makes_the_body_and_hostile_text_stays_inside_its_quotes() {
    let (address, seen) = receiver(202, "").await;
    let mut config = hook_config(address);
    let table = config.webhooks.get_mut("pager").unwrap();
    table.secrets.insert("key".to_owned(), SecretRef::Literal("k\"1".to_owned()));
    table.body = Some(
        r#"{"routing_key":"{{ secret.key }}","summary":"{{ incident.title }}",
            "severity":"{{ incident.severity }}","labels":{{ incident.alerts[0].labels | json }},
            "value":{{ incident.alerts[0].value }},"missing":"{{ incident.nothing }}"}"#
            .to_owned(),
    );
    let mut bench = Bench::start(&config, Limits::default());
    bench.outcome(page(5, pager(), hostile())).await;
    let hooks = seen.borrow().clone();
    let body: Value = serde_json::from_str(&hooks[0].body).expect("whole JSON");
    assert_eq!(body["routing_key"], "k\"1");
    assert_eq!(body["summary"], hostile().title.as_str());
    assert_eq!(body["severity"], "critical");
    assert_eq!(body["labels"]["alertname"], "trap");
    assert_eq!(body["value"], 0.0123);
    assert_eq!(body["missing"], "");
}

#[tokio::test]
async fn a_webhooks_answer_decides_and_is_quoted() {
    let (address, _seen) = receiver(503, "later").await;
    let mut bench = Bench::start(&hook_config(address), Limits::default());
    let (after, why) = retry_of(bench.outcome(page(1, pager(), incident())).await);
    assert_eq!(after, Some(Duration::from_secs(3)));
    assert!(why.contains("webhook pager answered 503") && why.ends_with(": later"), "{why}");

    let (address, _seen) = receiver(400, "routing_key is wrong").await;
    bench.notifier.reconfigure(&hook_config(address), links()).unwrap();
    let why = why_of(bench.outcome(page(2, pager(), incident())).await);
    assert!(why.ends_with("400 Bad Request: routing_key is wrong"), "{why}");
    let unknown = Address::Webhook("gone".to_owned());
    let why = why_of(bench.outcome(page(3, unknown, incident())).await);
    assert!(why.contains("[webhook.gone]"), "{why}");
}
