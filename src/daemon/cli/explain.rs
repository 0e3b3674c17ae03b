//! `explain`: a rule as it is evaluated, or the long text of a finding's code.

use clap::Args;
use serde_json::json;
use watchbell_metrics::rule::{Bound, Rule, RuleKind};

use crate::cli::Context;
use crate::cli::out::{Exit, Failure};

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// A rule's name, or a code such as `unknown-key`
    name: String,
}

pub(crate) fn run(context: &Context, args: &ExplainArgs) -> Result<Exit, Failure> {
    if let Some(text) = watchbell_config::diagnostic::explain(&args.name) {
        context.out.line(text);
        return Ok(Exit::Ok);
    }
    let checked = context.load_tables(&["rule"])?;
    let rules = &checked.config.rules;
    let Some(rule) = rules.iter().find(|rule| rule.policy.name.as_str() == args.name) else {
        let mut names: Vec<&str> = rules.iter().map(|rule| rule.policy.name.as_str()).collect();
        names.sort_unstable();
        return Err(Failure::usage(format!(
            "there is no rule and no code {:?}; rules: {}",
            args.name,
            names.join(", ")
        )));
    };
    if context.out.json {
        context.out.value(&describe(rule))?;
    } else {
        print(context, rule);
    }
    Ok(Exit::Ok)
}

fn describe(rule: &Rule) -> serde_json::Value {
    let policy = &rule.policy;
    let word = |bound: Option<Bound>| bound.map(|bound| worded(rule, bound));
    json!({
        "rule": policy.name.as_str(),
        "query": rule.value.to_string(),
        "evidence": rule.evidence.as_ref().map(|(bad, total)| {
            json!({ "bad": bad.to_string(), "total": total.to_string() })
        }),
        "target": word(policy.bounds.target),
        "warn": word(policy.bounds.warn),
        "critical": word(policy.bounds.critical),
    })
}

fn print(context: &Context, rule: &Rule) {
    let out = &context.out;
    let policy = &rule.policy;
    out.line(policy.name.as_str());
    out.line(format!("  query     {}", rule.value));
    if let Some((bad, total)) = &rule.evidence {
        out.line(format!("  bad       {bad}"));
        out.line(format!("  total     {total}"));
    }
    let holds = [
        ("target", policy.bounds.target, policy.holds.info),
        ("warn", policy.bounds.warn, policy.holds.warning),
        ("critical", policy.bounds.critical, policy.holds.critical),
    ];
    for (name, bound, hold) in holds {
        let Some(bound) = bound else { continue };
        let hold = if hold.is_zero() {
            "at once".to_owned()
        } else {
            format!("for {}", watchbell_paging::time::format_duration(hold))
        };
        out.line(format!("  {name:9} {} {hold}", worded(rule, bound)));
    }
    let length = watchbell_paging::time::format_duration;
    match policy.kind {
        RuleKind::Prometheus(level) => {
            let holds = [policy.holds.info, policy.holds.warning, policy.holds.critical];
            let hold = holds.into_iter().max().unwrap_or_default();
            out.line(format!("  level     {level} for every series, after {}", length(hold)));
            out.line(format!("  clears    {} after it is gone", length(policy.keep_firing_for)));
        }
        RuleKind::Own => out.line(format!(
            "  clears    after {} on the good side by {}",
            length(policy.clear_for),
            watchbell_metrics::units::percent(policy.hysteresis)
        )),
    }
    if rule.evidence.is_some() {
        out.line(format!("  evidence  at least {} bad events", policy.min_bad));
    }
    if let Some(summary) = &rule.summary {
        out.line(format!("  summary   {}", summary.source()));
    }
    if let Some(runbook) = &policy.runbook {
        out.line(format!("  runbook   {runbook}"));
    }
}

fn worded(rule: &Rule, bound: Bound) -> String {
    format!("{} {}", bound.comparison.as_str(), rule.policy.unit.format(bound.value))
}
