//! Drills: the paging path tried from end to end, marked as such in every message.
//!
//! `cpu` burns one thread and lets a copy of the CPU rule find it; `page` puts a drill alert at
//! critical. Drill rules are part of every configuration in force, so the engine decides as ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use watchbell_config::value::Config;
use watchbell_metrics::rule::{
    Bound, Comparison, Rule, RulePolicy, RuleSource, RuleSpec, Unit, lower,
};
use watchbell_paging::settings::Settings;

use crate::clock::Clock;
use crate::control::DrillStarted;
use crate::scrape::ScrapeHandle;
use crate::supervise::{Kind, Supervisor};

/// The drill's copy of the CPU rule.
pub const CPU_RULE: &str = "drill_cpu";
/// The plain drill.
pub const PAGE_RULE: &str = "drill_page";
/// How long one thread burns.
const BURN: Duration = Duration::from_secs(60);
/// How long the drill looks on afterwards, so that it is seen to end.
const LOOK_AFTER: Duration = Duration::from_secs(60);
/// How often the drill looks.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The busiest core over 10 s; the copy of `rule.cpu` that notices a single thread.
const CPU_QUERY: &str = "max by (job, instance) (1 \
    - sum by (job, instance, cpu) (rate(node_cpu_seconds_total{mode=\"idle\", job=\"host\"}[10s])) \
    / sum by (job, instance, cpu) (rate(node_cpu_seconds_total{job=\"host\"}[10s])))";

/// Puts the drill rules into the settings of a configuration.
pub fn add_rules(settings: &mut Settings) {
    for policy in [cpu_policy(), page_policy()] {
        settings.rules.insert(policy.name.clone(), Arc::new(policy));
    }
}

/// The one door to drills.
#[derive(Clone, Debug)]
pub struct Drills {
    clock: Arc<Clock>,
    scrapes: ScrapeHandle,
    supervisor: Supervisor,
    running: Arc<AtomicBool>,
}

impl Drills {
    /// Makes the door.
    #[must_use]
    pub fn new(clock: Arc<Clock>, scrapes: ScrapeHandle, supervisor: Supervisor) -> Self {
        Self { clock, scrapes, supervisor, running: Arc::default() }
    }

    /// Burns one thread for a minute and lets the drill's rule look at this host meanwhile.
    ///
    /// # Errors
    /// One is running already, this host is not watched, or the daemon is stopping.
    pub async fn start_cpu(&self, config: &Config) -> Result<DrillStarted, String> {
        if !config.collect.host {
            return Err("the CPU drill needs [collect] host = true; try `drill page`".to_owned());
        }
        let rule = Arc::new(cpu_rule()?);
        if self.running.swap(true, Ordering::SeqCst) {
            return Err("a CPU drill is running already; wait until it ends".to_owned());
        }
        let now = self.clock.now();
        let until = now.plus(BURN + LOOK_AFTER);
        let watched = self.scrapes.watch(rule, LOOK_EVERY, until).await;
        if let Err(why) = watched.map_err(|error| error.to_string()).and_then(|()| burn()) {
            self.running.store(false, Ordering::SeqCst);
            return Err(why);
        }
        let running = Arc::clone(&self.running);
        self.supervisor.spawn(Kind::Errand, async move {
            tokio::time::sleep(BURN).await;
            running.store(false, Ordering::SeqCst);
        });
        Ok(DrillStarted {
            id: format!("{CPU_RULE}-{}", now.as_millis()),
            rule: CPU_RULE.to_owned(),
            incident: None,
            text: "one core burns for 60 s; the drill's copy of the CPU rule looks at the busiest \
                   core over 10 s and fires within 30 s"
                .to_owned(),
        })
    }
}

fn burn() -> Result<(), String> {
    let clock = Clock::start();
    std::thread::Builder::new()
        .name("drill-cpu".to_owned())
        .spawn(move || {
            let mut mixed: u64 = 1;
            while clock.elapsed() < BURN {
                for _ in 0..100_000 {
                    mixed = mixed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                }
                std::hint::black_box(mixed);
            }
        })
        .map(drop)
        .map_err(|error| format!("starting the burning thread: {error}"))
}

fn cpu_rule() -> Result<Rule, String> {
    lower(RuleSpec {
        policy: cpu_policy(),
        source: RuleSource::Expr(CPU_QUERY.to_owned()),
        window: None,
        by: None,
        labels: Vec::new(),
        summary: Some(
            "{{ labels.instance }}: the busiest core is {{ value | percent }} busy".to_owned(),
        ),
        interval: None,
    })
    .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
}

/// As `rule.cpu` of the stock rules, without its holds.
fn cpu_policy() -> RulePolicy {
    let above = |value| Some(Bound { comparison: Comparison::Above, value });
    let mut policy = RulePolicy::new(CPU_RULE);
    policy.bounds.target = Some(Bound { comparison: Comparison::Below, value: 0.6 });
    policy.bounds.warn = above(0.7);
    policy.bounds.critical = above(0.85);
    policy.clear_for = Duration::from_secs(10);
    policy.unit = Unit::Ratio;
    policy.query = CPU_QUERY.to_owned();
    policy.window = Duration::from_secs(10);
    policy.drill = true;
    policy
}

fn page_policy() -> RulePolicy {
    let mut policy = RulePolicy::new(PAGE_RULE);
    policy.bounds.critical = Some(Bound { comparison: Comparison::Above, value: 0.0 });
    policy.drill = true;
    policy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drill_rule_is_a_rule() {
        let rule = cpu_rule().unwrap();
        assert_eq!(rule.policy.name.as_str(), CPU_RULE);
        assert!(rule.policy.drill);
    }
}
