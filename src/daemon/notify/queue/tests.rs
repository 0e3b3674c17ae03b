//! What goes first, what waits for what, and that nothing is lost or sent twice.

use std::time::Duration;

use watchbell_paging::id::{DeliveryId, IncidentId, PersonId};
use watchbell_paging::level::Severity;
use watchbell_paging::outbox::{Address, Anchor, Delivery, Outcome, Purpose, Reason};

use super::{Next, Queue, RUNNING_MAX, RUNNING_URGENT_MAX};
use crate::notify::sample::{incident, message, page};

const OPS: &str = "#ops";

fn page_to(id: u64, who: &str) -> Delivery {
    page(id, Address::Slack(who.to_owned()), incident())
}

fn post(id: u64, number: u64) -> Delivery {
    let mut incident = incident();
    incident.id = IncidentId(number);
    Delivery {
        purpose: Purpose::Post,
        severity: Severity::Warning,
        ..page(id, Address::Slack(OPS.to_owned()), incident)
    }
}

fn edit(id: u64, number: u64) -> Delivery {
    let anchor = Anchor::Slack { channel: "C1".to_owned(), ts: number.to_string() };
    Delivery { purpose: Purpose::Edit, anchor: Some(anchor), ..post(id, number) }
}

fn start(queue: &mut Queue, now: Duration) -> Option<Delivery> {
    match queue.take(now) {
        Some(Next::Start(delivery)) => Some(delivery),
        Some(Next::Refuse(delivery, left)) => panic!("{} refused for {left:?}", delivery.id),
        None => None,
    }
}

fn started(queue: &mut Queue, now: Duration) -> Vec<u64> {
    std::iter::from_fn(|| start(queue, now)).map(|one| one.id.0).collect()
}

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn pages_go_first_then_posts_then_edits() {
    let mut queue = Queue::default();
    let mut low = page_to(3, "U03");
    low.severity = Severity::Warning;
    for delivery in [edit(1, 1), post(2, 2), low, page_to(4, "U04")] {
        queue.push(delivery);
    }
    assert_eq!(started(&mut queue, seconds(0)), [4, 3, 2, 1]);
}

#[test]
fn the_first_word_of_a_critical_incident_is_urgent_and_later_posts_are_not() {
    let mut queue = Queue::default();
    let critical = |id, number, reason| {
        let mut delivery = post(id, number);
        delivery.severity = Severity::Critical;
        delivery.message = message(reason, "", (*delivery.message.incident).clone());
        delivery
    };
    queue.push(critical(1, 1, Reason::Joined));
    queue.push(critical(2, 2, Reason::Rise));
    assert_eq!(started(&mut queue, seconds(0)), [2, 1]);
}

#[test]
fn messages_of_a_conversation_go_one_after_the_other() {
    let mut queue = Queue::default();
    queue.push(page_to(1, "U01"));
    queue.push(page_to(2, "U01"));
    let first = start(&mut queue, seconds(0)).unwrap();
    assert!(start(&mut queue, seconds(0)).is_none());
    queue.finished(&first);
    assert_eq!(start(&mut queue, seconds(0)).unwrap().id, DeliveryId(2));
}

#[test]
fn an_edit_waits_for_everything_before_it_and_holds_no_page_up() {
    let mut queue = Queue::default();
    let edit_of = |id| Delivery {
        purpose: Purpose::Edit,
        anchor: Some(Anchor::Slack { channel: "D1".to_owned(), ts: "1".to_owned() }),
        ..page_to(id, "U01")
    };
    queue.push(page_to(1, "U01"));
    queue.push(edit_of(2));
    let message = start(&mut queue, seconds(0)).unwrap();
    assert!(start(&mut queue, seconds(0)).is_none(), "it would overtake its message");
    queue.finished(&message);
    assert_eq!(start(&mut queue, seconds(0)).unwrap().id, DeliveryId(2));
    queue.push(page_to(3, "U01"));
    queue.push(edit_of(4));
    assert_eq!(started(&mut queue, seconds(0)), [3], "the page goes, the second edit waits");
}

#[test]
fn a_newer_edit_takes_the_place_of_one_that_waits() {
    let mut queue = Queue::default();
    assert!(queue.push(edit(1, 1)).is_none());
    assert!(queue.push(edit(2, 2)).is_none(), "another incident");
    let anchor = edit(1, 1).anchor;
    assert_eq!(queue.push(edit(3, 1)), Some((DeliveryId(1), Outcome::Accepted { anchor })));
    assert_eq!(started(&mut queue, seconds(0)), [2, 3]);
}

#[test]
fn a_channel_takes_a_short_burst_and_then_one_message_a_second() {
    let mut queue = Queue::default();
    for id in 1..=7 {
        queue.push(post(id, id));
    }
    assert_eq!(started(&mut queue, seconds(0)), [1, 2, 3, 4]);
    assert_eq!(queue.next_at(seconds(0)), Some(seconds(1)));
    assert_eq!(started(&mut queue, seconds(1)), [5]);
    assert_eq!(started(&mut queue, Duration::from_millis(1900)), [] as [u64; 0]);
    assert_eq!(started(&mut queue, seconds(2)), [6]);
}

#[test]
fn edits_and_other_channels_have_a_measure_of_their_own() {
    let mut queue = Queue::default();
    for id in 1..=5 {
        queue.push(post(id, id));
    }
    assert_eq!(started(&mut queue, seconds(0)), [1, 2, 3, 4]);
    queue.push(edit(6, 6));
    let mut elsewhere = post(7, 7);
    elsewhere.address = Address::Slack("#dev".to_owned());
    queue.push(elsewhere);
    assert_eq!(started(&mut queue, seconds(0)), [7, 6]);
}

#[test]
fn an_urgent_page_waits_for_no_measure() {
    let mut queue = Queue::default();
    for id in 1..=5 {
        queue.push(post(id, id));
    }
    assert_eq!(started(&mut queue, seconds(0)).len(), 4);
    queue.push(page_to(9, OPS));
    assert_eq!(started(&mut queue, seconds(0)), [9]);
}

#[test]
fn a_channel_that_asked_for_silence_is_refused_until_then() {
    let mut queue = Queue::default();
    let asked = post(1, 1);
    queue.pause_until(&asked, seconds(30), seconds(0));
    queue.push(post(2, 2));
    let Some(Next::Refuse(delivery, left)) = queue.take(seconds(10)) else { panic!("not refused") };
    assert_eq!((delivery.id, left), (DeliveryId(2), seconds(20)));
    queue.push(edit(3, 3));
    assert_eq!(started(&mut queue, seconds(10)), [3], "edits are another method");
    queue.push(post(4, 4));
    assert_eq!(started(&mut queue, seconds(30)), [4]);
}

#[test]
fn many_run_at_once_and_urgent_pages_beyond_that() {
    let mut queue = Queue::default();
    let mail = |id: u64| Delivery {
        severity: Severity::Warning,
        purpose: Purpose::Page { person: PersonId::from("ana") },
        ..page(id, Address::Email(format!("{id}@example.org")), incident())
    };
    for id in 1..=100 {
        queue.push(mail(id));
    }
    assert_eq!(started(&mut queue, seconds(0)).len(), RUNNING_MAX);
    assert_eq!(queue.next_at(seconds(0)), None, "only an end can make room");
    queue.push(page_to(200, "U01"));
    assert_eq!(started(&mut queue, seconds(0)), [200]);
    assert_eq!(queue.running_count(), RUNNING_MAX + 1);
    assert_eq!(queue.drain().len(), 100 - RUNNING_MAX);
}

#[test]
fn a_storm_of_pages_is_bounded_and_does_not_spin() {
    let mut queue = Queue::default();
    for id in 1..=1000 {
        queue.push(page_to(id, &format!("U{id}")));
    }
    let running: Vec<Delivery> = std::iter::from_fn(|| start(&mut queue, seconds(0))).collect();
    assert_eq!(running.len(), RUNNING_URGENT_MAX);
    assert_eq!(queue.next_at(seconds(0)), None, "only an end can make room");
    queue.finished(&running[0]);
    assert_eq!(queue.next_at(seconds(0)), Some(seconds(0)));
    assert_eq!(started(&mut queue, seconds(0)).len(), 1);
}

#[test]
fn a_channel_that_hangs_holds_no_page_over_another_up() {
    let mut queue = Queue::default();
    for id in 1..=1000 {
        queue.push(page(id, Address::Email(format!("{id}@example.org")), incident()));
    }
    assert_eq!(started(&mut queue, seconds(0)).len(), RUNNING_URGENT_MAX);
    queue.push(page_to(2000, "U01"));
    assert_eq!(started(&mut queue, seconds(0)), [2000], "no mail has ended");
}

#[test]
fn everything_is_sent_once_and_in_order_whatever_ends_first() {
    let mut queue = Queue::default();
    let count = 200;
    for id in 1..=count {
        queue.push(if id % 3 == 0 { edit(id, id % 5) } else { post(id, id % 5) });
    }
    let mut now = seconds(0);
    let mut running = Vec::new();
    let mut seen = Vec::new();
    loop {
        while let Some(delivery) = start(&mut queue, now) {
            seen.push(delivery.id.0);
            running.push(delivery);
        }
        match (running.pop(), queue.next_at(now)) {
            (Some(ended), _) => queue.finished(&ended),
            (None, Some(later)) => now = later,
            (None, None) => break,
        }
    }
    let posts: Vec<u64> = seen.iter().copied().filter(|id| id % 3 != 0).collect();
    assert_eq!(posts.len(), 134, "every post");
    for number in 0..5 {
        let ids: Vec<u64> = posts.iter().copied().filter(|id| id % 5 == number).collect();
        assert!(ids.is_sorted(), "{ids:?}");
    }
    assert!(seconds(120) < now, "a message a second: {now:?}");
}
