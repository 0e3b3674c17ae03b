//! Bounds: their comparison, their unit, and that they do not contradict each other.

use watchbell_metrics::rule::{
    Bound, Bounds, Clears, Comparison, PolicyOverride, RuleSource, Unit,
};

use super::OVERRIDE;
use crate::code::Code;
use crate::diagnostic::Place;
use crate::findings::Findings;
use crate::quantity::{self, Fault, Measure};
use crate::raw::{Kind, Node};
use crate::walk::{self, Fields};

/// What the bounds of a rule measure.
#[derive(Debug)]
pub(super) struct Units {
    /// `None`: any, because nothing says what is due.
    due: Option<Measure>,
    /// Plain numbers are fine as well.
    is_bare_fine: bool,
}

impl Units {
    /// Finds out what is due: from the source, the key `unit`, the metric's name, or a bound that
    /// has a unit.
    pub(super) fn of(
        fields: &Fields<'_>,
        source: Option<&RuleSource>,
        out: &mut Findings<'_>,
    ) -> Self {
        let given = fields.node("unit").and_then(|node| unit_word(node, out));
        let fixed = source.and_then(fixed_measure);
        if let (Some(fixed), Some(given), Some(node)) = (&fixed, &given, fields.node("unit"))
            && fixed != given
        {
            let message = format!("the rule measures {}, whatever `unit` says", fixed.wording());
            out.error(Code::UnitMismatch, &node.place, message).help("leave `unit` out");
        }
        let is_rate = matches!(source, Some(RuleSource::Rate(_)));
        let due = fixed.or(given).or_else(|| named(source?)).or_else(|| inferred(fields));
        let due = due.or_else(|| is_rate.then_some(Measure::PerSecond));
        let is_bare_fine = matches!(due, Some(Measure::Word(_) | Measure::PerSecond) | None);
        Self { due, is_bare_fine }
    }

    /// Returns the unit in which people see the value.
    pub(super) fn unit(&self) -> Unit {
        match &self.due {
            None | Some(Measure::None) => Unit::None,
            Some(Measure::Ratio) => Unit::Ratio,
            Some(Measure::RatioPerHour) => Unit::RatioPerHour,
            Some(Measure::Seconds) => Unit::Seconds,
            Some(Measure::Bytes) => Unit::Bytes,
            Some(Measure::PerSecond) => Unit::PerSecond,
            Some(Measure::Word(word)) => Unit::Other(word.clone()),
        }
    }

    /// Reads `target`, `warn` and `critical`.
    pub(super) fn bounds(&self, fields: &Fields<'_>, out: &mut Findings<'_>) -> Bounds {
        let mut read = |name: &str| fields.node(name).and_then(|node| self.bound(node, out));
        let bounds =
            Bounds { target: read("target"), warn: read("warn"), critical: read("critical") };
        let is_given = |name: &&str| fields.node(name).is_some();
        if !["target", "warn", "critical"].iter().any(is_given) {
            out.error(
                Code::NoBound,
                fields.place,
                "the rule has no bound, so it never says anything",
            )
            .help("give target, warn or critical, such as critical = \"> 1%\"");
        }
        check_order(&bounds, &|name| fields.node(name).map(|node| &node.place), out);
        bounds
    }

    /// Reads `target_clear`, `warn_clear` and `critical_clear`: bounds of the good side.
    pub(super) fn clears(
        &self,
        fields: &Fields<'_>,
        bounds: &Bounds,
        out: &mut Findings<'_>,
    ) -> Clears {
        let mut read = |name: &str, level: &str, bad: Option<Bound>| {
            let node = fields.node(name)?;
            let Some(bad) = bad else {
                if fields.node(level).is_none() {
                    out.error(Code::BadBound, &node.place, format!("{name:?} needs {level:?}"));
                }
                return None;
            };
            self.clear(node, bad, out)
        };
        Clears {
            target: read("target_clear", "target", bounds.target.map(opposite)),
            warn: read("warn_clear", "warn", bounds.warn),
            critical: read("critical_clear", "critical", bounds.critical),
        }
    }

    /// Reads `override`.
    pub(super) fn overrides(
        &self,
        fields: &Fields<'_>,
        bounds: &Bounds,
        out: &mut Findings<'_>,
    ) -> Vec<PolicyOverride> {
        let items = fields.node("override").and_then(|node| walk::array(node, out));
        let items = items.unwrap_or_default().iter();
        items.filter_map(|node| self.override_of(node, bounds, out)).collect()
    }

    fn override_of(
        &self,
        node: &Node,
        bounds: &Bounds,
        out: &mut Findings<'_>,
    ) -> Option<PolicyOverride> {
        let fields = Fields::open(node, &node.place, &OVERRIDE, out)?;
        let matchers = fields.required("match", "match = 'instance=\"db1\"'", out);
        let matchers = matchers.and_then(|node| walk::matchers(node, out));
        let warn = fields.node("warn").and_then(|node| self.bound(node, out));
        let critical = fields.node("critical").and_then(|node| self.bound(node, out));
        let enabled = fields.flag("enabled", out).unwrap_or(true);
        let changed = Bounds {
            target: None,
            warn: warn.or(bounds.warn),
            critical: critical.or(bounds.critical),
        };
        check_order(&changed, &|name| fields.node(name).map(|node| &node.place), out);
        if !["warn", "critical", "enabled"].iter().any(|name| fields.node(name).is_some()) {
            out.error(Code::BadValue, &node.place, "the override changes nothing")
                .help("give warn, critical or enabled = false");
        }
        Some(PolicyOverride { matchers: matchers?, warn, critical, enabled })
    }

    fn bound(&self, node: &Node, out: &mut Findings<'_>) -> Option<Bound> {
        let bare = match &node.kind {
            Kind::Integer(number) => number.to_string(),
            Kind::Float(number) => number.to_string(),
            Kind::Text(_) | Kind::Flag(_) | Kind::Date(_) | Kind::Array(_) | Kind::Table(_) => {
                let text = walk::text(node, out)?;
                return self.read(text, node, out);
            }
        };
        let unit = self.due.as_ref().map_or("", Measure::likely_unit);
        out.error(Code::BadBound, &node.place, "a bound is a text with its comparison")
            .help(format!("write \"> {bare}{unit}\" or \"< {bare}{unit}\""));
        None
    }

    fn read(&self, text: &str, node: &Node, out: &mut Findings<'_>) -> Option<Bound> {
        match quantity::bound(text, self.word()) {
            Ok((bound, measure)) if self.fits(bound.value, &measure) => Some(bound),
            Ok((_, Measure::None)) => {
                let due = self.due.as_ref()?;
                out.fault(node, bare_bound(text, due));
                None
            }
            Ok((_, measure)) => {
                let due = self.due.as_ref()?;
                let mut fault = quantity::mismatch(text, due, &measure);
                if *due == Measure::RatioPerHour && measure == Measure::Ratio {
                    fault.help = Some(format!("write \"{}/h\"", text.trim_end()));
                }
                out.fault(node, fault);
                None
            }
            Err(fault) => {
                out.fault(node, fault);
                None
            }
        }
    }

    /// Reads where a level ends; without a comparison the good side is meant.
    fn clear(&self, node: &Node, bad: Bound, out: &mut Findings<'_>) -> Option<Bound> {
        let good = opposite(bad);
        let bound = match &node.kind {
            Kind::Text(text) if quantity::comparison(text).0.is_none() => {
                let whole = format!("{} {text}", good.comparison.as_str());
                self.read(&whole, node, out)?
            }
            _ => self.bound(node, out)?,
        };
        if is_above(bound) == is_above(bad) {
            out.error(Code::BoundsOrder, &node.place, "this is the bad side of the bound")
                .help(format!("say where the level ends: \"{} …\"", good.comparison.as_str()));
            return None;
        }
        let is_beyond =
            if is_above(bad) { bad.value < bound.value } else { bound.value < bad.value };
        if is_beyond {
            out.error(
                Code::BoundsOrder,
                &node.place,
                "the level would end while its bound still holds",
            );
            return None;
        }
        Some(bound)
    }

    fn word(&self) -> Option<&str> {
        match &self.due {
            Some(Measure::Word(word)) => Some(word),
            _ => None,
        }
    }

    fn fits(&self, value: f64, measure: &Measure) -> bool {
        let Some(due) = &self.due else { return true };
        match measure {
            // Zero is the same in every unit.
            Measure::None => self.is_bare_fine || *due == Measure::None || value == 0.0,
            other => other == due,
        }
    }
}

/// The fault of a bound without a unit. A share below 1 may be meant as a ratio or as per cent.
fn bare_bound(text: &str, due: &Measure) -> Fault {
    let mut fault = quantity::bare(text, due, text);
    let (comparison, number, _) = quantity::comparison(text);
    let number = number.trim();
    fault.message = format!("{} is due here, and {number} has no unit", due.wording());
    let ratio = number.parse::<f64>().ok().filter(|value| value.abs() <= 1.0);
    if let (Measure::Ratio, Some(ratio), Some(comparison)) = (due, ratio, comparison) {
        let percent = watchbell_metrics::units::percent(ratio);
        let sign = comparison.as_str();
        fault.help = Some(format!(
            "write \"{sign} {percent}\", or \"{sign} {number}%\" if so little is meant"
        ));
    }
    fault
}

fn unit_word(node: &Node, out: &mut Findings<'_>) -> Option<Measure> {
    Some(match walk::text(node, out)? {
        "%" | "percent" | "ratio" => Measure::Ratio,
        "%/h" => Measure::RatioPerHour,
        "seconds" | "s" => Measure::Seconds,
        "bytes" | "B" => Measure::Bytes,
        "per_second" | "/s" => Measure::PerSecond,
        "none" => Measure::None,
        word => Measure::Word(word.to_owned()),
    })
}

/// What a source measures whatever its metrics are.
fn fixed_measure(source: &RuleSource) -> Option<Measure> {
    match source {
        RuleSource::Ratio { .. } => Some(Measure::Ratio),
        RuleSource::Growth { .. } => Some(Measure::RatioPerHour),
        RuleSource::Forecast { .. } => Some(Measure::Seconds),
        RuleSource::Quantile { .. }
        | RuleSource::Rate(_)
        | RuleSource::OverTime { .. }
        | RuleSource::Expr(_) => None,
    }
}

/// What the first bound with a unit measures.
fn inferred(fields: &Fields<'_>) -> Option<Measure> {
    ["target", "warn", "critical"].iter().find_map(|name| {
        let Kind::Text(text) = &fields.node(name)?.kind else { return None };
        let (_, measure) = quantity::bound(text, None).ok()?;
        (measure != Measure::None).then_some(measure)
    })
}

/// What a metric's name says, by Prometheus's convention of base units.
fn named(source: &RuleSource) -> Option<Measure> {
    let (RuleSource::Quantile { of, .. } | RuleSource::OverTime { of, .. }) = source else {
        return None;
    };
    let name = of.split('{').next().unwrap_or_default().trim();
    if name.ends_with("_seconds") {
        return Some(Measure::Seconds);
    }
    name.ends_with("_bytes").then_some(Measure::Bytes)
}

fn is_above(bound: Bound) -> bool {
    match bound.comparison {
        Comparison::Above | Comparison::AtLeast => true,
        Comparison::Below | Comparison::AtMost => false,
    }
}

/// The other side of a bound, at the same value.
fn opposite(bound: Bound) -> Bound {
    let comparison = match bound.comparison {
        Comparison::Above => Comparison::AtMost,
        Comparison::AtLeast => Comparison::Below,
        Comparison::Below => Comparison::AtLeast,
        Comparison::AtMost => Comparison::Above,
    };
    Bound { comparison, value: bound.value }
}

/// Reports bounds that contradict each other or touch.
fn check_order<'p>(
    bounds: &Bounds,
    place: &dyn Fn(&str) -> Option<&'p Place>,
    out: &mut Findings<'_>,
) {
    let pairs = [
        ("warn", bounds.warn, "critical", bounds.critical),
        ("target", bounds.target.map(opposite), "warn", bounds.warn),
        ("target", bounds.target.map(opposite), "critical", bounds.critical),
    ];
    for (mild_name, mild, grave_name, grave) in pairs {
        let (Some(mild), Some(grave)) = (mild, grave) else { continue };
        // An override may change only one of the two: the finding then points at that one.
        let (Some(at), also) = (match (place(mild_name), place(grave_name)) {
            (Some(mild), grave) => (Some(mild), grave),
            (None, grave) => (grave, None),
        }) else {
            continue;
        };
        let Some((code, message)) = contradiction(mild_name, mild, grave_name, grave) else {
            continue;
        };
        let finding = if code == Code::BoundsOrder {
            out.error(code, at, message)
        } else {
            out.warning(code, at, message)
        };
        if let Some(also) = also {
            finding.also(also, format!("{grave_name} is here"));
        }
        if mild_name == "target" && code == Code::BoundsOrder {
            finding.help("`target` says what is good, `warn` and `critical` say what is bad");
        }
        // One finding for a target that is wrong in itself.
        if mild_name == "target" && grave_name == "warn" {
            return;
        }
    }
}

fn contradiction(
    mild_name: &str,
    mild: Bound,
    grave_name: &str,
    grave: Bound,
) -> Option<(Code, String)> {
    let is_target = mild_name == "target";
    if is_above(mild) != is_above(grave) {
        // Two-sided warn and critical may be meant; a target on the bad side never is.
        return is_target.then(|| {
            let message = format!("target and {grave_name} call the same values good and bad");
            (Code::BoundsOrder, message)
        });
    }
    let is_beyond =
        if is_above(mild) { grave.value < mild.value } else { mild.value < grave.value };
    if is_beyond {
        let message = if is_target {
            format!("the target lies beyond {grave_name}, so it calls bad values good")
        } else {
            format!("{mild_name} lies beyond {grave_name}, so it is never seen")
        };
        return Some((Code::BoundsOrder, message));
    }
    #[allow(clippy::float_cmp, reason = "both were read from texts; equal texts are equal numbers")]
    let is_touching = mild.value == grave.value;
    is_touching.then(|| {
        let hidden = if is_target { "the level between them" } else { "a warning" };
        let message =
            format!("{mild_name} and {grave_name} touch, so {hidden} is hardly ever seen");
        (Code::TouchingBounds, message)
    })
}
