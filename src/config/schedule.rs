//! `[schedule.*]`: who takes turns, when turns change, who is put in or away.

use std::collections::BTreeSet;

use jiff::civil::{Time, Weekday};
use watchbell_paging::calendar::parse_weekday;
use watchbell_paging::duty::{
    Away, Every, Handoff, InvalidLayer, Layer, LayerSpec, Override, Schedule,
};
use watchbell_paging::id::{PersonId, ScheduleId};
use watchbell_paging::time::Zone;

use crate::code::Code;
use crate::findings::Findings;
use crate::known::Known;
use crate::moment;
use crate::raw::{Entry, Node};
use crate::shape::{Field, Shape, Word, key, with};
use crate::walk::{self, Fields};

const PEOPLE: Field = key("people", Word::List(&Word::Text), "Who, in turn.");
const EVERY: Field =
    with("every", Word::Text, "1w", "How long a turn lasts: Nh (a divisor of 24), Nd, Nw, Nmo.");
const HANDOFF: Field =
    with("handoff", Word::Text, "09:00", "When turns change: \"mon 09:00\" or \"09:00\".");
const START: Field = key("start", Word::Date, "The local date of the first person's first shift.");
const ZONE: Field = key("zone", Word::Text, "Default: the schedule's, else that of [daemon].");
const DAYS: Field = key(
    "days",
    Word::List(&Word::Text),
    "Only these days (of the shift's start): [\"mon\", \"fri\"], also \"mon-fri\".",
);
const HOURS: Field =
    key("hours", Word::Text, "Only this part of a day: \"20:00-08:00\"; may pass midnight.");
const PRIORITY: Field = with(
    "priority",
    Word::Integer,
    "0",
    "Higher wins where layers overlap; equal ones are on call together.",
);

pub(crate) static SHAPE: Shape = Shape {
    doc: "Who is on call: people in turn.",
    keys: &[
        PEOPLE,
        EVERY,
        HANDOFF,
        START,
        ZONE,
        DAYS,
        HOURS,
        PRIORITY,
        key(
            "layers",
            Word::List(&Word::Table(&LAYER)),
            "Further rotations over the same schedule.",
        ),
        key(
            "override",
            Word::List(&Word::Table(&OVERRIDE)),
            "Changes for a while: add, remove, or both to replace.",
        ),
        key("away", Word::List(&Word::Table(&AWAY)), "Absences; the next in turn takes over."),
    ],
};

static LAYER: Shape = Shape {
    doc: "A rotation.",
    keys: &[PEOPLE, EVERY, HANDOFF, START, ZONE, DAYS, HOURS, PRIORITY],
};

static OVERRIDE: Shape = Shape {
    doc: "A change of who is on call. Times are local to the schedule's zone, or instants.",
    keys: &[
        key("add", Word::Text, "Who is put in."),
        key("remove", Word::Text, "Who is taken out; with `add`: who is replaced."),
        key("from", Word::Date, "From when."),
        key("to", Word::Date, "Until when, exclusive."),
        key("why", Word::Text, "The reason."),
    ],
};

static AWAY: Shape = Shape {
    doc: "An absence.",
    keys: &[
        key("person", Word::Text, "Who."),
        key("from", Word::Date, "From when."),
        key("to", Word::Date, "Until when, exclusive: the day the person is back."),
    ],
};

/// The most layers, overrides or absences of one schedule.
const ITEMS_MAX: usize = 1_000;

/// Reads one table.
pub(crate) fn check(
    entry: &Entry,
    default: &Zone,
    known: &Known<'_>,
    out: &mut Findings<'_>,
) -> Option<Schedule> {
    let faults = out.errors();
    let fields = Fields::open(&entry.node, &entry.key.place, &SHAPE, out)?;
    let own = fields.zone("zone", out);
    let zone = own.unwrap_or_else(|| default.clone());
    let mut layers = Vec::new();
    let further = items(&fields, "layers", out);
    if fields.node("people").is_some() || further.is_empty() {
        layers.extend(layer(&fields, None, known, out));
    }
    for node in further {
        let Some(opened) = Fields::open(node, &node.place, &LAYER, out) else { continue };
        let zone = opened.zone("zone", out);
        layers.extend(layer(&opened, zone, known, out));
    }
    let changes = items(&fields, "override", out);
    let overrides =
        changes.iter().filter_map(|node| Some((node, change(node, &zone, known, out)?)));
    let overrides = distinct(overrides.collect(), out);
    let absences = items(&fields, "away", out);
    let away = absences.iter().filter_map(|node| absence(node, &zone, known, out)).collect();
    // A schedule of which a part is missing would page the wrong people.
    (faults == out.errors() && !layers.is_empty()).then(|| Schedule {
        id: ScheduleId::from(entry.key.text.as_str()),
        zone,
        layers,
        overrides,
        away,
    })
}

fn items<'a>(fields: &Fields<'a>, name: &str, out: &mut Findings<'_>) -> &'a [Node] {
    let Some(node) = fields.node(name) else { return &[] };
    let items = walk::array(node, out).unwrap_or_default();
    if ITEMS_MAX < items.len() {
        out.error(Code::BadValue, &node.place, format!("more than {ITEMS_MAX} entries"));
    }
    items.get(..ITEMS_MAX).unwrap_or(items)
}

fn layer(
    fields: &Fields<'_>,
    zone: Option<Zone>,
    known: &Known<'_>,
    out: &mut Findings<'_>,
) -> Option<Layer> {
    let people = fields.required("people", "people = [\"ana\", \"ben\"]", out).map(|node| {
        let names = walk::texts(node, out);
        if names.is_empty() {
            out.error(Code::BadSchedule, &node.place, "a schedule needs people");
        }
        once_each(&names, out);
        let found = names.into_iter().filter_map(|(_, node)| person(node, known, out));
        found.collect::<Vec<_>>()
    });
    let every = match fields.node("every") {
        Some(node) => read(node, Every::parse, out),
        None => Some(Every::Weeks(1)),
    };
    let handoff = match fields.node("handoff") {
        Some(node) => read(node, Handoff::parse, out),
        None => Some(Handoff { weekday: None, clock: Time::constant(9, 0, 0, 0) }),
    };
    let start = fields.required("start", "start = \"2026-01-05\"", out);
    let start = start.and_then(|node| moment::date(node, out));
    let days = fields.node("days").map(|node| days(node, out));
    let hours = fields.node("hours").map(|node| moment::hours(node, out));
    let priority = fields.integer("priority", out).map_or(Some(0), |number| {
        let place = &fields.node("priority")?.place;
        let found = i32::try_from(number).ok();
        if found.is_none() {
            out.error(Code::BadValue, place, "the priority is too large");
        }
        found
    });
    if let (Some(Handoff { weekday: Some(_), .. }), Some(every), Some(node)) =
        (&handoff, &every, fields.node("handoff"))
        && !matches!(every, Every::Weeks(_))
    {
        out.warning(Code::BadSchedule, &node.place, "the weekday counts for weekly turns only")
            .help("leave the weekday out, or write every = \"1w\"");
    }
    let spec = LayerSpec {
        people: people.filter(|people| !people.is_empty())?,
        every: every?,
        handoff: handoff?,
        start: start?,
        days,
        hours: hours.flatten(),
        priority: priority?,
        zone,
    };
    match Layer::new(spec) {
        Ok(layer) => Some(layer),
        Err(error) => {
            out.error(Code::BadSchedule, fields.place, error.to_string());
            None
        }
    }
}

fn read<T>(
    node: &Node,
    parse: impl Fn(&str) -> Result<T, InvalidLayer>,
    out: &mut Findings<'_>,
) -> Option<T> {
    let text = walk::text(node, out)?;
    match parse(text) {
        Ok(value) => Some(value),
        Err(error) => {
            let words = error.to_string();
            let (message, help) = words.split_once("; ").unwrap_or((words.as_str(), ""));
            let finding = out.error(Code::BadSchedule, &node.place, message);
            if !help.is_empty() {
                finding.help(help);
            }
            None
        }
    }
}

fn days(node: &Node, out: &mut Findings<'_>) -> BTreeSet<i8> {
    let mut days = BTreeSet::new();
    let texts = walk::texts(node, out);
    if texts.is_empty() {
        out.error(Code::BadSchedule, &node.place, "a schedule without days is never on");
    }
    for (text, node) in texts {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let ends = parse_weekday(first.trim()).zip(parse_weekday(last.trim()));
        let Some((first, last)) = ends.map(|(a, b)| (number(a), number(b))) else {
            out.error(Code::BadSchedule, &node.place, format!("{text:?} is no weekday"))
                .help("write mon, tue, wed, thu, fri, sat, sun, or a range such as \"mon-fri\"");
            continue;
        };
        let length = (last - first).rem_euclid(7);
        days.extend((0..=length).map(|step| (first + step).rem_euclid(7)));
    }
    days
}

fn number(day: Weekday) -> i8 {
    day.to_monday_zero_offset()
}

fn person(node: &Node, known: &Known<'_>, out: &mut Findings<'_>) -> Option<PersonId> {
    let name = walk::text(node, out)?;
    if !known.people.contains(name) {
        let message = format!("there is no person {name:?}");
        let people = known.people.iter().copied();
        walk::unknown_name(Code::UnknownPerson, node, message, people, out);
        return None;
    }
    Some(PersonId::from(name))
}

fn change(node: &Node, zone: &Zone, known: &Known<'_>, out: &mut Findings<'_>) -> Option<Override> {
    let fields = Fields::open(node, &node.place, &OVERRIDE, out)?;
    let add = fields.node("add").map(|node| person(node, known, out));
    let remove = fields.node("remove").map(|node| person(node, known, out));
    if add.is_none() && remove.is_none() {
        out.error(
            Code::MissingKey,
            &node.place,
            "an override adds someone, removes someone, or both",
        )
        .help("write add = \"ben\" or remove = \"ana\"");
    }
    let why = fields.text("why", out).map(str::to_owned);
    let (from, to) = range(&fields, zone, out)?;
    Some(Override { add: add.flatten(), remove: remove.flatten(), from, to, why, by: None })
}

/// Warns of people who stand twice among those who take turns; a slip more often than a wish.
fn once_each(names: &[(&str, &Node)], out: &mut Findings<'_>) {
    let mut seen = BTreeSet::new();
    for (name, node) in names {
        if !seen.insert(*name) {
            let message = format!("{name:?} takes more than one turn in each round");
            out.warning(Code::BadSchedule, &node.place, message)
                .help("name each person once, or let one serve longer with layers of their own");
        }
    }
}

/// Warns of overrides that take the same person out at the same time: only the first does.
fn distinct(changes: Vec<(&Node, Override)>, out: &mut Findings<'_>) -> Vec<Override> {
    for (index, (node, change)) in changes.iter().enumerate() {
        let Some(gone) = &change.remove else { continue };
        let before = changes.iter().take(index).find(|(_, other)| {
            other.remove.as_ref() == Some(gone) && other.from < change.to && change.from < other.to
        });
        if let Some((first, _)) = before {
            let message = format!("{gone} is taken out by another override at the same time");
            out.warning(Code::BadSchedule, &node.place, message)
                .label("has no effect where they overlap")
                .also(&first.place, "this one counts");
        }
    }
    changes.into_iter().map(|(_, change)| change).collect()
}

fn absence(node: &Node, zone: &Zone, known: &Known<'_>, out: &mut Findings<'_>) -> Option<Away> {
    let fields = Fields::open(node, &node.place, &AWAY, out)?;
    let who = fields.required("person", "person = \"ana\"", out);
    let who = who.and_then(|node| person(node, known, out));
    let (from, to) = range(&fields, zone, out)?;
    Some(Away { person: who?, from, to })
}

fn range(
    fields: &Fields<'_>,
    zone: &Zone,
    out: &mut Findings<'_>,
) -> Option<(watchbell_paging::time::Timestamp, watchbell_paging::time::Timestamp)> {
    let from = fields.required("from", "from = \"2026-12-24T09:00\"", out);
    let to = fields.required("to", "to = \"2026-12-27T09:00\"", out);
    let from = from.and_then(|node| moment::moment(node, zone, out));
    let end = to.and_then(|node| moment::moment(node, zone, out));
    let (from, end) = (from?, end?);
    if end <= from {
        out.error(Code::BadDate, &to?.place, "the end is not after the start");
        return None;
    }
    Some((from, end))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::Value;
    use watchbell_paging::duty::timeline;
    use watchbell_paging::time::Timestamp;

    use crate::diagnostic::render;
    use crate::load::{Files, load_text};

    struct Nothing;

    impl Files for Nothing {
        fn read(&self, _: &Path) -> Result<String, String> {
            Err(String::new())
        }

        fn matching(&self, _: &Path, _: &str) -> Result<Vec<std::path::PathBuf>, String> {
            Ok(Vec::new())
        }
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "the cases are shared data")]
    fn rotations_read_from_toml_give_the_expected_timelines() {
        let path = "../../../shared/conformance/oncall/rotations.json";
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        let Ok(cases) = std::fs::read_to_string(path) else {
            assert!(std::env::var_os("CI").is_none(), "the conformance data is absent");
            println!("the conformance data is absent");
            return;
        };
        let cases: Vec<Value> = serde_json::from_str(&cases).unwrap();
        assert!(!cases.is_empty());
        for case in cases {
            let id = &case["id"];
            let schedule: toml::Value = serde_json::from_value(case["schedule"].clone()).unwrap();
            let people = case["schedule"]["people"].as_array().unwrap();
            let person = |name: &Value| format!("[person.{}]\n", name.as_str().unwrap());
            let mut text: String = people.iter().map(person).collect();
            text += "[schedule]\n";
            text += &format!("x = {}", inline(&schedule));
            let checked = load_text(Path::new("x"), &text, &Nothing);
            let shown = render(&checked.errors_in(&["schedule"]), &checked.sources, false);
            assert_eq!(shown, "", "{id}");
            let at = |key: &str| Timestamp::parse_rfc3339(case[key].as_str().unwrap()).unwrap();
            let schedule = &checked.config.settings.schedules[&"x".into()];
            let got: Vec<Value> = timeline(schedule, &[], at("from"), at("to"))
                .iter()
                .map(|one| {
                    let people: Vec<&str> = one.people.iter().map(|id| id.as_str()).collect();
                    let (from, to) = (one.from.to_rfc3339_seconds(), one.to.to_rfc3339_seconds());
                    serde_json::json!({ "from": from, "to": to, "people": people })
                })
                .collect();
            assert_eq!(Value::Array(got), case["expect"], "{id}");
        }
    }

    fn inline(value: &toml::Value) -> String {
        match value {
            toml::Value::Table(table) => {
                let pairs: Vec<String> =
                    table.iter().map(|(key, one)| format!("{key} = {}", inline(one))).collect();
                format!("{{ {} }}", pairs.join(", "))
            }
            other => other.to_string(),
        }
    }
}
