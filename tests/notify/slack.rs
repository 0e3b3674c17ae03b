//! Slack: messages, edits, threads, limits, clicks over the socket.

use super::*;

#[tokio::test]
async fn a_page_an_edit_and_a_thread_line_reach_slack_with_two_methods() {
    let (slack, mut bench) = slack_bench(Limits::default()).await;
    let anchor = anchor_of(bench.outcome(page(1, ana(), incident())).await);
    let Anchor::Slack { channel, ts } = &anchor else { panic!("{anchor:?}") };
    assert_eq!(channel, "DU01");

    let edit = Delivery {
        purpose: Purpose::Edit,
        anchor: Some(anchor.clone()),
        message: message(Reason::Acked, "Ana acknowledged it", acked()),
        ..page(2, ana(), acked())
    };
    assert_eq!(anchor_of(bench.outcome(edit).await), anchor);
    let line = Delivery {
        purpose: Purpose::Thread { person: Some(PersonId::from("ben")) },
        anchor: Some(anchor.clone()),
        message: message(Reason::Escalated { step: 1 }, "nobody has answered for 2m", incident()),
        ..page(3, ana(), incident())
    };
    assert_eq!(anchor_of(bench.outcome(line).await), anchor);

    let calls = slack.calls();
    let methods: Vec<&str> = calls.iter().map(|call| call.method.as_str()).collect();
    assert_eq!(methods, ["chat.postMessage", "chat.update", "chat.postMessage"]);
    assert!(calls.iter().all(|call| call.bearer.as_deref() == Some("xoxb-secret")));
    assert_eq!(calls[0].body["channel"], "U01");
    assert_eq!(calls[1].body["channel"], channel.as_str());
    assert_eq!(calls[1].body["ts"], ts.as_str());
    assert!(calls[1].body["text"].as_str().unwrap().contains("acknowledged by Ana"));
    assert_eq!(calls[2].body["thread_ts"], ts.as_str());
    assert!(calls[2].body["text"].as_str().unwrap().starts_with("<@U02> "));
    let text = bench.metrics.render();
    assert!(
        text.contains("watchbell_deliveries_total{channel=\"slack\",outcome=\"accepted\"} 3"),
        "{text}"
    );
    assert!(text.contains("watchbell_delivery_seconds_count{channel=\"slack\"} 3"), "{text}");
}

#[tokio::test]
async fn a_channel_is_passed_as_it_is_written() {
    let (slack, mut bench) = slack_bench(Limits::default()).await;
    let post = Delivery {
        purpose: Purpose::Post,
        ..page(1, Address::Slack("#prod-ops".to_owned()), incident())
    };
    anchor_of(bench.outcome(post).await);
    assert_eq!(slack.calls()[0].body["channel"], "#prod-ops");
}

#[tokio::test]
async fn slack_asking_to_slow_down_is_obeyed_per_channel() {
    let (slack, mut bench) = slack_bench(Limits::default()).await;
    slack.fail_next("chat.postMessage", Fault::RateLimited(7));
    let (after, _) = retry_of(bench.outcome(page(1, ana(), incident())).await);
    assert_eq!(after, Some(Duration::from_secs(7)));

    let (after, why) = retry_of(bench.outcome(page(2, ana(), incident())).await);
    assert!(after.is_some_and(|left| left <= Duration::from_secs(7)), "{after:?}");
    assert!(why.contains("slack asked us to wait"), "{why}");
    anchor_of(bench.outcome(page(3, Address::Slack("U02".to_owned()), incident())).await);
    assert_eq!(slack.calls().len(), 2, "the first channel was left alone");
}

#[tokio::test]
async fn what_may_pass_is_to_be_tried_again_and_what_may_not_has_failed() {
    let (slack, mut bench) = slack_bench(Limits::default()).await;
    let mut id = 0;
    for fault in [
        Fault::Status(500),
        Fault::Status(503),
        Fault::Refused("internal_error"),
        Fault::Odd("<html>a proxy says hello</html>"),
        Fault::Odd("{}"),
    ] {
        id += 1;
        slack.fail_next("*", fault.clone());
        let (after, why) = retry_of(bench.outcome(page(id, ana(), incident())).await);
        assert_eq!(after, None, "{fault:?}");
        assert!(!why.is_empty());
    }
    for (error, advice) in [
        ("channel_not_found", "invite the bot"),
        ("not_in_channel", "invite it"),
        ("invalid_auth", "slack.token"),
        ("missing_scope", "chat:write"),
        ("is_archived", "another channel"),
        ("something_new", "Slack's reference"),
    ] {
        id += 1;
        slack.fail_next("*", Fault::Refused(error));
        let why = why_of(bench.outcome(page(id, ana(), incident())).await);
        assert!(why.contains(advice) && why.contains(error), "{error}: {why}");
        assert!(!why.contains("xoxb"), "{why}");
    }
}

#[tokio::test]
async fn an_odd_answer_that_says_ok_is_a_delivered_page() {
    let (slack, mut bench) = slack_bench(Limits::default()).await;
    slack.fail_next("*", Fault::Odd(r#"{"ok":true,"message":"?","warning":7}"#));
    let outcome = bench.outcome(page(1, ana(), incident())).await;
    assert_eq!(outcome, Outcome::Accepted { anchor: None });
}

#[tokio::test]
async fn a_form_that_slack_refuses_is_sent_again_as_plain_text_at_once() {
    let (slack, mut bench) = slack_bench(Limits::default()).await;
    slack.fail_next("chat.postMessage", Fault::Refused("invalid_blocks"));
    anchor_of(bench.outcome(page(1, ana(), incident())).await);
    let calls = slack.calls();
    assert!(calls[0].body.get("blocks").is_some());
    assert!(calls[1].body.get("blocks").is_none());
    assert_eq!(calls[0].body["text"], calls[1].body["text"]);
}

#[tokio::test]
async fn a_hanging_slack_is_left_within_the_limit_and_holds_up_nobody_else() {
    let (slack, mut bench) = slack_bench(patient()).await;
    slack.fail_next("chat.postMessage", Fault::Hang);
    bench.send(page(1, ana(), incident()));
    slack.wait_for_count("chat.postMessage", 1).await;
    bench.send(page(2, Address::Slack("U02".to_owned()), incident()));
    let (first, outcome) = bench.next().await;
    assert_eq!(first, DeliveryId(2));
    anchor_of(outcome);
    let (second, outcome) = bench.next().await;
    assert_eq!(second, DeliveryId(1));
    let (after, why) = retry_of(outcome);
    assert_eq!((after, why.as_str()), (None, "slack gave no answer within 3s"));
}

#[tokio::test]
async fn a_slack_out_of_reach_is_tried_again_later() {
    let mut config = configuration();
    config.slack = Some(slack_table("http://127.0.0.1:1/api"));
    let mut bench = Bench::start(&config, Limits::default());
    let (_, why) = retry_of(bench.outcome(page(1, ana(), incident())).await);
    assert!(why.contains("out of reach") && why.contains("refused"), "{why}");
}

#[tokio::test]
async fn a_page_goes_ahead_of_a_hanging_edit_and_an_edit_waits_for_its_message() {
    let (slack, mut bench) = slack_bench(Limits::default()).await;
    let anchor = anchor_of(bench.outcome(page(1, ana(), incident())).await);
    let edit = |id: u64, incident: IncidentView| Delivery {
        purpose: Purpose::Edit,
        anchor: Some(anchor.clone()),
        ..page(id, ana(), incident)
    };
    slack.fail_next("chat.update", Fault::Hang);
    bench.send(edit(2, incident()));
    slack.wait_for_count("chat.update", 1).await;
    // Both wait for the edit that hangs; the older of them has nothing left to show.
    bench.send(edit(3, acked()));
    bench.send(edit(4, resolved()));
    let (superseded, outcome) = bench.next().await;
    assert_eq!(superseded, DeliveryId(3));
    assert_eq!(anchor_of(outcome), anchor);
    let outcome = bench.outcome(page(5, ana(), incident())).await;
    anchor_of(outcome);
    assert_eq!(slack.calls().iter().filter(|call| call.method == "chat.update").count(), 1);
}

#[tokio::test]
async fn a_repeat_keeps_its_identity_and_says_that_it_may_be_one() {
    let (slack, mut bench) = slack_bench(Limits::default()).await;
    anchor_of(bench.outcome(page(9, ana(), incident())).await);
    let repeat = Delivery { may_be_repeat: true, attempt: 2, ..page(9, ana(), incident()) };
    anchor_of(bench.outcome(repeat).await);
    let calls = slack.calls();
    assert_eq!(calls[0].body["metadata"], calls[1].body["metadata"]);
    assert_eq!(calls[0].body["metadata"]["event_type"], "watchbell_delivery");
    assert_eq!(calls[0].body["metadata"]["event_payload"]["delivery"], "9");
    assert_eq!(calls[0].body["metadata"]["event_payload"]["incident"], "42");
    assert!(!calls[0].body["text"].as_str().unwrap().contains("may be a repeat"));
    assert!(calls[1].body["text"].as_str().unwrap().contains("may be a repeat"));
}

#[tokio::test]
async fn hostile_labels_call_nobody_in_slack() {
    let (slack, mut bench) = slack_bench(Limits::default()).await;
    anchor_of(bench.outcome(page(1, ana(), hostile())).await);
    let body = slack.calls()[0].body.to_string();
    for trap in ["<!", "<script", "<https://evil", "@here", "\\u202e", "\u{202e}", "\\u001b"] {
        assert!(!body.contains(trap), "{trap} in {body}");
    }
    assert!(body.contains("&lt;!channel&gt;"), "{body}");
    assert!(!body.contains("javascript:"), "{body}");
}

#[tokio::test]
async fn stopping_reports_what_waits_and_ends_in_time() {
    let (slack, mut bench) = slack_bench(patient()).await;
    slack.fail_always("*", Fault::Hang);
    bench.send(page(1, ana(), incident()));
    slack.wait_for_count("chat.postMessage", 1).await;
    bench.send(page(2, ana(), incident()));
    // The second has been taken in once an answer to a third has come.
    let nowhere = bench.outcome(page(3, Address::Email("ana@example.org".to_owned()), incident()));
    assert!(why_of(nowhere.await).contains("[email]"));
    bench.stop.take().unwrap().send(()).unwrap();
    let mut told = [bench.next().await, bench.next().await];
    told.sort_by_key(|(id, _)| *id);
    assert!(retry_of(told[0].1.clone()).1.contains("no answer"), "{told:?}");
    assert!(retry_of(told[1].1.clone()).1.contains("stopped before"), "{told:?}");
    tokio::time::timeout(DEADLINE, bench.running).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_full_engine_holds_up_no_delivery_and_loses_no_outcome() {
    let (slack, mut bench) = slack_bench(Limits::default()).await;
    let count = 30;
    for id in 1..=count {
        bench.send(page(id, Address::Slack(format!("U{id:03}")), incident()));
    }
    slack.wait_for_count("chat.postMessage", 30).await;
    let mut told = Vec::new();
    for _ in 1..=count {
        told.push(bench.next().await.0.0);
    }
    told.sort_unstable();
    assert_eq!(told, (1..=count).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_reload_takes_effect_and_a_bad_one_changes_nothing() {
    let (slack, mut bench) = slack_bench(Limits::default()).await;
    let mut config = configuration();
    config.slack = Some(slack_table(&slack.api_url()));
    config.slack.as_mut().unwrap().token = SecretRef::File("/nonexistent/token".into());
    let error = bench.notifier.reconfigure(&config, links()).unwrap_err().to_string();
    assert!(error.contains("[slack] token") && error.contains("/nonexistent/token"), "{error}");
    anchor_of(bench.outcome(page(1, ana(), incident())).await);

    config.slack.as_mut().unwrap().token = SecretRef::Literal("xoxb-second".to_owned());
    bench.notifier.reconfigure(&config, links()).unwrap();
    anchor_of(bench.outcome(page(2, ana(), incident())).await);
    let calls = slack.calls();
    assert_eq!(calls[0].bearer.as_deref(), Some("xoxb-secret"));
    assert_eq!(calls[1].bearer.as_deref(), Some("xoxb-second"));
}

#[tokio::test]
async fn the_daemon_is_cut_off_when_the_newest_attempt_over_every_channel_failed() {
    let (slack, mut bench) = slack_bench(Limits::default()).await;
    assert!(!bench.notifier.is_cut_off(), "nothing was tried");
    slack.fail_next("*", Fault::Status(500));
    bench.outcome(page(1, ana(), incident())).await;
    assert!(bench.notifier.is_cut_off());
    bench.outcome(page(2, ana(), incident())).await;
    bench.outcome(page(3, ana_mail(), incident())).await;
    assert!(!bench.notifier.is_cut_off(), "slack works");
    slack.fail_next("*", Fault::Status(500));
    bench.outcome(page(4, ana(), incident())).await;
    assert!(bench.notifier.is_cut_off());
    bench.notifier.reconfigure(&configuration(), links()).unwrap();
    assert!(!bench.notifier.is_cut_off(), "what failed may be gone or mended");
}

#[tokio::test]
async fn an_edit_that_fails_says_nothing_about_its_channel() {
    let (slack, mut bench) = slack_bench(Limits::default()).await;
    let anchor = anchor_of(bench.outcome(page(1, ana(), incident())).await);
    slack.fail_next("chat.update", Fault::Refused("message_not_found"));
    let edit =
        Delivery { purpose: Purpose::Edit, anchor: Some(anchor), ..page(2, ana(), incident()) };
    assert!(matches!(bench.outcome(edit).await, Outcome::Failed { .. }));
    assert!(!bench.notifier.is_cut_off());
}

#[tokio::test]
async fn probing_asks_slack_and_the_mail_server_and_pages_nobody() {
    let slack = Slack::start().await;
    let mut config = configuration();
    config.slack = Some(slack_table(&slack.api_url()));
    config.email = Some(email_table(1));
    let bench = Bench::start(&config, Limits::default());
    slack.fail_next("auth.test", Fault::Refused("invalid_auth"));
    let found: BTreeMap<_, _> = bench.notifier.probe().await.into_iter().collect();
    assert!(found["slack"].as_ref().unwrap_err().contains("slack.token"));
    assert!(found["email"].is_err());
    assert_eq!(slack.calls().len(), 1);
    assert_eq!(bench.notifier.probe().await[0], ("slack".to_owned(), Ok(())));
}

/// A click on Acknowledge, as it comes over the socket.
fn click(api_url: &str) -> Value {
    serde_json::json!({
        "envelope_id": "e-1",
        "type": "interactive",
        "accepts_response_payload": false,
        "payload": {
            "type": "block_actions",
            "user": {"id": "U01", "username": "ana"},
            "response_url": format!("{api_url}/respond"),
            "message": {"ts": "1.2", "something": ["new"]},
            "actions": [{"action_id": "watchbell_ack", "value": "42"}],
        },
    })
}

/// A desk whose engine is the test.
fn desk() -> (Desk, mpsc::Receiver<Request>) {
    let (requests, asked) = mpsc::channel(4);
    (Desk::new(requests, Arc::new(ArcSwap::default())), asked)
}

#[tokio::test]
async fn a_click_over_the_socket_is_answered_after_it_is_durable() {
    let slack = Slack::start().await;
    let mut config = configuration();
    let mut table = slack_table(&slack.api_url());
    table.app_token = Some(SecretRef::Literal("xapp-secret".to_owned()));
    config.slack = Some(table);
    let bench = Bench::start(&config, Limits::default());
    let (desk, mut asked) = desk();
    let (stop, stopped) = oneshot::channel::<()>();
    let (supervisor, _ended) = Supervisor::new();
    let listening = spawn(bench.notifier.clone().listen(desk, supervisor, async {
        drop(stopped.await);
    }));
    slack.wait_for_count("socket.open", 1).await;
    let opened = &slack.wait_for_count("apps.connections.open", 1).await[0];
    assert_eq!(opened.bearer.as_deref(), Some("xapp-secret"));

    slack.send_frame(&click(&slack.api_url()));
    let request = tokio::time::timeout(DEADLINE, asked.recv()).await.unwrap().unwrap();
    let Request::Command(Command::Ack { incident, by, .. }, answer) = request else {
        panic!("{request:?}")
    };
    assert_eq!((incident, by.name.as_str(), by.surface), (IncidentId(42), "ana", Surface::Slack));
    assert!(slack.calls().iter().all(|call| call.method != "socket"), "not durable yet");
    let already =
        Answer::Already { incident: Arc::new(acked()), first: "ben".to_owned(), at: at(0) };
    answer.send(already).unwrap();
    let heard = &slack.wait_for_count("socket", 1).await[0];
    assert_eq!(heard.body, serde_json::json!({"envelope_id": "e-1"}));
    let told = &slack.wait_for_count("respond", 1).await[0];
    assert_eq!(told.body["response_type"], "ephemeral");
    assert!(told.body["text"].as_str().unwrap().starts_with("Ben was first with #42"));
    assert_eq!(told.bearer, None, "the token goes to the API only");

    stop.send(()).unwrap();
    tokio::time::timeout(DEADLINE, listening).await.unwrap().unwrap();
    slack.wait_for_count("socket.close", 1).await;
}

#[tokio::test]
async fn an_answer_to_a_click_goes_to_slack_only() {
    let (slack, bench) = slack_bench(Limits::default()).await;
    let mut payload = click("https://evil.example")["payload"].clone();
    let action = parse_action(&payload.to_string()).unwrap();
    let error = bench.notifier.respond(&action, "hello").await.unwrap_err();
    assert!(error.contains("is not an address of Slack"), "{error}");
    payload["response_url"] = Value::from(format!("{}/respond", slack.api_url()));
    let action = parse_action(&payload.to_string()).unwrap();
    bench.notifier.respond(&action, "hello").await.unwrap();
    assert_eq!(slack.calls().len(), 1);
}
