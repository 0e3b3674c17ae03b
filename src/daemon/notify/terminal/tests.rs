//! Pages as the terminal shows them.

use watchbell_paging::outbox::{Address, Delivery, Reason};

use super::render;
use crate::notify::sample::{acked, at, incident, message, page, resolved};
use crate::notify::tests::notice;

fn plain(delivery: &Delivery) -> String {
    let text = render(&notice(delivery, at(65)));
    anstream::adapter::strip_str(&text).to_string()
}

#[test]
fn a_new_critical_incident() {
    insta::assert_snapshot!(plain(&page(7, Address::Terminal, incident())));
}

#[test]
fn a_drill_that_may_be_a_repeat() {
    let mut drill = incident();
    drill.drill = true;
    let delivery = Delivery { may_be_repeat: true, ..page(7, Address::Terminal, drill) };
    insta::assert_snapshot!(plain(&delivery));
}

#[test]
fn an_acknowledged_one_and_its_end() {
    let taken = Delivery {
        message: message(Reason::Acked, "Ana acknowledged it in the terminal", acked()),
        ..page(8, Address::Terminal, acked())
    };
    insta::assert_snapshot!(plain(&taken));
    let over = Delivery {
        message: message(Reason::Resolved, "the error rate fell to 0.04%", resolved()),
        ..page(9, Address::Terminal, resolved())
    };
    insta::assert_snapshot!(plain(&over));
}
