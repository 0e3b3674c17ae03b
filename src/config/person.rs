//! `[person.*]`: someone who can be paged, and by which channels.

use std::time::Duration;

use watchbell_paging::id::PersonId;
use watchbell_paging::level::Severity;
use watchbell_paging::route::{ChannelKind, Person, Preference};

use crate::code::Code;
use crate::email::check_address;
use crate::findings::Findings;
use crate::known::Known;
use crate::raw::{Entry, Kind, Node};
use crate::shape::{Shape, Word, key, with};
use crate::walk::{self, Fields};

pub(crate) static SHAPE: Shape = Shape {
    doc: "Someone who can be paged.",
    keys: &[
        key("name", Word::Text, "The name that messages use. Default: the table's name."),
        key("email", Word::Text, "Where mail goes."),
        key("slack", Word::Text, "The Slack member id (U…)."),
        with(
            "terminal",
            Word::Flag,
            "false",
            "Pages are shown in the terminal that runs the daemon.",
        ),
        key(
            "zone",
            Word::Text,
            "The person's own zone, for night pages. Default: the zone of [daemon].",
        ),
        key(
            "notify",
            Word::Table(&NOTIFY),
            "Which channels at which severity: { critical = [\"slack\", { channel = \"email\", \
             after = \"2m\" }] }. Default: every channel at once.",
        ),
    ],
};

const CHANNELS: Word = Word::List(&Word::Either(&[CHANNEL, Word::Table(&PREFERENCE)]));
const CHANNEL: Word = Word::OneOf(&["slack", "email", "terminal"]);

static NOTIFY: Shape = Shape {
    doc: "Channels by severity.",
    keys: &[
        key("critical", CHANNELS, "For critical."),
        key("warning", CHANNELS, "For warning."),
        key("info", CHANNELS, "For info."),
    ],
};

static PREFERENCE: Shape = Shape {
    doc: "A channel that is used later than at once.",
    keys: &[
        key("channel", CHANNEL, "Which."),
        with("after", Word::Duration, "0s", "How long after the step that pages the person."),
    ],
};

const CHANNEL_WORDS: [(&str, ChannelKind); 3] = [
    ("slack", ChannelKind::Slack),
    ("email", ChannelKind::Email),
    ("terminal", ChannelKind::Terminal),
];

/// Reads one table.
pub(crate) fn check(entry: &Entry, known: &Known<'_>, out: &mut Findings<'_>) -> Option<Person> {
    let fields = Fields::open(&entry.node, &entry.key.place, &SHAPE, out)?;
    let email = fields.node("email").and_then(|node| {
        let text = walk::text(node, out)?;
        check_address(text, node, out).then(|| text.to_owned())
    });
    let person = Person {
        id: PersonId::from(entry.key.text.as_str()),
        name: fields.text("name", out).unwrap_or(&entry.key.text).to_owned(),
        email,
        slack: fields.text("slack", out).map(str::to_owned),
        terminal: fields.flag("terminal", out).unwrap_or_default(),
        zone: fields.zone("zone", out),
        notify: notify(&fields, out),
    };
    check_channels(&person, &fields, known, out);
    Some(person)
}

/// Checks that pages can reach the person.
fn check_channels(person: &Person, fields: &Fields<'_>, known: &Known<'_>, out: &mut Findings<'_>) {
    let ways = [
        ("slack", "[slack]", known.slack, person.slack.is_some()),
        ("email", "[email]", known.email, person.email.is_some()),
    ];
    let useless = ways.iter().filter_map(|(name, table, is_configured, _)| {
        let entry = fields.entry(name).filter(|_| !is_configured)?;
        Some((entry, *table))
    });
    if person.terminal || ways.iter().any(|(_, _, table, own)| *table && *own) {
        for (entry, table) in useless {
            let name = &entry.key.text;
            let message = format!("{} has {name:?}, but there is no {table}", person.id);
            out.warning(Code::NoChannel, &entry.key.place, message)
                .help(format!("add {table}, or leave {name:?} out"));
        }
        return;
    }
    let message = format!("no channel reaches {}", person.id);
    let finding = out.warning(Code::UnreachablePerson, fields.place, message);
    finding.label("pages to this person go nowhere");
    finding.help("give `email` (with [email]) or `slack` (with [slack])");
    for (entry, table) in useless {
        finding.also(&entry.key.place, format!("there is no {table}"));
    }
}

fn notify(fields: &Fields<'_>, out: &mut Findings<'_>) -> Vec<Preference> {
    let entry = fields.entry("notify");
    let opened = entry.and_then(|one| Fields::open(&one.node, &one.key.place, &NOTIFY, out));
    let Some(opened) = opened else { return Vec::new() };
    let mut found = Vec::new();
    for severity in [Severity::Critical, Severity::Warning, Severity::Info] {
        let items = opened.node(severity.as_str()).and_then(|node| walk::array(node, out));
        let items = items.unwrap_or_default().iter();
        found.extend(items.filter_map(|item| preference(item, severity, fields, out)));
    }
    found
}

fn preference(
    node: &Node,
    severity: Severity,
    person: &Fields<'_>,
    out: &mut Findings<'_>,
) -> Option<Preference> {
    let mut delay = Duration::ZERO;
    let mut word = node;
    if matches!(node.kind, Kind::Table(_)) {
        let fields = Fields::open(node, &node.place, &PREFERENCE, out)?;
        delay = fields.duration("after", out).unwrap_or_default();
        word = fields.required("channel", "channel = \"email\"", out)?;
    }
    let channel = walk::one_of(word, &CHANNEL_WORDS, out)?;
    if person.node(channel.as_str()).is_none() {
        let message = format!("the person has no {:?}", channel.as_str());
        out.error(Code::NoChannel, &word.place, message).help("add it, or choose another channel");
        return None;
    }
    Some(Preference { severity, channel, delay })
}
