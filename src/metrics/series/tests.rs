//! Cases of the store: what scrapes leave behind, limits, retention, journal.

use super::*;
use crate::exposition::Format;
use crate::label::MatchOp;
use crate::sample::{Sample, is_stale};

mod digest;
mod journal;
mod loaded;
mod limits;
mod order;
mod own_times;
mod retention;
mod zero;

const LIMITS: Limits = Limits { series_max: 100, labels_max: 10, label_length_max: 100 };
const ALWAYS: TimeRange = TimeRange { from: Millis::MIN, to: Millis::MAX };

/// A store that keeps every series for a day.
fn store() -> Store {
    Store::new(Retention { raw: 86_400_000, ..Retention::default() })
}

fn api() -> Labels {
    Labels::from_pairs([("job", "api"), ("instance", "a:1")])
}

fn open(store: &Store) -> Target {
    store.open(&api(), LIMITS)
}

fn equal(name: &str, value: &str) -> Matcher {
    Matcher::new(name, MatchOp::Equal, value).unwrap()
}

fn named(name: &str) -> Vec<Matcher> {
    vec![equal("__name__", name)]
}

/// Words samples as `time:value`, the end of a series as `time:end`.
fn word(samples: &[Sample]) -> String {
    let words: Vec<String> = samples
        .iter()
        .map(|sample| match is_stale(sample.value) {
            true => format!("{}:end", sample.at),
            false => format!("{}:{}", sample.at, sample.value),
        })
        .collect();
    words.join(" ")
}

fn samples_of(view: &dyn SeriesView, range: TimeRange) -> Vec<Sample> {
    let mut samples = Vec::new();
    view.samples(range, &mut samples);
    samples
}

/// Words every series of a name: one line each, sorted.
fn dump(store: &Store, matchers: &[Matcher]) -> Vec<String> {
    let mut lines: Vec<String> = store
        .select(matchers, ALWAYS)
        .iter()
        .map(|view| format!("{} {}", view.labels(), word(&samples_of(view.as_ref(), ALWAYS))))
        .collect();
    lines.sort();
    lines
}

/// Words the samples of the only series of a name.
fn values(store: &Store, name: &str) -> String {
    let views = store.select(&named(name), ALWAYS);
    assert!(views.len() <= 1, "{name} has {} series", views.len());
    views.first().map_or_else(String::new, |view| word(&samples_of(view.as_ref(), ALWAYS)))
}

fn good(target: &mut Target, body: &str, at: Millis) -> Appended {
    let appended = target.append(body.as_bytes(), Format::Text, at, 0.25);
    assert_eq!(appended.failed, None, "{body:?}");
    appended
}

#[test]
fn a_scrape_is_recorded_with_its_own_series() {
    let store = store();
    let mut target = open(&store);
    let first = good(&mut target, "a 1\nb{c=\"d\"} 2\n", 1000);
    assert_eq!((first.samples, first.added, first.series), (2, 2, 2));
    let second = good(&mut target, "a 3\nb{c=\"d\"} 4\n", 2000);
    assert_eq!((second.samples, second.added, second.series), (2, 0, 2));
    let expected = [
        r#"a{instance="a:1", job="api"} 1000:1 2000:3"#,
        r#"b{c="d", instance="a:1", job="api"} 1000:2 2000:4"#,
        r#"scrape_duration_seconds{instance="a:1", job="api"} 1000:0.25 2000:0.25"#,
        r#"scrape_samples_post_metric_relabeling{instance="a:1", job="api"} 1000:2 2000:2"#,
        r#"scrape_samples_scraped{instance="a:1", job="api"} 1000:2 2000:2"#,
        r#"scrape_series_added{instance="a:1", job="api"} 1000:2 2000:0"#,
        r#"up{instance="a:1", job="api"} 1000:1 2000:1"#,
    ];
    assert_eq!(dump(&store, &[]), expected);
    assert_eq!(store.stats().ingested, 14);
}

#[test]
fn a_series_that_is_missing_ends_and_may_return() {
    let store = store();
    let mut target = open(&store);
    good(&mut target, "a 1\nb 1\n", 10);
    good(&mut target, "a 2\n", 20);
    good(&mut target, "a 3\n", 30);
    let last = good(&mut target, "a 4\nb 4\n", 40);
    assert_eq!(values(&store, "b"), "10:1 20:end 40:4");
    assert_eq!((last.added, last.series), (0, 2));
}

#[test]
fn a_failed_scrape_ends_every_series_but_those_of_the_scrape() {
    let store = store();
    let mut target = open(&store);
    good(&mut target, "a 1\n", 10);
    let failed = target.fail(20, 1.5);
    assert_eq!((failed.failed, failed.series), (None, 0));
    target.fail(30, 1.5);
    good(&mut target, "a 4\n", 40);
    assert_eq!(values(&store, "a"), "10:1 20:end 40:4");
    assert_eq!(values(&store, "up"), "10:1 20:0 30:0 40:1");
    assert_eq!(values(&store, "scrape_duration_seconds"), "10:0.25 20:1.5 30:1.5 40:0.25");
    assert_eq!(values(&store, "scrape_samples_scraped"), "10:1 20:0 30:0 40:1");
}

#[test]
fn a_closed_target_ends_up_too() {
    let store = store();
    let mut target = open(&store);
    good(&mut target, "a 1\n", 10);
    target.close(20);
    assert_eq!(values(&store, "a"), "10:1 20:end");
    assert_eq!(values(&store, "up"), "10:1 20:end");
}

#[test]
fn a_half_good_body_keeps_its_good_lines() {
    let store = store();
    let mut target = open(&store);
    let mut body = b"a 1\nb{ 2\nc 3\nd{x=\"\xff\"} 4\n\n# fine\ne five\nf 6".to_vec();
    let appended = target.append(&body, Format::Text, 10, 0.0);
    assert_eq!((appended.failed, appended.samples, appended.fault_count), (None, 3, 3));
    let lines: Vec<usize> = appended.faults.iter().map(|fault| fault.line).collect();
    assert_eq!(lines, [2, 4, 7]);
    assert_eq!(values(&store, "f"), "10:6");
    body.extend(b"\n-".repeat(50));
    let appended = target.append(&body, Format::Text, 20, 0.0);
    assert_eq!((appended.samples, appended.fault_count, appended.faults.len()), (3, 53, 10));
    assert_eq!(values(&store, "f"), "10:6 20:6");
}

#[test]
fn a_body_without_a_sample_is_a_failure_that_says_why() {
    let cases: [(&str, &str); 4] = [
        ("", "the body is empty"),
        ("\n \r\n", "the body is empty"),
        (
            "<html>\n",
            "no line of the body is a sample; line 1: a metric name is expected instead of \
             \"<html>\"",
        ),
        ("a b\n", "no line of the body is a sample; line 1: \"b\" is not a number"),
    ];
    for (body, reason) in cases {
        let store = store();
        let mut target = open(&store);
        good(&mut target, "x 1\n", 10);
        let appended = target.append(body.as_bytes(), Format::Text, 20, 0.0);
        assert_eq!(appended.failed.as_deref(), Some(reason));
        assert_eq!(values(&store, "up"), "10:1 20:0", "{body:?}");
        assert_eq!(values(&store, "x"), "10:1 20:end", "{body:?}");
    }
}

#[test]
fn a_body_of_comments_is_good_and_empty() {
    let store = store();
    let mut target = open(&store);
    good(&mut target, "x 1\n", 10);
    let appended = good(&mut target, "# nothing yet\n", 20);
    assert_eq!((appended.samples, appended.series), (0, 0));
    assert_eq!(values(&store, "x"), "10:1 20:end");
}

#[test]
fn the_labels_of_the_target_win() {
    let cases = [
        ("a{job=\"b\"} 1", r#"a{exported_job="b", instance="a:1", job="api"} 10:1"#),
        (
            "a{job=\"b\",exported_job=\"c\"} 1",
            r#"a{exported_exported_job="b", exported_job="c", instance="a:1", job="api"} 10:1"#,
        ),
        ("a{job=\"\",x=\"\"} 1", r#"a{instance="a:1", job="api"} 10:1"#),
    ];
    for (body, expected) in cases {
        let store = store();
        good(&mut open(&store), body, 10);
        assert_eq!(dump(&store, &named("a")), [expected]);
    }
}

#[test]
fn a_target_may_not_send_the_series_of_the_scrape() {
    let store = store();
    let mut target = open(&store);
    for at in [10, 20] {
        let appended = good(&mut target, "a 1\nup 0\nup{of=\"db\"} 0\n", at);
        assert_eq!((appended.samples, appended.fault_count), (2, 1));
    }
    assert_eq!(
        dump(&store, &named("up")),
        [
            r#"up{instance="a:1", job="api", of="db"} 10:0 20:0"#,
            r#"up{instance="a:1", job="api"} 10:1 20:1"#,
        ]
    );
}

#[test]
fn families_are_told_with_type_and_help() {
    let store = store();
    let body = "# HELP h A\\nb \"c\".\n# TYPE h histogram\nh_count 1\n# TYPE g gauge\n# TYPE z x\n";
    let appended = good(&mut open(&store), body, 10);
    assert_eq!(appended.fault_count, 1);
    let expected = [
        ("g".to_owned(), "gauge", String::new()),
        ("h".to_owned(), "histogram", "A\nb \"c\".".to_owned()),
    ];
    assert_eq!(store.metadata(), expected);
}

#[test]
fn a_selection_passes_all_matchers_and_overlaps_the_range() {
    let store = store();
    for instance in ["a:1", "b:1"] {
        let labels = Labels::from_pairs([("job", "api"), ("instance", instance)]);
        let mut target = store.open(&labels, LIMITS);
        good(&mut target, "m{code=\"200\"} 1\nm{code=\"500\"} 1\nn 1\n", 1000);
    }
    let not = |name, value| Matcher::new(name, MatchOp::NotEqual, value).unwrap();
    let like = |name, value| Matcher::new(name, MatchOp::Regex, value).unwrap();
    let cases: [(Vec<Matcher>, usize); 9] = [
        (named("m"), 4),
        (vec![equal("__name__", "m"), equal("code", "500")], 2),
        (vec![equal("__name__", "m"), equal("instance", "b:1")], 2),
        (vec![like("__name__", "m|n"), like("instance", "b.*")], 3),
        (vec![equal("instance", "c:1")], 0),
        (vec![equal("__name__", "m"), not("code", "500")], 2),
        (vec![equal("__name__", "n"), equal("code", "")], 2),
        (vec![equal("__name__", "n"), equal("job", "")], 0),
        (vec![equal("__name__", "")], 0),
    ];
    for (matchers, expected) in cases {
        assert_eq!(store.select(&matchers, ALWAYS).len(), expected, "{matchers:?}");
    }
    for (from, to, expected) in [(0, 999, 0), (0, 1000, 4), (999, 2000, 4), (1000, 2000, 0)] {
        let found = store.select(&named("m"), TimeRange { from, to });
        assert_eq!(found.len(), expected, "({from}, {to}]");
    }
}

#[test]
fn a_view_answers_every_window_as_the_plain_samples_do() {
    let store = store();
    let mut target = open(&store);
    let mut plain = Vec::new();
    for step in 1..400_i64 {
        let at = step * 1000;
        good(&mut target, &format!("a {}\n", step % 7), at);
        plain.push((at, step % 7));
    }
    for (from, to) in [(0, 1000), (119_000, 121_000), (5, 400_000), (350_500, 399_000)] {
        let range = TimeRange { from, to };
        let views = store.select(&named("a"), range);
        let expected: Vec<String> = plain
            .iter()
            .filter(|(at, _)| from < *at && *at <= to)
            .map(|(at, value)| format!("{at}:{value}"))
            .collect();
        assert_eq!(word(&samples_of(views[0].as_ref(), range)), expected.join(" "));
        let newest = views[0].newest(range).map(|sample| word(&[sample]));
        assert_eq!(newest.as_ref(), expected.last());
    }
}

#[test]
fn a_view_does_not_change_while_scrapes_go_on() {
    let store = store();
    let mut target = open(&store);
    good(&mut target, "a 1\n", 10);
    let view = store.select(&named("a"), ALWAYS).remove(0);
    good(&mut target, "a 2\n", 20);
    assert_eq!(word(&samples_of(view.as_ref(), ALWAYS)), "10:1");
    assert_eq!(values(&store, "a"), "10:1 20:2");
}

#[test]
fn readers_see_a_scrape_whole_or_not_at_all() {
    let store = store();
    let mut target = open(&store);
    good(&mut target, "a 0\nb 0\n", 1);
    let both = [Matcher::new("__name__", MatchOp::Regex, "a|b").unwrap()];
    let is_done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut seen = 0;
                    while !is_done.load(Ordering::Relaxed) {
                        let newest: Vec<Millis> = store
                            .select(&both, ALWAYS)
                            .iter()
                            .filter_map(|view| Some(view.newest(ALWAYS)?.at))
                            .collect();
                        assert_eq!(newest.len(), 2);
                        assert_eq!(newest[0], newest[1]);
                        assert!(seen <= newest[0], "time went back");
                        seen = newest[0];
                    }
                })
            })
            .collect();
        for at in 2..3000 {
            good(&mut target, &format!("a {at}\nb {at}\n"), at);
        }
        is_done.store(true, Ordering::Relaxed);
        assert!(readers.into_iter().all(|reader| reader.join().is_ok()));
    });
    assert_eq!(values(&store, "a").split(' ').count(), 2999);
}

#[test]
fn handles_may_be_sent_and_shared() {
    fn is_sent_and_shared<T: Clone + Send + Sync + fmt::Debug>() {}
    fn is_sent<T: Send + fmt::Debug>() {}
    is_sent_and_shared::<Store>();
    is_sent::<Target>();
}
