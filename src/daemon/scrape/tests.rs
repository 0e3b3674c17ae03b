//! The plan, what is kept for rules, and evaluation, without a network.

mod evaluating;
mod running;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use watchbell_config::value::{Collect, Config, Daemon, History, Http, Scrape, SecretRef, Tls};
use watchbell_metrics::exposition::Format;
use watchbell_metrics::promql::{Options, Value, eval_instant, parse};
use watchbell_metrics::rule::{RulePolicy, RuleReadings, RuleSource, RuleSpec, lower};
use watchbell_paging::calendar::{Calendar, WorkWeek};
use watchbell_paging::settings::Settings;
use watchbell_paging::sla::Promises;
use watchbell_paging::time::Zone;

use super::*;

#[test]
fn job_and_instance_come_from_table_and_url_unless_labels_say_otherwise() {
    type Own = &'static [(&'static str, &'static str)];
    let cases: [(&str, Own, &str); 5] = [
        ("http://app1:8000/metrics", &[], r#"{instance="app1:8000", job="api"}"#),
        ("http://app1/metrics", &[], r#"{instance="app1:80", job="api"}"#),
        ("https://app1/", &[("team", "ops")], r#"{instance="app1:443", job="api", team="ops"}"#),
        ("http://[::1]:9/x", &[("job", "other")], r#"{instance="[::1]:9", job="other"}"#),
        ("http://user:pass@a:1/", &[("instance", "a")], r#"{instance="a", job="api"}"#),
    ];
    for (url, labels, expected) in cases {
        let config = config(vec![table(&[url], labels)]);
        let keys = plan::keys(&config, &Common::default());
        let shown: Vec<String> = keys.iter().map(|key| key.labels.to_string()).collect();
        assert_eq!(shown, [expected], "{url}");
        assert!(keys.iter().all(|key| !key.url.contains("pass")), "{keys:?}");
    }
}

#[test]
fn the_process_collects_itself_and_the_host_as_configured() {
    let mut config = config(Vec::new());
    config.collect.host = true;
    config.collect.own = true;
    let keys = plan::keys(&config, &Common::default());
    let jobs: Vec<_> = keys.iter().filter_map(|key| key.labels.get("job")).collect();
    assert_eq!(jobs, ["host", "watchbell"]);
    assert!(keys.iter().all(|key| key.url.is_empty()));
}

#[test]
fn a_table_without_its_secret_is_a_fault_that_names_it() {
    let bearer = Some(SecretRef::Environment("WATCHBELL_TEST_NO_SUCH".to_owned()));
    let config = config(vec![Scrape { bearer, ..table(&["http://a:1/"], &[]) }]);
    let faults = faults(&config);
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].starts_with("scrape.api: the secret env:WATCHBELL_TEST_NO_SUCH"));
}

#[test]
fn a_target_that_stays_keeps_its_state_and_one_that_goes_is_ended() {
    let store = series::Store::new(Retention { raw: 60_000, ..Retention::default() });
    let common = Common::default();
    let replace = |plan: &Plan, tables: Vec<Scrape>, now: Millis| {
        plan.replace(&config(tables), &store, &common, now)
    };
    let two = || vec![table(&["http://a:1/", "http://b:1/"], &[])];
    let first = replace(&Plan::default(), two(), 0);
    for slot in first.slots() {
        let mut series = slot.state.series.lock();
        series.as_mut().unwrap().append(b"x 1\n", Format::Text, 1_000, 0.1);
    }
    let ids = |plan: &Plan| plan.slots().map(|slot| slot.state.id).collect::<Vec<_>>();
    let same = replace(&first, two(), 2_000);
    assert_eq!(ids(&same), ids(&first));
    let slower = Scrape { interval: Duration::from_secs(60), ..table(&["http://b:1/"], &[]) };
    let fewer = replace(&same, vec![slower], 2_000);
    assert_eq!(ids(&fewer), ids(&first)[1..]);
    assert_eq!(fewer.place(ids(&first)[1]), Some((0, 0)));
    assert_eq!(fewer.place(ids(&first)[0]), None);
    assert!(first.slots().next().unwrap().state.series.lock().is_none(), "it is closed");
    assert_eq!(query(&store, "count(x)", 3_000), [1.0], "one of the two has ended");
}

#[test]
fn new_limits_begin_a_target_anew_under_its_old_labels() {
    let store = series::Store::new(Retention { raw: 60_000, ..Retention::default() });
    let common = Common::default();
    let urls = ["http://a:1/"];
    let plan = Plan::default().replace(&config(vec![table(&urls, &[])]), &store, &common, 0);
    let append = |plan: &Plan, body: &[u8], at: Millis| {
        let slot = plan.slots().next().unwrap();
        slot.state.series.lock().as_mut().unwrap().append(body, Format::Text, at, 0.1).failed
    };
    assert_eq!(append(&plan, b"x 1\ny 1\n", 1_000), None);
    let smaller = Scrape { max_series: 1, ..table(&urls, &[]) };
    let plan = plan.replace(&config(vec![smaller]), &store, &common, 2_000);
    assert!(append(&plan, b"x 1\ny 1\n", 3_000).is_some());
    assert_eq!(append(&plan, b"x 1\n", 4_000), None);
    assert_eq!(query(&store, "x", 4_000), [1.0]);
    assert!(query(&store, "y", 4_000).is_empty());
}

#[test]
fn what_rules_read_is_kept_evidence_included() {
    let mut config = config(Vec::new());
    let ratio = RuleSource::Ratio {
        bad: r#"http_requests_total{code=~"5.."}"#.to_owned(),
        total: "http_requests_total".to_owned(),
    };
    config.rules = vec![
        rule("plain", RuleSource::Expr("up == 0".to_owned())),
        rule("errors", ratio),
        rule("number", RuleSource::Expr("vector(1)".to_owned())),
    ];
    let retention = retention_of(&config);
    assert_eq!((retention.raw, retention.keep), (900_000, 3_024_000_000));
    let reaches = |reader: usize| -> Vec<Millis> {
        let of_reader = retention.reads.iter().filter(|read| read.reader == reader);
        of_reader.map(|read| read.reach).collect()
    };
    assert_eq!(reaches(0), [300_000], "the look-back");
    assert!(5 <= reaches(1).len(), "value and evidence: {:?}", reaches(1));
    assert!(reaches(1).iter().all(|reach| *reach == 300_000), "{:?}", reaches(1));
    assert!(reaches(2).is_empty());
}

fn query(store: &series::Store, expr: &str, at: Millis) -> Vec<f64> {
    let expr = parse(expr).unwrap();
    match eval_instant(&expr, store, at, &Options::default()).unwrap().value {
        Value::Vector(samples) => samples.into_iter().map(|sample| sample.value).collect(),
        other => panic!("{other:?}"),
    }
}

fn value(readings: &RuleReadings) -> f64 {
    readings.outcome.as_ref().unwrap()[0].value
}

fn rule(name: &str, source: RuleSource) -> Arc<Rule> {
    let spec = RuleSpec {
        policy: RulePolicy::new(name),
        source,
        window: None,
        by: None,
        labels: Vec::new(),
        summary: None,
        interval: None,
    };
    Arc::new(lower(spec).unwrap())
}

fn table(urls: &[&str], labels: &[(&str, &str)]) -> Scrape {
    Scrape {
        name: "api".to_owned(),
        urls: urls.iter().map(|url| (*url).to_owned()).collect(),
        interval: Duration::from_secs(15),
        timeout: Duration::from_secs(10),
        labels: labels.iter().map(|(name, to)| ((*name).to_owned(), (*to).to_owned())).collect(),
        bearer: None,
        basic: None,
        tls: Tls::default(),
        gzip: false,
        max_body: 16 * 1024 * 1024,
        max_series: 50_000,
        max_labels: 64,
        max_label_length: 4096,
    }
}

fn config(tables: Vec<Scrape>) -> Config {
    let calendar = Calendar {
        zone: Zone::utc(),
        work: WorkWeek::parse("mon-fri 09:00-18:00").unwrap(),
        off: Vec::new(),
    };
    let settings = Settings {
        zone: Zone::utc(),
        calendar,
        calendars: BTreeMap::new(),
        promises: Promises::default(),
        people: BTreeMap::new(),
        schedules: BTreeMap::new(),
        routes: Vec::new(),
        rules: BTreeMap::new(),
        channels: BTreeSet::new(),
    };
    Config {
        settings: Arc::new(settings),
        rules: Vec::new(),
        groups: Vec::new(),
        daemon: Daemon::default(),
        http: Http {
            listen: "127.0.0.1:9911".parse().unwrap(),
            url: "http://127.0.0.1:9911".to_owned(),
            tokens: BTreeMap::new(),
        },
        collect: Collect { host: false, own: false, interval: Duration::from_secs(15) },
        scrapes: tables.into_iter().map(|table| (table.name.clone(), Arc::new(table))).collect(),
        history: History {
            raw: Duration::from_secs(900),
            keep: Duration::from_secs(35 * 86_400),
            matchers: Vec::new(),
        },
        slack: None,
        email: None,
        webhooks: BTreeMap::new(),
        deadman: None,
        files: vec![PathBuf::from("watchbell.toml")],
    }
}
