//! The promise of an outcome, and the wording that the tests of every channel share.

use std::future::pending;
use std::sync::Arc;

use tokio::sync::mpsc;
use watchbell_paging::outbox::{Address, Delivery, Outcome};
use watchbell_paging::time::Timestamp;

use super::format::{Notice, Wording};
use super::sample::{configuration, incident, page};
use super::{Clock, Kind, Metrics, Notifier, Promise, Supervisor};
use crate::links::Links;

/// Words a delivery as at `now`.
pub(super) fn notice(delivery: &Delivery, now: Timestamp) -> Notice {
    let settings = configuration().settings;
    let links = Links::new([7; 32], "https://ops.example.org");
    Wording { zone: &settings.zone, now, people: &settings.people, links: &links }.notice(delivery)
}

#[tokio::test]
async fn an_attempt_leaves_a_step_of_the_clock_to_the_engine() {
    let clock = Arc::new(Clock::start());
    clock.shift(-3_600_000);
    let metrics = Arc::new(Metrics::new().unwrap());
    let links = Links::new([7; 32], "https://ops.example.org");
    let notifier = Notifier::new(&configuration(), links, metrics);
    let notifier = notifier.unwrap().with_clock(Arc::clone(&clock));
    let (deliveries, taken) = mpsc::unbounded_channel();
    let (told, mut inputs) = mpsc::channel(4);
    let (supervisor, _ended) = Supervisor::new();
    let running =
        supervisor.spawn(Kind::Sender, notifier.run(taken, told, supervisor.clone(), pending()));
    deliveries.send(page(1, Address::Webhook("unknown".to_owned()), incident())).unwrap();
    assert!(inputs.recv().await.is_some(), "an attempt was made");
    assert!(clock.take_step().is_some(), "the step is still there for the engine");
    drop(deliveries);
    running.await.unwrap();
}

fn promise() -> (Promise, mpsc::UnboundedReceiver<super::End>) {
    let (ended, ends) = mpsc::unbounded_channel();
    let clock = Arc::new(Clock::start());
    let delivery = page(1, Address::Terminal, incident());
    (
        Promise { delivery: Some(delivery), outcome: None, began: clock.elapsed(), clock, ended },
        ends,
    )
}

#[test]
fn an_attempt_that_breaks_off_is_to_be_tried_again() {
    let (promise, mut ends) = promise();
    drop(promise);
    let end = ends.try_recv().expect("an outcome");
    assert!(matches!(end.outcome, Outcome::Retry { after: None, .. }), "{:?}", end.outcome);
    assert!(ends.try_recv().is_err(), "only one");
}

#[test]
fn an_attempt_that_ends_gives_its_own_outcome_once() {
    let (promise, mut ends) = promise();
    promise.keep(Outcome::Accepted { anchor: None });
    assert_eq!(ends.try_recv().expect("an outcome").outcome, Outcome::Accepted { anchor: None });
    assert!(ends.try_recv().is_err(), "only one");
}
