//! The notifier against a fake Slack, a real mail server and a webhook receiver, over sockets.

#![allow(clippy::unwrap_used, reason = "this is test code throughout")]

mod support;

#[path = "notify/mail.rs"]
mod mail;
#[path = "notify/slack.rs"]
mod slack;
#[path = "notify/webhook.rs"]
mod webhook;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::Value;
use support::delivery::{
    acked, at, configuration, email_table, hostile, incident, message, page, resolved, slack_table,
};
use support::mail::{MailServer, REFUSED_DOMAIN};
use support::slack::{Fault, Slack};
use support::{DEADLINE, spawn};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::sync::{mpsc, oneshot, watch};
use watchbell::desk::{Desk, Request};
use watchbell::links::Links;
use watchbell::notify::{Limits, Notifier, parse_action};
use watchbell::supervise::Supervisor;
use watchbell::telemetry::Metrics;
use watchbell_config::value::{Config, MailTls, SecretOr, SecretRef, Webhook};
use watchbell_paging::command::{Answer, Command, Surface};
use watchbell_paging::engine::Input;
use watchbell_paging::id::{DeliveryId, IncidentId, PersonId};
use watchbell_paging::outbox::{Address, Anchor, Delivery, Outcome, Purpose, Reason};
use watchbell_paging::view::IncidentView;

/// A running notifier and what it reports.
struct Bench {
    notifier: Notifier,
    metrics: Arc<Metrics>,
    deliveries: mpsc::UnboundedSender<Delivery>,
    inputs: mpsc::Receiver<Input>,
    stop: Option<oneshot::Sender<()>>,
    running: tokio::task::JoinHandle<()>,
}

impl Bench {
    fn start(config: &Config, limits: Limits) -> Self {
        let metrics = Arc::new(Metrics::new().unwrap());
        let notifier =
            Notifier::new(config, links(), Arc::clone(&metrics)).unwrap().with_limits(limits);
        let (deliveries, taken) = mpsc::unbounded_channel();
        let (told, inputs) = mpsc::channel(4);
        let (stop, stopped) = oneshot::channel();
        let (supervisor, _ended) = Supervisor::new();
        let running = spawn(notifier.clone().run(taken, told, supervisor, async {
            drop(stopped.await);
        }));
        Self { notifier, metrics, deliveries, inputs, stop: Some(stop), running }
    }

    fn send(&self, delivery: Delivery) {
        self.deliveries.send(delivery).unwrap();
    }

    async fn next(&mut self) -> (DeliveryId, Outcome) {
        let input = tokio::time::timeout(DEADLINE, self.inputs.recv()).await;
        match input.expect("an outcome in time") {
            Some(Input::Delivered(id, outcome)) => (id, outcome),
            other => panic!("not an outcome: {other:?}"),
        }
    }

    async fn outcome(&mut self, delivery: Delivery) -> Outcome {
        let id = delivery.id;
        self.send(delivery);
        let (told, outcome) = self.next().await;
        assert_eq!(told, id);
        outcome
    }
}

fn links() -> Links {
    Links::new([7; 32], "https://ops.example.org")
}

fn brief() -> Limits {
    Limits { chat: Duration::from_millis(300), mail: Duration::from_millis(300) }
}

/// Long enough for a busy machine to do something else meanwhile.
fn patient() -> Limits {
    Limits { chat: Duration::from_secs(3), mail: Duration::from_secs(3) }
}

async fn slack_bench(limits: Limits) -> (Slack, Bench) {
    let slack = Slack::start().await;
    let mut config = configuration();
    config.slack = Some(slack_table(&slack.api_url()));
    let bench = Bench::start(&config, limits);
    (slack, bench)
}

fn ana() -> Address {
    Address::Slack("U01".to_owned())
}

fn ana_mail() -> Address {
    Address::Email("ana@example.org".to_owned())
}

fn anchor_of(outcome: Outcome) -> Anchor {
    match outcome {
        Outcome::Accepted { anchor: Some(anchor) } => anchor,
        other => panic!("not accepted with an anchor: {other:?}"),
    }
}

fn why_of(outcome: Outcome) -> String {
    match outcome {
        Outcome::Failed { why } => why,
        other => panic!("not failed: {other:?}"),
    }
}

fn retry_of(outcome: Outcome) -> (Option<Duration>, String) {
    match outcome {
        Outcome::Retry { after, why } => (after, why),
        other => panic!("not to be tried again: {other:?}"),
    }
}
