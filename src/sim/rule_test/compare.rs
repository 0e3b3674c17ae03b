//! Expected against got: alerts and samples, whole or in part, in words for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use watchbell_config::rule_test::{ExpectedAlert, ExpectedSample};
use watchbell_metrics::label::{Labels, METRIC_NAME};

/// The most differences that are shown for one pair.
const DIFFERENCES_MAX: usize = 10;

/// An alert as it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct GotAlert {
    pub(super) labels: Labels,
    pub(super) annotations: BTreeMap<String, String>,
}

/// Compares all alerts; the words say both sides, and what differs where one stands alone.
pub(super) fn alerts(expected: &[ExpectedAlert], mut got: Vec<GotAlert>) -> Result<(), String> {
    got.sort_by(|left, right| {
        (&left.labels, &left.annotations).cmp(&(&right.labels, &right.annotations))
    });
    let fits = |expected: &ExpectedAlert, got: &GotAlert| differences(expected, got).is_empty();
    let (missing, surplus) = unmatched(expected, &got, fits);
    if missing.is_empty() && surplus.is_empty() {
        return Ok(());
    }
    let mut expected: Vec<&ExpectedAlert> = expected.iter().collect();
    expected.sort_by(|left, right| {
        (&left.labels, &left.annotations).cmp(&(&right.labels, &right.annotations))
    });
    let mut text = String::new();
    let words = |one: &&ExpectedAlert| {
        (one.labels.clone(), one.annotations.clone(), if one.partial { " (in part)" } else { "" })
    };
    write_alerts(&mut text, "expected", expected.iter().map(words).collect());
    let words = |one: &GotAlert| (one.labels.clone(), one.annotations.clone(), "");
    write_alerts(&mut text, "     got", got.iter().map(words).collect());
    if let ([missing], [surplus]) = (missing.as_slice(), surplus.as_slice()) {
        for difference in differences(missing, surplus).iter().take(DIFFERENCES_MAX) {
            let _written = writeln!(text, "differs: {difference}");
        }
    }
    Err(text)
}

/// Compares all samples, `fuzzy` forgiving the last bit.
pub(super) fn samples(
    expected: &[ExpectedSample],
    mut got: Vec<(Labels, f64)>,
    fuzzy: bool,
    partial: bool,
) -> Result<(), String> {
    got.sort_by(|(left, _), (right, _)| left.cmp(right));
    let fits = |expected: &ExpectedSample, (labels, value): &(Labels, f64)| {
        let same = if partial {
            expected.labels.iter().all(|(name, text)| labels.get(name) == Some(text))
        } else {
            expected.labels == *labels
        };
        same && is_same(expected.value, *value, fuzzy)
    };
    let (missing, surplus) = unmatched(expected, &got, fits);
    if missing.is_empty() && surplus.is_empty() {
        return Ok(());
    }
    let mut expected: Vec<(&Labels, f64)> =
        expected.iter().map(|sample| (&sample.labels, sample.value)).collect();
    expected.sort_by_key(|(labels, _)| *labels);
    let mut text = String::new();
    write_samples(&mut text, "expected", &expected);
    let got: Vec<(&Labels, f64)> = got.iter().map(|(labels, value)| (labels, *value)).collect();
    write_samples(&mut text, "     got", &got);
    Err(text)
}

fn is_same(expected: f64, got: f64, fuzzy: bool) -> bool {
    #[allow(clippy::float_cmp, reason = "the comparison is exact unless the file says otherwise")]
    let equal = expected == got || (expected.is_nan() && got.is_nan());
    equal || (fuzzy && (expected.next_up() == got || expected.next_down() == got))
}

fn differences(expected: &ExpectedAlert, got: &GotAlert) -> Vec<String> {
    let pairs = |labels: &Labels| -> BTreeMap<String, String> {
        labels.iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect()
    };
    let labels = (pairs(&expected.labels), pairs(&got.labels));
    let mut found = differences_of("label", &labels.0, &labels.1, expected.partial);
    let annotations = (&expected.annotations, &got.annotations);
    found.extend(differences_of("annotation", annotations.0, annotations.1, expected.partial));
    found
}

fn differences_of(
    what: &str,
    expected: &BTreeMap<String, String>,
    got: &BTreeMap<String, String>,
    partial: bool,
) -> Vec<String> {
    let mut found = Vec::new();
    for (name, text) in expected {
        match got.get(name) {
            Some(other) if other == text => {}
            Some(other) => found.push(format!("{what} {name}: expected {text:?}, got {other:?}")),
            None => found.push(format!("{what} {name}: expected {text:?}, got none")),
        }
    }
    let surplus = got.iter().filter(|(name, _)| !partial && !expected.contains_key(*name));
    found.extend(surplus.map(|(name, text)| format!("{what} {name}: expected none, got {text:?}")));
    found
}

/// Pairs both sides one to one as far as they fit, and returns what is left of each. What fits in
/// part may fit several, so pairs are changed where that lets another one in (Kuhn's algorithm).
fn unmatched<'a, E, G>(
    expected: &'a [E],
    got: &'a [G],
    fits: impl Fn(&E, &G) -> bool,
) -> (Vec<&'a E>, Vec<&'a G>) {
    let mut partner: Vec<Option<usize>> = vec![None; got.len()];
    let edges: Vec<Vec<usize>> = expected
        .iter()
        .map(|one| {
            (0..got.len()).filter(|index| got.get(*index).is_some_and(|g| fits(one, g))).collect()
        })
        .collect();
    for from in 0..expected.len() {
        let mut tried = vec![false; got.len()];
        place(from, &edges, &mut partner, &mut tried);
    }
    let is_placed = |index: &usize| partner.contains(&Some(*index));
    let missing = (0..expected.len()).filter(|index| !is_placed(index));
    let missing = missing.filter_map(|index| expected.get(index)).collect();
    let surplus = partner.iter().zip(got).filter(|(partner, _)| partner.is_none());
    (missing, surplus.map(|(_, got)| got).collect())
}

/// Finds a partner, moving others to where they fit too; goes as deep as there are alerts, and
/// those are bounded by what a file can hold.
fn place(
    from: usize,
    edges: &[Vec<usize>],
    partner: &mut [Option<usize>],
    tried: &mut [bool],
) -> bool {
    for to in edges.get(from).into_iter().flatten() {
        let Some(seen) = tried.get_mut(*to) else { continue };
        if std::mem::replace(seen, true) {
            continue;
        }
        let holder = partner.get(*to).copied().flatten();
        if holder.is_none_or(|holder| place(holder, edges, partner, tried)) {
            if let Some(slot) = partner.get_mut(*to) {
                *slot = Some(from);
            }
            return true;
        }
    }
    false
}

type AlertWords = (Labels, BTreeMap<String, String>, &'static str);

fn write_alerts(text: &mut String, side: &str, alerts: Vec<AlertWords>) {
    if alerts.is_empty() {
        let _written = writeln!(text, "{side}: []");
        return;
    }
    let _written = writeln!(text, "{side}: [");
    for (index, (labels, annotations, note)) in alerts.iter().enumerate() {
        let annotations: Vec<String> =
            annotations.iter().map(|(name, text)| format!("{name}={text:?}")).collect();
        let annotations = annotations.join(", ");
        let _written = writeln!(text, "  {index}:{note}");
        let _written = writeln!(text, "    Labels:{labels}");
        let _written = writeln!(text, "    Annotations:{{{annotations}}}");
    }
    let _written = writeln!(text, "]");
}

fn write_samples(text: &mut String, side: &str, samples: &[(&Labels, f64)]) {
    if samples.is_empty() {
        let _written = writeln!(text, "{side}: nil");
        return;
    }
    for (index, (labels, value)) in samples.iter().enumerate() {
        let side = if index == 0 { format!("{side}:") } else { " ".repeat(side.len() + 1) };
        let shown = if labels.is_empty() && labels.get(METRIC_NAME).is_none() {
            "{}".to_owned()
        } else {
            labels.to_string()
        };
        let _written = writeln!(text, "{side} {shown} {}", number(*value));
    }
}

/// Writes a number so that every bit of it can be seen.
fn number(value: f64) -> String {
    if value.is_infinite() {
        return if value < 0.0 { "-Inf" } else { "+Inf" }.to_owned();
    }
    let plain = format!("{value}");
    if plain.len() <= 24 { plain } else { format!("{value:e}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(labels: &[(&str, &str)], partial: bool) -> ExpectedAlert {
        let labels = Labels::from_pairs(labels.iter().copied());
        ExpectedAlert { labels, annotations: BTreeMap::new(), partial }
    }

    fn got(labels: &[(&str, &str)]) -> GotAlert {
        GotAlert {
            labels: Labels::from_pairs(labels.iter().copied()),
            annotations: BTreeMap::from([("summary".to_owned(), "it is bad".to_owned())]),
        }
    }

    #[test]
    fn what_is_compared_in_part_is_paired_so_that_all_fit() {
        let one = expected(&[("job", "api")], true);
        let other = expected(&[("job", "api"), ("instance", "a")], true);
        let a = got(&[("job", "api"), ("instance", "a")]);
        let b = got(&[("job", "api"), ("instance", "b")]);
        // The first would take what only the second can take.
        assert_eq!(alerts(&[one.clone(), other.clone()], vec![a.clone(), b.clone()]), Ok(()));
        assert!(alerts(&[one.clone(), other.clone()], vec![b.clone(), b.clone()]).is_err());
        assert!(
            alerts(std::slice::from_ref(&one), vec![a.clone(), b]).is_err(),
            "one alert too many"
        );
        assert!(alerts(&[one, other], vec![a]).is_err(), "one alert is missing");
    }

    #[test]
    fn a_single_difference_is_named() {
        let words = alerts(
            &[expected(&[("job", "api"), ("severity", "page")], false)],
            vec![got(&[("job", "api"), ("severity", "warning")])],
        );
        let expected = "expected: [\n  0:\n    Labels:{job=\"api\", severity=\"page\"}\n    \
            Annotations:{}\n]\n     got: [\n  0:\n    Labels:{job=\"api\", severity=\"warning\"}\n    \
            Annotations:{summary=\"it is bad\"}\n]\n\
            differs: label severity: expected \"page\", got \"warning\"\n\
            differs: annotation summary: expected none, got \"it is bad\"\n";
        assert_eq!(words.unwrap_err(), expected);
    }

    #[test]
    fn values_are_compared_to_the_bit_unless_the_file_is_fuzzy() {
        let near = 3.0_f64.next_down();
        let wanted = [ExpectedSample { labels: Labels::empty(), value: 3.0 }];
        let got = |value: f64| vec![(Labels::empty(), value)];
        assert_eq!(samples(&wanted, got(3.0), false, false), Ok(()));
        assert_eq!(samples(&wanted, got(near), true, false), Ok(()));
        assert!(samples(&wanted, got(near.next_down()), true, false).is_err());
        let words = samples(&wanted, got(near), false, false).unwrap_err();
        assert_eq!(words, "expected: {} 3\n     got: {} 2.9999999999999996\n");
        assert_eq!(
            samples(&[], got(1.0), false, false).unwrap_err(),
            "expected: nil\n     got: {} 1\n"
        );
    }
}
