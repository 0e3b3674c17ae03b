//! The parser against another one, the crate `promql-parser`: the same texts are accepted and
//! refused, but for differences that have a name.
//!
//! Where the two differ, promtool 3.5 was asked; each name below says what it answered.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use crate::promql::lexer::{self, Kind, Token};
use crate::promql::parse;
use crate::promql::script::command::{self, Command};

/// Numbers from here on make the other parser panic where a duration stands.
const SECONDS_MAX: f64 = 1e9;

/// Tells whether a name explains a difference.
type Explains = fn(&Difference<'_>) -> bool;

/// Differences by name, and when a name explains one.
const DIFFERENCES: [(&str, Explains); 9] = [
    ("patterns are RE2's; the other parser takes those of the regex crate", |it| {
        !it.ours && it.error.contains("is not a regular expression")
    }),
    ("the pattern of label_replace is compiled at once; promtool waits for the evaluation", |it| {
        !it.ours && it.error.contains("the pattern of label_replace is refused")
    }),
    ("native histograms and info() are refused; promtool takes them", |it| {
        !it.ours && it.error.contains("is not supported")
    }),
    ("strings are text; promtool takes any bytes", |it| {
        !it.ours && it.error.contains("not valid UTF-8")
    }),
    ("strings in backticks are raw, as in promtool", |it| it.ours && it.text.contains('`')),
    ("a range of zero is refused, as by promtool", |it| {
        !it.ours && it.error.contains("longer than zero")
    }),
    ("a plus before a string or a range is refused, as by promtool", |it| {
        !it.ours && it.error.contains("a sign needs")
    }),
    ("signs before a duration may repeat, as in promtool", |it| {
        it.ours && (0..it.tokens.len()).any(|at| it.is_signed_duration(at))
    }),
    ("a comma may not end a list of arguments, as in promtool", |it| {
        !it.ours
            && it.error.starts_with("unexpected \")\"; expected an expression")
            && it.text.contains(',')
    }),
];

/// Texts on which the two parsers differ.
struct Difference<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    /// Whether ours accepts.
    ours: bool,
    error: String,
}

impl Difference<'_> {
    /// Tells whether a plus or two signs stand before a duration that belongs to a selector.
    fn is_signed_duration(&self, at: usize) -> bool {
        let sign = |index: usize| {
            let kind = self.tokens.get(index).map(|token| &token.kind);
            matches!(kind, Some(Kind::Sign("+" | "-")))
        };
        let begins = match &self.tokens[at].kind {
            Kind::Word(word) => word.eq_ignore_ascii_case("offset"),
            Kind::Sign(found) => ["[", ":"].contains(found),
            Kind::Number(_) | Kind::Duration(_) | Kind::Text(_) | Kind::End => false,
        };
        let bracket = matches!(self.tokens[at].kind, Kind::Sign(_));
        begins && sign(at + 1) && (bracket || sign(at + 2))
    }
}

/// Compares the verdicts on one text; an unnamed difference is told.
fn compare(text: &str) -> Result<(), String> {
    let tokens = lexer::tokens(text).unwrap_or_default();
    // Without tokens nothing is known about numbers.
    if tokens.is_empty() || (0..tokens.len()).any(|index| would_panic(&tokens, index)) {
        return Ok(());
    }
    let ours = parse(text);
    let theirs = promql_parser::parser::parse(text);
    if ours.is_ok() == theirs.is_ok() {
        return Ok(());
    }
    let error = ours.as_ref().err().map(|error| error.message.clone()).unwrap_or_default();
    let difference = Difference { text, tokens, ours: ours.is_ok(), error };
    if DIFFERENCES.iter().any(|(_, explains)| explains(&difference)) {
        return Ok(());
    }
    Err(format!("{text:?}: ours {:?}, theirs {:?}", ours.map(|_| ()), theirs.map(|_| ())))
}

/// Tells whether a number that is no length of time stands where the other parser makes one of it.
fn would_panic(tokens: &[Token], index: usize) -> bool {
    let length = match &tokens[index].kind {
        Kind::Number(number) => number.abs() > SECONDS_MAX,
        Kind::Word(word) => ["inf", "nan"].contains(&word.to_ascii_lowercase().as_str()),
        Kind::Duration(_) | Kind::Text(_) | Kind::Sign(_) | Kind::End => false,
    };
    let mut before = tokens[..index].iter().rev().map(|token| &token.kind);
    let place = before.find(|kind| !matches!(kind, Kind::Sign("+" | "-")));
    let timed = match place {
        Some(Kind::Word(word)) => word.eq_ignore_ascii_case("offset"),
        Some(Kind::Sign(sign)) => ["[", ":", "@"].contains(sign),
        Some(Kind::Number(_) | Kind::Duration(_) | Kind::Text(_) | Kind::End) | None => false,
    };
    length && timed
}

#[test]
fn both_parsers_judge_every_expression_of_the_corpus_alike() {
    let Some(folder) = conformance() else { return };
    let mut texts = Vec::new();
    for file in files_below(&folder) {
        let text = read(&file);
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("yml" | "yaml") => texts.extend(rule_expressions(&text)),
            Some("test") => texts.extend(script_expressions(&text)),
            Some(_) | None => {}
        }
    }
    assert!(2_000 < texts.len(), "only {} expressions were found", texts.len());
    let faults: Vec<String> = texts.iter().filter_map(|text| compare(text).err()).collect();
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), texts.len(), faults.join("\n"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn both_parsers_judge_generated_expressions_alike(text in expression()) {
        compare(&text).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn both_parsers_judge_broken_expressions_alike(
        text in expression(),
        at in any::<prop::sample::Index>(),
        spare in prop::sample::select(SPARE),
        fault in 0..4_usize,
    ) {
        compare(&broken(&text, at, spare, fault)).map_err(TestCaseError::fail)?;
    }
}

/// What a slip of the hand may leave behind.
const SPARE: &[&str] = &[
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    "[5m]",
    "[5m:]",
    ",",
    "+",
    "==",
    "bool",
    "by",
    "by (a)",
    "on",
    "on (a)",
    "group_left",
    "offset",
    "offset 5m",
    "@",
    "@ 5",
    "@ end()",
    "5m",
    "1",
    "\"a\"",
    "sum",
    "rate",
    "up",
    "and",
    "=",
    "=~",
];

/// Leaves a word out, doubles it, puts a spare one before it or in its place.
fn broken(text: &str, at: prop::sample::Index, spare: &str, fault: usize) -> String {
    let mut words: Vec<String> = Vec::new();
    for letter in text.chars() {
        let joins = letter.is_alphanumeric() || "_:.\"'".contains(letter);
        match words.last_mut() {
            Some(last)
                if joins && last.chars().all(|c| c.is_alphanumeric() || "_:.\"'".contains(c)) =>
            {
                last.push(letter);
            }
            Some(_) | None => words.push(letter.to_string()),
        }
    }
    let index = at.index(words.len());
    match fault {
        0 => drop(words.remove(index)),
        1 => words.insert(index, words[index].clone()),
        2 => words.insert(index, format!(" {spare} ")),
        _ => words[index] = format!(" {spare} "),
    }
    words.concat()
}

const NAMES: &[&str] = &[
    "up",
    "a:b",
    "x{a=\"b\"}",
    "{__name__=~\"u.*\",c!=\"d\"}",
    "{a=\"b\",}",
    "x{a=~`\\d+`}",
    "{\"q.r\"}",
];
const TIMES: &[&str] = &["", "", " offset 5m", " offset -1h", " @ 60", " @ start() offset 1m"];
const NUMBERS: &[&str] =
    &["1", "-2.5", "1e3", "Inf", "NaN", "0x1f", "5m", ".5", "time()", "scalar(up)", "pi()"];
const RANGES: &[&str] = &[
    "up[5m]",
    "up[1h30m] offset 1m",
    "x{a=~\"b|c\"}[90s] @ end()",
    "up[1h:5m]",
    "(up + 1)[1h:]",
    "up[300]",
    "up[0]",
];
const LISTS: &[&str] = &["()", "(a)", "(a, b)", "(a,)", "(\"q.r\")"];
const OPERATORS: &[&str] = &[
    "+",
    "-",
    "*",
    "/",
    "%",
    "^",
    "atan2",
    "==",
    "!= bool",
    "> bool",
    "<=",
    "and",
    "or",
    "unless",
    "and on(a)",
    "/ on(a)",
    "* ignoring(a, b) group_left(c)",
    "+ on() group_right()",
    "- ignoring(x)",
];
const OF_ONE: &[&str] = &[
    "abs",
    "absent",
    "sort",
    "timestamp",
    "hour",
    "vector",
    "scalar",
    "rate",
    "sum_over_time",
    "absent_over_time",
    "round",
    "histogram_quantile",
    "label_join",
    "nobody",
    "count_values",
    "topk",
    "SUM",
    "ceil",
];
const OF_RANGE: &[&str] =
    &["rate", "increase", "max_over_time", "deriv", "last_over_time", "absent_over_time"];
const OF_NUMBER: &[&str] = &["topk", "bottomk", "quantile", "histogram_quantile"];
const AGGREGATIONS: &[&str] = &["sum", "avg", "min", "count", "stddev", "group"];
const GROUPINGS: &[&str] = &["by", "without"];
/// What stands around an expression.
const FRAMES: &[(&str, &str)] = &[
    ("count_values(\"v\", ", ")"),
    ("label_replace(", ", \"a\", \"$1\", \"b\", \"(.*)\")"),
    ("clamp(", ", 0, 1)"),
    ("(", ")"),
    ("-", ""),
    ("max_over_time((", ")[10m:1m])"),
];

/// Expressions, most of them valid.
fn expression() -> impl Strategy<Value = String> {
    let selector = (prop::sample::select(NAMES), prop::sample::select(TIMES));
    let leaf = prop_oneof![
        4 => selector.prop_map(|(name, when)| format!("{name}{when}")),
        1 => prop::sample::select(NUMBERS).prop_map(str::to_owned),
    ];
    leaf.prop_recursive(5, 40, 3, |inner| {
        let select = prop::sample::select::<&'static str>;
        let group = (select(AGGREGATIONS), select(GROUPINGS), select(LISTS), inner.clone());
        prop_oneof![
            (inner.clone(), select(OPERATORS), inner.clone())
                .prop_map(|(left, op, right)| format!("{left} {op} {right}")),
            (select(OF_ONE), inner.clone()).prop_map(|(name, of)| format!("{name}({of})")),
            (select(OF_RANGE), select(RANGES)).prop_map(|(name, of)| format!("{name}({of})")),
            group.clone().prop_map(|(op, by, list, of)| format!("{op} {by} {list} ({of})")),
            group.prop_map(|(op, by, list, of)| format!("{op}({of}) {by} {list}")),
            (select(OF_NUMBER), select(NUMBERS), inner.clone())
                .prop_map(|(name, number, of)| format!("{name}({number}, {of})")),
            (prop::sample::select(FRAMES), inner)
                .prop_map(|((before, after), of)| format!("{before}{of}{after}")),
        ]
    })
}

/// The expressions of a rule file: `expr:` in one line, in quotes, or as a block.
fn rule_expressions(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let bare = line.trim_start().trim_start_matches("- ");
        let Some(value) = bare.strip_prefix("expr:").map(str::trim) else { continue };
        let indent = line.len() - line.trim_start().len();
        let below = || {
            let deeper = |line: &&&str| {
                line.trim().is_empty() || indent < line.len() - line.trim_start().len()
            };
            let block: Vec<&str> =
                lines.iter().skip(index + 1).take_while(deeper).copied().collect();
            block.join("\n")
        };
        if value.starts_with(['|', '>']) || value.is_empty() {
            found.push(below());
        } else if value.starts_with('"') {
            found.extend(serde_json::from_str::<String>(value));
        } else if let Some(quoted) = value.strip_prefix('\'') {
            found.extend(quoted.strip_suffix('\'').map(|quoted| quoted.replace("''", "'")));
        } else {
            found.push(format!("{value}\n{}", below()));
        }
    }
    found
}

fn script_expressions(text: &str) -> Vec<String> {
    let cases = command::parse(text).into_iter().filter_map(|(_, command)| match command {
        Ok(Command::Eval(case)) => Some(case.expression),
        Ok(Command::Clear | Command::Load(_)) | Err(_) => None,
    });
    cases.collect()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in entries(&folder) {
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

#[allow(clippy::disallowed_methods, reason = "the corpus lies beside the repository")]
fn entries(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[allow(clippy::disallowed_methods, reason = "the corpus lies beside the repository")]
fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn conformance() -> Option<PathBuf> {
    let folder = super::conformance()?;
    folder.parent().map(Path::to_owned)
}
