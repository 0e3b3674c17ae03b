//! `[rule.*]`: one question, its bounds, and what happens over time.
//!
//! Bounds and their units are `bounds`'s duty, lowering to PromQL that of the metrics crate.

mod bounds;
mod source;

use std::time::Duration;

use watchbell_metrics::label::ALERT_NAME;
use watchbell_metrics::rule::{
    Holds, LowerError, NoData, Part, Rule, RuleName, RulePolicy, RuleSource, RuleSpec, lower,
};
use watchbell_metrics::template::Template;

use self::bounds::Units;
use self::source::Asked;
pub(crate) use self::source::RATIO;
use crate::code::Code;
use crate::findings::Findings;
use crate::known::Known;
use crate::raw::{Entry, Kind, Node};
use crate::scrape::{is_label_name, label_name};
use crate::shape::{Field, Shape, Word, key, with};
use crate::walk::{self, Fields};

const TARGET: Field = key("target", Word::Bound, "What is good: \"< 0.1%\". A miss is info.");
const WARN: Field = key("warn", Word::Bound, "What is a warning: \"> 0.5%\".");
const CRITICAL: Field = key("critical", Word::Bound, "What is critical: \"> 1%\".");

pub(crate) static SHAPE: Shape = Shape {
    doc: "A rule: exactly one source (ratio, quantile, rate, mean, max, min, sum, growth, \
     forecast, expr), its bounds, and what happens over time.",
    keys: &[
        key("ratio", Word::Table(&RATIO), "Share of events that are bad in the window, 0…1."),
        key("quantile", Word::Table(&source::QUANTILE), "Quantile of a classic histogram."),
        key("rate", Word::Promql, "Events per second of a counter, summed over `by`."),
        key(
            "mean",
            Word::Promql,
            "The mean over the window of a gauge, per series, or aggregated over `by` where given.",
        ),
        key(
            "max",
            Word::Promql,
            "The largest value over the window of a gauge, per series, or aggregated over `by` \
             where given.",
        ),
        key(
            "min",
            Word::Promql,
            "The smallest value over the window of a gauge, per series, or aggregated over `by` \
             where given.",
        ),
        key(
            "sum",
            Word::Promql,
            "The sum over the window of a gauge, per series, or aggregated over `by` where given.",
        ),
        key(
            "growth",
            Word::Table(&source::GROWTH),
            "Relative growth per hour of the floor, robust against sawtooth and warm-up.",
        ),
        key(
            "forecast",
            Word::Table(&source::FORECAST),
            "Time until the linear trend reaches a value; bounds are lengths of time.",
        ),
        key("expr", Word::Promql, "Any PromQL: one alert instance per label set."),
        key("window", Word::Duration, "The window. Default: 5m; 6h for growth and forecast."),
        key(
            "by",
            Word::List(&Word::Text),
            "The labels of an alert's identity. Default: job and service; per series for gauges.",
        ),
        TARGET,
        WARN,
        CRITICAL,
        with(
            "for",
            Word::Either(&[Word::Duration, Word::Table(&FOR)]),
            "0s",
            "How long a bound must hold: \"1m\", or { warn = \"5m\", critical = \"1m\" }.",
        ),
        key(
            "unit",
            Word::Text,
            "What the value measures: \"%\", \"%/h\", \"seconds\", \"bytes\", \"per_second\", \
             \"none\" or a word of your own.",
        ),
        key(
            "summary",
            Word::Template,
            "What messages say: \"{{ labels.service }}: {{ value | percent }} of requests fail\".",
        ),
        key("runbook", Word::Text, "A link for the person who is paged."),
        key("owner", Word::Text, "Who owns the rule."),
        key("labels", Word::Map(&Word::Template), "Put on every alert; values may be templates."),
        with(
            "min_bad",
            Word::Number,
            "3",
            "Ratio: bad events needed in the window before a breach counts.",
        ),
        with(
            "min_count",
            Word::Number,
            "0",
            "Ratio: events needed in the window before a breach counts.",
        ),
        with(
            "hysteresis",
            Word::Share,
            "5%",
            "Share of a bound by which a value must be better before the level clears.",
        ),
        key(
            "target_clear",
            Word::Bound,
            "Where info ends, instead of `hysteresis`: the good side, \"< 50%\".",
        ),
        key(
            "warn_clear",
            Word::Bound,
            "Where warning ends, instead of `hysteresis`: the good side, \"< 60%\".",
        ),
        key(
            "critical_clear",
            Word::Bound,
            "Where critical ends, instead of `hysteresis`: the good side, \"< 70%\".",
        ),
        with("clear_for", Word::Duration, "2m", "How long the good side must last."),
        with(
            "no_data",
            Word::OneOf(&["keep", "ok", "warn", "critical"]),
            "keep",
            "What missing data means.",
        ),
        with("no_data_after", Word::Duration, "5m", "When missing data is told."),
        key(
            "needs",
            Word::List(&Word::Text),
            "Rules whose firing mutes the notifications of this one.",
        ),
        key(
            "override",
            Word::List(&Word::Table(&OVERRIDE)),
            "Other bounds for some alerts; the first that matches is used.",
        ),
        key(
            "interval",
            Word::Duration,
            "How often it is evaluated where no fresh sample triggers it. Default: that of \
             [daemon].",
        ),
    ],
};

static FOR: Shape = Shape {
    doc: "How long each bound must hold.",
    keys: &[
        with("target", Word::Duration, "0s", "For a missed target."),
        with("warn", Word::Duration, "0s", "For warn."),
        with("critical", Word::Duration, "0s", "For critical."),
    ],
};

static OVERRIDE: Shape = Shape {
    doc: "Other bounds for some alerts.",
    keys: &[
        key("match", Word::Matchers, "Which alerts."),
        WARN,
        CRITICAL,
        with("enabled", Word::Flag, "true", "false switches the rule off for these alerts."),
    ],
};

const NO_DATA_WORDS: [(&str, NoData); 4] = [
    ("keep", NoData::Keep),
    ("ok", NoData::Ok),
    ("warn", NoData::Warn),
    ("critical", NoData::Critical),
];

/// Reads one table.
pub(crate) fn check(entry: &Entry, known: &Known<'_>, out: &mut Findings<'_>) -> Option<Rule> {
    let faults = out.errors();
    let fields = Fields::open(&entry.node, &entry.key.place, &SHAPE, out)?;
    let asked = source::read(&fields, out);
    let mut policy = RulePolicy::new(&entry.key.text);
    let units = Units::of(&fields, asked.as_ref().map(|asked| &asked.source), out);
    policy.bounds = units.bounds(&fields, out);
    policy.clears = units.clears(&fields, &policy.bounds, out);
    policy.overrides = units.overrides(&fields, &policy.bounds, out);
    policy.unit = units.unit();
    timing(&fields, &mut policy, out);
    evidence(&fields, asked.as_ref(), &mut policy, out);
    policy.runbook = fields.text("runbook", out).map(str::to_owned);
    policy.owner = fields.text("owner", out).map(str::to_owned);
    policy.needs = needs(&fields, &entry.key.text, known, out);
    let by = fields.node("by").map(|node| by(node, out));
    let labels = fields.node("labels").map(|node| labels(node, out)).unwrap_or_default();
    let window = fields.period("window", out);
    let interval = fields.pace("interval", out);
    let summary = fields.text("summary", out).map(str::to_owned);
    let Some(asked) = asked else {
        check_templates(&fields, &labels, out);
        return None;
    };
    let owned = labels.iter().map(|(name, text, _)| ((*name).to_owned(), (*text).to_owned()));
    let source = asked.source.clone();
    let spec = RuleSpec { policy, source, window, by, labels: owned.collect(), summary, interval };
    let places = Places { asked: &asked, fields: &fields, labels: &labels };
    match lower(spec) {
        Ok(rule) => (faults == out.errors()).then_some(rule),
        Err(errors) => {
            for error in errors {
                places.report(error, out);
            }
            None
        }
    }
}

/// Checks the templates of a rule that cannot be lowered for want of a source.
fn check_templates(fields: &Fields<'_>, labels: &[Label<'_>], out: &mut Findings<'_>) {
    let summary = fields.node("summary").and_then(|node| match &node.kind {
        Kind::Text(text) => Some((text.as_str(), node)),
        _ => None,
    });
    for (text, node) in summary.into_iter().chain(labels.iter().map(|one| (one.1, one.2))) {
        if let Err(error) = Template::parse(text) {
            let finding = out.error_inside(Code::BadTemplate, node, error.span, error.message);
            finding.help = error.help;
        }
    }
}

/// A label's name, its text, and where the text stands.
type Label<'a> = (&'a str, &'a str, &'a Node);

/// Where the texts of a rule stand.
struct Places<'a> {
    asked: &'a Asked<'a>,
    fields: &'a Fields<'a>,
    labels: &'a [Label<'a>],
}

impl Places<'_> {
    fn report(&self, error: LowerError, out: &mut Findings<'_>) {
        let is_lowered =
            error.part == Part::Expr && !matches!(self.asked.source, RuleSource::Expr(_));
        let (code, node) = match error.part {
            Part::Bad => (Code::BadPromql, Some(self.asked.first)),
            Part::Total => (Code::BadPromql, self.asked.second),
            Part::Of | Part::Expr => (Code::BadPromql, Some(self.asked.first)),
            Part::Summary => (Code::BadTemplate, self.fields.node("summary")),
            Part::Label(index) => (Code::BadTemplate, self.labels.get(index).map(|one| one.2)),
        };
        let finding = match node {
            // The fault lies in what the rule became, so only its source can be pointed at.
            Some(node) if is_lowered => out.error(code, &node.place, error.message),
            Some(node) => out.error_inside(code, node, error.span, error.message),
            None => out.error(code, self.fields.place, error.message),
        };
        finding.help = error.help;
    }
}

fn timing(fields: &Fields<'_>, policy: &mut RulePolicy, out: &mut Findings<'_>) {
    policy.holds = holds(fields, out);
    policy.clear_for = fields.duration("clear_for", out).unwrap_or(policy.clear_for);
    if let Some(node) = fields.node("hysteresis")
        && let Some(share) = walk::share(node, out)
    {
        policy.hysteresis = share;
        if !(0.0..1.0).contains(&share) {
            out.error(Code::BadValue, &node.place, "hysteresis lies between 0% and 100%");
        }
    }
    let no_data = fields.node("no_data").and_then(|node| walk::one_of(node, &NO_DATA_WORDS, out));
    policy.no_data = no_data.unwrap_or_default();
    policy.no_data_after = fields.duration("no_data_after", out).unwrap_or(policy.no_data_after);
}

fn holds(fields: &Fields<'_>, out: &mut Findings<'_>) -> Holds {
    let Some(entry) = fields.entry("for") else { return Holds::default() };
    if !matches!(entry.node.kind, Kind::Table(_)) {
        let all = walk::duration(&entry.node, out).unwrap_or_default();
        return Holds { info: all, warning: all, critical: all };
    }
    let opened = Fields::open(&entry.node, &entry.key.place, &FOR, out);
    let mut hold = |name: &str| -> Duration {
        opened.as_ref().and_then(|opened| opened.duration(name, out)).unwrap_or_default()
    };
    Holds { info: hold("target"), warning: hold("warn"), critical: hold("critical") }
}

fn evidence(
    fields: &Fields<'_>,
    asked: Option<&Asked<'_>>,
    policy: &mut RulePolicy,
    out: &mut Findings<'_>,
) {
    let is_ratio = asked.is_none_or(|asked| matches!(asked.source, RuleSource::Ratio { .. }));
    for (name, value) in [("min_bad", &mut policy.min_bad), ("min_count", &mut policy.min_count)] {
        let Some(node) = fields.node(name) else { continue };
        if !is_ratio {
            out.error(Code::BadValue, &node.place, format!("{name:?} is for ratios only"))
                .help("leave it out: only a ratio knows how many events it stands on");
        }
        let Some(number) = walk::number(node, out) else { continue };
        if number < 0.0 {
            out.error(Code::BadValue, &node.place, format!("{name:?} must not be negative"));
        }
        *value = number;
    }
}

fn needs(
    fields: &Fields<'_>,
    own: &str,
    known: &Known<'_>,
    out: &mut Findings<'_>,
) -> Vec<RuleName> {
    let mut needs = Vec::new();
    for (name, node) in fields.texts("needs", out) {
        match &known.rules {
            _ if name == own => {
                out.error(Code::Cycle, &node.place, "a rule cannot need itself");
            }
            Some(rules) if !rules.contains(name) => {
                let message = format!("there is no rule {name:?}");
                let names = rules.iter().copied();
                walk::unknown_name(Code::UnknownRule, node, message, names, out);
            }
            Some(_) | None => needs.push(RuleName::new(name)),
        }
    }
    needs
}

fn by(node: &Node, out: &mut Findings<'_>) -> Vec<String> {
    let mut names = Vec::new();
    for (name, node) in walk::texts(node, out) {
        if is_label_name(name) {
            names.push(name.to_owned());
        } else {
            out.error(Code::BadLabel, &node.place, format!("{name:?} cannot be a label's name"));
        }
    }
    names
}

fn labels<'a>(node: &'a Node, out: &mut Findings<'_>) -> Vec<Label<'a>> {
    let mut labels = Vec::new();
    for entry in walk::table(node, out).unwrap_or_default() {
        let name = entry.key.text.as_str();
        if [ALERT_NAME, "severity"].contains(&name) {
            out.error(Code::BadLabel, &entry.key.place, format!("{name:?} is set by Watchbell"))
                .help("the rule's name is `alertname`, its level is `severity`");
        } else if label_name(&entry.key, out) {
            labels.extend(walk::text(&entry.node, out).map(|text| (name, text, &entry.node)));
        }
    }
    labels
}
