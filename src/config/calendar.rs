//! `[calendar]` and `[calendars.*]`: what a business day is.

use watchbell_paging::calendar::{Calendar, DayOff, WorkWeek};
use watchbell_paging::time::Zone;

use crate::code::Code;
use crate::findings::Findings;
use crate::moment;
use crate::raw::{Entry, Kind, Node};
use crate::shape::{Shape, Word, key, with};
use crate::walk::{self, Fields};

pub(crate) static SHAPE: Shape = Shape {
    doc: "Business days. The plain [calendar] says what \"next business day\" means; routes name \
     a [calendars.NAME] in `mute`.",
    keys: &[
        key("zone", Word::Text, "Where its clocks hang. Default: the zone of [daemon]."),
        with(
            "work",
            Word::Text,
            "mon-fri 09:00-18:00",
            "The work week; several parts are separated by commas.",
        ),
        key(
            "off",
            Word::List(&Word::Either(&[Word::Date, Word::Table(&OFF)])),
            "Holidays, as dates; { date = \"2026-12-24\", until = \"12:00\" } is a half day.",
        ),
    ],
};

static OFF: Shape = Shape {
    doc: "A day without work, or with work until an hour.",
    keys: &[
        key("date", Word::Date, "The local date."),
        key("until", Word::Text, "Work ends at this hour. Absent: no work at all."),
    ],
};

/// Reads a calendar.
pub(crate) fn check(entry: Option<&Entry>, zone: &Zone, out: &mut Findings<'_>) -> Calendar {
    let mut calendar = Calendar::standard(zone.clone());
    let fields = entry.and_then(|one| Fields::open(&one.node, &one.key.place, &SHAPE, out));
    let Some(fields) = fields else { return calendar };
    if let Some(zone) = fields.zone("zone", out) {
        calendar.zone = zone;
    }
    if let Some(node) = fields.node("work")
        && let Some(text) = walk::text(node, out)
    {
        match WorkWeek::parse(text) {
            Ok(week) => calendar.work = week,
            Err(error) => {
                let message = format!("{text:?} is no work week: {}", error.why);
                out.error(Code::BadCalendar, &node.place, message)
                    .help("write \"mon-fri 09:00-18:00\"");
            }
        }
    }
    let off = fields.node("off").and_then(|node| walk::array(node, out));
    calendar.off = off.unwrap_or_default().iter().filter_map(|day| day_off(day, out)).collect();
    calendar
}

fn day_off(node: &Node, out: &mut Findings<'_>) -> Option<DayOff> {
    if !matches!(node.kind, Kind::Table(_)) {
        return Some(DayOff { date: moment::date(node, out)?, until: None });
    }
    let fields = Fields::open(node, &node.place, &OFF, out)?;
    let until = fields.node("until").map(|until| moment::clock(until, out));
    let date = moment::date(fields.required("date", "date = \"2026-12-24\"", out)?, out)?;
    Some(DayOff { date, until: until.flatten() })
}
