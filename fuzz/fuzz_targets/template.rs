//! Templates of imported rules, of any text: refused with a place inside it, or rendered within
//! the bounds, the same every time.

#![no_main]

use libfuzzer_sys::fuzz_target;
use watchbell_metrics::label::Labels;
use watchbell_metrics::template::go::{GoScope, GoTemplate, OUTPUT_BYTES_MAX, expand};

/// What comes in front of an error that is put in the place of a text, with some reserve.
const ERROR_BYTES_MAX: usize = 4 * OUTPUT_BYTES_MAX;
const VALUES: [f64; 4] = [0.0123, -1e19, f64::NAN, f64::INFINITY];

fuzz_target!(|text: &str| {
    let labels = Labels::from_pairs([
        ("alertname", "High"),
        ("instance", "db-1.example.com:9100"),
        ("job", "db"),
        ("odd", "<a href=\"é\n%s{{\">"),
    ]);
    let external_labels = Labels::from_pairs([("cluster", "eu-1")]);
    let query = |asked: &str| match asked.len() {
        0 => Err("an empty query".to_owned()),
        1..=2 => Ok(Vec::new()),
        _ => Ok(vec![(labels.clone(), 1.5), (Labels::default(), f64::NAN)]),
    };
    let template = GoTemplate::parse(text);
    if let Err(error) = &template {
        assert!(text.get(error.span.clone()).is_some(), "{:?} in {text:?}", error.span);
        assert!(!error.message.is_empty());
    }
    for value in VALUES {
        let scope = GoScope {
            labels: &labels,
            value,
            external_labels: &external_labels,
            external_url: "http://watchbell:9910",
            query: &query,
            now_ms: 1_700_000_000_000,
        };
        let expanded = expand(text, "High", &scope);
        assert!(expanded.len() <= ERROR_BYTES_MAX);
        assert_eq!(expanded, expand(text, "High", &scope));
        if let Ok(template) = &template
            && let Ok(rendered) = template.render(&scope)
        {
            assert!(rendered.len() <= OUTPUT_BYTES_MAX);
            assert_eq!(rendered, expanded);
        }
    }
});
