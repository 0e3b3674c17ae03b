//! The promise of an outcome, and the wording that the tests of every channel share.

use std::sync::Arc;

use tokio::sync::mpsc;
use watchbell_paging::outbox::{Address, Delivery, Outcome};
use watchbell_paging::time::Timestamp;

use super::format::{Notice, Wording};
use super::sample::{configuration, incident, page};
use super::{Clock, Promise};
use crate::links::Links;

/// Words a delivery as at `now`.
pub(super) fn notice(delivery: &Delivery, now: Timestamp) -> Notice {
    let settings = configuration().settings;
    let links = Links::new([7; 32], "https://ops.example.org");
    Wording { zone: &settings.zone, now, people: &settings.people, links: &links }.notice(delivery)
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
