//! Every fault as a person reads it: `faults.txt` shows the expression, the place and the words.
//!
//! `UPDATE=1 cargo test` writes the file anew from its expressions.

use crate::promql::parse;

const GOLDEN: &str = include_str!("faults.txt");

#[test]
fn faults_read_as_the_golden_file_shows() {
    let texts: Vec<&str> = GOLDEN.lines().filter_map(|line| line.strip_prefix("> ")).collect();
    assert!(60 < texts.len());
    let shown: Vec<String> = texts.iter().map(|text| show(text)).collect();
    let shown = shown.join("\n");
    if std::env::var_os("UPDATE").is_some() {
        write(&shown);
    } else {
        assert_eq!(shown, GOLDEN);
    }
}

/// The expression, a caret below its fault, the message and the help.
fn show(text: &str) -> String {
    let error = parse(text).expect_err(text);
    let before = text.get(..error.span.start).expect("the span lies in the text");
    let marked = text.get(error.span.clone()).expect("the span lies in the text");
    let caret = "^".repeat(marked.chars().count().max(1));
    let help = error.help.map(|help| format!("  help: {help}\n")).unwrap_or_default();
    let column = before.chars().count();
    format!("> {text}\n  {}{caret}\n  {}\n{help}", " ".repeat(column), error.message)
}

#[allow(clippy::disallowed_methods, reason = "golden files are written by the test on demand")]
fn write(shown: &str) {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/promql/tests/faults.txt");
    std::fs::write(file, shown).unwrap();
}
