//! Results as JUnit XML, which build servers read: a suite for each file, a case for each test.

use std::fmt::Write as _;

use crate::cli::test::suite::{Case, Suite};

/// Writes all suites.
pub(super) fn xml(suites: &[Suite]) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for suite in suites {
        let failures = suite.cases.iter().filter(|case| case.failure.is_some()).count();
        let skipped = suite.cases.iter().filter(|case| case.skipped).count();
        let _written = writeln!(
            text,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failures}\" errors=\"0\" \
             skipped=\"{skipped}\">",
            escape(&suite.path),
            suite.cases.len(),
        );
        for case in &suite.cases {
            write_case(&mut text, case);
        }
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

fn write_case(text: &mut String, case: &Case) {
    let name = escape(&case.name);
    let line = case.line;
    let _written = match (&case.failure, case.skipped) {
        (Some(failure), _) => {
            let first = escape(failure.lines().next().unwrap_or_default());
            let whole = escape(failure);
            writeln!(
                text,
                "    <testcase name=\"{name}\" line=\"{line}\">\n      \
                 <failure message=\"{first}\">{whole}</failure>\n    </testcase>"
            )
        }
        (None, true) => writeln!(
            text,
            "    <testcase name=\"{name}\" line=\"{line}\">\n      <skipped/>\n    </testcase>"
        ),
        (None, false) => writeln!(text, "    <testcase name=\"{name}\" line=\"{line}\"/>"),
    };
}

/// Escapes for text and attributes; characters that XML 1.0 cannot hold become U+FFFD.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(letter),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            _ if letter.is_control() => escaped.push('\u{fffd}'),
            _ => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_case_is_a_case_and_every_text_is_escaped() {
        let mut suite = Suite::new(Path::new("a&b.yml"));
        suite.add(Case::new("good", 3, ""));
        suite.add(Case::failed("<bad>", 7, "exp: \"1\"\u{1b}\ngot: 2"));
        suite.add(Case { skipped: true, ..Case::new("native", 9, "") });
        let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  \
            <testsuite name=\"a&amp;b.yml\" tests=\"3\" failures=\"1\" errors=\"0\" skipped=\"1\">\n    \
            <testcase name=\"good\" line=\"3\"/>\n    \
            <testcase name=\"&lt;bad&gt;\" line=\"7\">\n      \
            <failure message=\"exp: &quot;1&quot;\u{fffd}\">exp: &quot;1&quot;\u{fffd}\ngot: 2</failure>\n    \
            </testcase>\n    \
            <testcase name=\"native\" line=\"9\">\n      <skipped/>\n    </testcase>\n  \
            </testsuite>\n</testsuites>\n";
        assert_eq!(xml(&[suite]), expected);
    }
}
