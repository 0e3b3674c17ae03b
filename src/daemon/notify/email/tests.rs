//! Mails as people read them.

use watchbell_config::value::MailTls;
use watchbell_paging::outbox::{Address, Delivery, Purpose, Reason};

use super::body::Parts;
use super::{Mail, subject};
use crate::links::Links;
use crate::notify::sample::{acked, at, email_table, hostile, incident, message, page, resolved};
use crate::notify::tests::notice;

const LINK: &str = "https://ops.example.org/ack/TOKEN";

fn ana() -> Address {
    Address::Email("ana@example.org".to_owned())
}

fn text(delivery: &Delivery, link: Option<&str>) -> String {
    Parts { notice: &notice(delivery, at(65)), acknowledge: link }.text()
}

#[test]
fn the_text_of_a_new_critical_incident() {
    insta::assert_snapshot!(text(&page(7, ana(), incident()), Some(LINK)));
}

#[test]
fn the_text_of_an_escalation() {
    let delivery = Delivery {
        message: message(
            Reason::Escalated { step: 1 },
            "Ana has not answered for 2m, so you are next",
            incident(),
        ),
        ..page(8, ana(), incident())
    };
    insta::assert_snapshot!(text(&delivery, Some(LINK)));
}

#[test]
fn the_text_of_an_acknowledgement() {
    let delivery = Delivery {
        purpose: Purpose::Thread { person: None },
        message: message(Reason::Acked, "Ana acknowledged it in Slack", acked()),
        ..page(9, ana(), acked())
    };
    insta::assert_snapshot!(text(&delivery, None));
}

#[test]
fn the_text_of_the_end() {
    let delivery = Delivery {
        message: message(Reason::Resolved, "the error rate fell to 0.04%", resolved()),
        ..page(10, ana(), resolved())
    };
    insta::assert_snapshot!(text(&delivery, None));
}

#[test]
fn the_text_of_a_drill_that_may_be_a_repeat() {
    let mut drill = incident();
    drill.drill = true;
    let delivery = Delivery { may_be_repeat: true, ..page(11, ana(), drill) };
    insta::assert_snapshot!(text(&delivery, Some(LINK)));
}

#[test]
fn the_html_of_a_new_critical_incident() {
    let notice = notice(&page(7, ana(), incident()), at(65));
    let html = Parts { notice: &notice, acknowledge: Some(LINK) }.html();
    insta::assert_snapshot!(html.replace("><", ">\n<"));
}

#[test]
fn the_subject_never_changes_while_severity_title_and_state_do() {
    let mut risen = resolved();
    risen.title = "api: 3.8% of requests fail".to_owned();
    let first = subject(&page(1, ana(), incident()));
    assert_eq!(first, "[Watchbell] error_rate api (#42)");
    assert_eq!(subject(&page(2, ana(), risen)), first);
    let mut drill = incident();
    drill.drill = true;
    drill.key = "critical".to_owned();
    assert_eq!(subject(&page(3, ana(), drill)), "[DRILL] [Watchbell] critical (#42)");
}

#[test]
fn hostile_labels_stay_inside_the_subject() {
    let mail = Mail::new(&email_table(25), None).unwrap();
    let delivery = page(4, ana(), hostile());
    let notice = notice(&delivery, at(65));
    let links = Links::new([7; 32], "https://ops.example.org");
    let sheet = mail.sheet("ana@example.org", &delivery, &notice, (&links, at(65))).unwrap();
    let raw = String::from_utf8(sheet.bytes).unwrap();
    let (head, _) = raw.split_once("\r\n\r\n").unwrap();
    let names: Vec<&str> = head
        .split("\r\n")
        .filter(|line| !line.starts_with([' ', '\t']))
        .map(|line| line.split(':').next().unwrap())
        .collect();
    assert!(!names.contains(&"Bcc"), "{head}");
    assert!(names.contains(&"Subject") && names.contains(&"Auto-Submitted"), "{head}");
}

#[test]
fn a_sender_that_is_no_address_is_refused_with_an_example() {
    let mut table = email_table(25);
    table.from = "watchbell at example".to_owned();
    table.tls = MailTls::None;
    let why = Mail::new(&table, None).unwrap_err();
    assert!(why.contains("Name <name@host>"), "{why}");
}
