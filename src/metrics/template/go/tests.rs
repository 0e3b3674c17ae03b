//! What Prometheus makes of templates, what the files of others need, and that nothing is endless.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;

#[test]
fn faults_are_worded_as_go_words_them() {
    for (text, expected) in golden("faults") {
        let prefix = "<error expanding template: error executing template __alert_A: ";
        let rendered = rendered(text);
        let fault = rendered.strip_prefix(prefix).and_then(|rest| rest.strip_suffix('>'));
        assert_eq!(fault, Some(format!("template: __alert_A:{expected}").as_str()), "{text}");
    }
}

#[test]
fn printf_knows_verbs_flags_and_error_forms() {
    check_golden("printf");
}

#[test]
fn quantities_are_worded_as_in_prometheus() {
    check_golden("quantities");
}

#[test]
fn times_and_durations_are_read_and_written() {
    check_golden("times");
    check(&[
        ("{{ now }}", "120"),
        ("{{ now | toTime }}", "1970-01-01 00:02:00 +0000 UTC"),
        ("{{ toDuration 90.5 }}", "1m30.5s"),
        ("{{ (toDuration 5400).Hours }}", "1.5"),
        (r#"{{ parseDurationTime "1h30m" }}"#, "1h30m0s"),
        (r#"{{ parseDuration "1d2h" }}"#, "93600"),
        (
            r#"{{ toDuration 0.0015 }} {{ toDuration 0.0000015 }} {{ toDuration 0 }}"#,
            "1.5ms 1.5µs 0s",
        ),
        (
            r#"{{ (toTime 951782400).Format "2006-01-02 002 Jan January" }}"#,
            "2000-02-29 060 Feb February",
        ),
        (r#"{{ (toTime -1).Format "06/1/2 3:4:5pm" }}"#, "69/12/31 11:59:59pm"),
        (r#"{{ ((toTime 0).Add (toDuration 60)).Sub (toTime 30) }}"#, "30s"),
    ]);
}

#[test]
fn hosts_links_and_letters_are_reworded() {
    check_golden("words");
    check(&[
        ("{{ pathPrefix }} {{ externalURL }}", "/pre http://prom.example:9090/pre"),
        (r#"{{ urlQueryEscape "a b&c" }}"#, "a+b%26c"),
        (r#"{{ safeHtml "<b>" }} {{ toLower "ÉA" }}"#, "<b> éa"),
    ]);
}

#[test]
fn values_print_as_in_go() {
    check_golden("values");
}

#[test]
fn queries_are_asked_and_read() {
    check_golden("queries");
    check(&[
        (
            r#"{{ query "up" }}"#,
            "[{map[__name__:up instance:i2 job:b] 2} {map[__name__:up instance:i1 job:a] 1}]",
        ),
        (r#"{{ with query "up" }}{{ . | first | value | humanize }}{{ end }}"#, "2"),
    ]);
    assert!(rendered(r#"{{ query "fails" }}"#).contains("error calling query: no such thing"));
}

#[test]
fn control_and_comparison_follow_go() {
    check_golden("control");
    check(&[
        ("a {{- /* nothing */ -}} b{{/* more */}} c", "ab c"),
        ("a {{- 1 -}} b", "a1b"),
        ("{{ 1 -}}\n\n  b", "1b"),
        ("{{ if eq $value 1.0 }}a{{ else if gt $value 2.0 }}b{{ else }}c{{ end }}", "b"),
        ("{{ with $labels.x }}a{{ else with $labels.job }}{{ . }}{{ else }}c{{ end }}", "node"),
        ("{{ range $i := 3 }}{{ if eq $i 1 }}{{ continue }}{{ end }}{{ $i }}{{ end }}", "02"),
        ("{{ and 0 (first (query `nope`)) }}{{ or 1 (first (query `nope`)) }}", "01"),
        ("{{ $labels.missing }}|{{ .Labels.missing }}|{{ $externalLabels.env }}", "||prod"),
        ("{{ range $k, $v := $labels -}} {{ $k }}; {{- end }}", "__name__;instance;job;n;"),
        ("{{ $value\n| printf\n\"%.0f\" }}", "1234567"),
        ("{{ eq 0.0 $value }}{{ lt 1e300 $value }}", "falsefalse"),
    ]);
}

#[test]
fn comparing_a_value_with_a_whole_number_says_what_to_write() {
    assert!(rendered("{{ if gt $value 1 }}a{{ end }}").contains("write 1.0 instead of 1"));
}

#[test]
fn faults_are_found_when_the_template_is_read() {
    for (text, message, place) in [
        ("a {{ foo }}", r#"function "foo" not defined"#, "foo"),
        ("{{ $value | humanise }}", r#"function "humanise" not defined"#, "humanise"),
        ("{{ $label.foo }}", r#"undefined variable "$label""#, "$label"),
        ("{{ if true }}{{ $x := 1 }}{{ end }}{{ $x }}", r#"undefined variable "$x""#, "$x"),
        ("{{ define `a` }}{{ $value }}{{ end }}", r#"undefined variable "$value""#, "$value"),
        ("{{ $x = 1 }}", r#"undefined variable "$x""#, "="),
        ("{{ $value", "unclosed action", "{{ $value"),
        ("{{ end }}", "unexpected {{end}}", "end"),
        ("{{ if true }}a", "unexpected EOF: if is not closed", "if"),
        ("{{ if true }}{{ else }}{{ else }}", "expected end; found {{else}}", "else"),
        ("{{ }}", "missing value for command", "}}"),
        ("{{ if }}{{ end }}", "missing value for if", "}}"),
        ("{{ \"a }}", "unterminated quoted string", "\"a }}"),
        ("{{ 1x }}", r#"bad number syntax: "1x""#, "1x"),
        ("{{ ($value }}", r#"unexpected "}}" in parenthesized pipeline"#, "}}"),
        ("{{ $value ) }}", r#"unexpected ")" in command"#, ")"),
        ("{{ $value | 1 }}", "non executable command in pipeline stage 2", "1"),
        ("{{ break }}", "{{break}} outside {{range}}", "break"),
        ("{{/* a", "unclosed comment", "{{/*"),
        ("{{ $labels.a-b }}", "bad character U+002D '-'", "-"),
    ] {
        let error = GoTemplate::parse(text).unwrap_err();
        assert_eq!(error.message, message, "{text}");
        assert!(
            text.get(error.span.clone()).is_some_and(|found| found.ends_with(place)),
            "{text}: {error:?}"
        );
    }
}

#[test]
fn a_near_name_is_offered() {
    for (text, help) in [
        ("{{ humanizepercentage $value }}", "did you mean humanizePercentage?"),
        ("{{ instance }}", r#"write a label as $labels.instance, a text in quotes"#),
    ] {
        assert_eq!(GoTemplate::parse(text).unwrap_err().help.as_deref(), Some(help), "{text}");
    }
}

#[test]
fn a_text_that_does_not_parse_still_gives_text() {
    assert_eq!(
        rendered("a\n{{ foo }}"),
        "<error expanding template: error parsing template __alert_A: \
         template: __alert_A:2: function \"foo\" not defined>"
    );
}

#[test]
fn a_fault_names_line_and_column() {
    let error = template("a\n b {{ toUpper $value }}").render(&SCOPE.scope()).unwrap_err();
    assert!(error.starts_with("template: text:2:14: executing \"text\" at <$value>"), "{error}");
}

#[test]
fn work_and_text_are_bounded() {
    let doubled = "{{ $x := `ab` }}{{ range 40 }}{{ $x = print $x $x }}{{ end }}";
    let nested = "{{ $x := args }}{{ range 40 }}{{ $x = args $x $x }}{{ end }}{{ $x }}";
    let wide = "{{ $x := args }}{{ range 18 }}{{ $x = args $x $x }}{{ end }}{{ $x }}";
    let replaced = "{{ $x := printf `%1000d` 1 }}{{ reReplaceAll `` (print $x $x) (print $x $x) }}";
    let grown = format!("{{{{ reReplaceAll `.*` `{}` (printf `%999d` 1) }}}}", "$0".repeat(9_000));
    let worked = "{{ $x := `ab` }}{{ range 14 }}{{ $x = print $x $x }}{{ end }}\
                  {{ range 4000 }}{{ if eq (toUpper $x) `` }}{{ end }}{{ end }}";
    for (text, word) in [
        ("{{ range 9999999 }}{{ end }}", "steps"),
        ("{{ range 9999 }}{{ range 9999 }}{{ end }}{{ end }}", "steps"),
        ("{{ range 1000 }}{{ query `up` }}{{ end }}", "steps"),
        ("{{ range $i := 1000 }}{{ match (print `a` $i) `b` }}{{ end }}", "steps"),
        ("{{ define `a` }}{{ template `a` }}{{ end }}{{ template `a` }}", "depth"),
        ("{{ range 1000 }}{{ printf `%999d` 1 }}{{ end }}", "longer than"),
        (doubled, "longer than"),
        (nested, "nest deeper"),
        (wide, "longer than"),
        (replaced, "longer than"),
        (grown.as_str(), "longer than"),
        (worked, "steps"),
    ] {
        let error = template(text).render(&SCOPE.scope()).unwrap_err();
        assert!(error.contains(word), "{text}: {error}");
    }
    assert_eq!(
        rendered("{{ printf `%1001d|%.1001f` 1 1.0 }}"),
        "%!(BADWIDTH)1|%!(BADPREC)1.000000"
    );
}

#[test]
fn depth_and_length_of_a_text_are_bounded() {
    for text in [
        "{{ if 1 }}".repeat(5_000),
        format!("{{{{ {}1{} }}}}", "(".repeat(5_000), ")".repeat(5_000)),
        format!("{{{{ if 1 }}}}{}{{{{ end }}}}", "{{ else if 1 }}".repeat(4_000)),
        "a".repeat(TEXT_BYTES_MAX + 1),
    ] {
        let error = GoTemplate::parse(&text).unwrap_err();
        assert!(error.message.contains("deeper") || error.message.contains("longer"), "{error}");
    }
}

/// Every text with braces in the files of rules; the one that Prometheus refuses stands in
/// `rules-bad.yml`, and braces of histograms in series are no templates.
#[test]
fn the_templates_of_known_rule_files_render() {
    let Some(folder) = conformance() else { return };
    let mut count = 0;
    for part in ["awesome-alerts", "kubernetes-mixin", "promtool"] {
        for file in files(&folder.join(part)) {
            for text in scalars(&read(&file)) {
                count += 1;
                let parsed = GoTemplate::parse(&text);
                if file.ends_with("rules-bad.yml") && text.contains("$label.") {
                    assert!(parsed.is_err(), "{text}");
                    continue;
                }
                let rendered = parsed
                    .map_err(|error| format!("{error} at {:?}", error.span))
                    .and_then(|template| template.render(&SCOPE.scope()));
                let shown = rendered.unwrap_or_else(|error| panic!("{file:?}: {text}: {error}"));
                assert!(!shown.contains("{{") && !shown.contains("%!"), "{text}: {shown}");
            }
        }
    }
    assert!(1_500 < count, "only {count} templates were found");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_stops_the_program(words in proptest::collection::vec(word(), 0..40)) {
        let text = words.concat();
        if let Err(error) = GoTemplate::parse(&text) {
            prop_assert!(text.get(error.span.clone()).is_some(), "{text}: {error:?}");
        }
        prop_assert!(rendered(&text).len() <= OUTPUT_BYTES_MAX + 1_000 + text.len());
    }

    #[test]
    fn no_action_stops_the_program(words in proptest::collection::vec(word(), 0..12)) {
        let text = format!("a{{{{ {} }}}}b", words.join(" "));
        prop_assert!(!rendered(&text).is_empty());
    }

    #[test]
    fn no_format_stops_the_program(format in "[%a-zA-Z0-9 .*+#\\[\\]-]{0,20}", value: f64) {
        let text = format!("{{{{ printf `{format}` $value 3 `x` $labels nil . }}}}");
        let scope = GoScope { value, ..SCOPE.scope() };
        prop_assert!(template(&text).render(&scope).is_ok());
    }

    #[test]
    fn a_number_reads_back_from_its_shortest_text(value: f64) {
        let written = float::format(value, 'g', None);
        prop_assert!(value.is_nan() || written.parse::<f64>() == Ok(value), "{written}");
    }
}

const WORDS: &[&str] = &[
    "{{",
    "}}",
    "{{-",
    "-}}",
    "{{- ",
    " -}}",
    " ",
    "\n",
    "a",
    "é",
    "|",
    "(",
    ")",
    ".",
    ",",
    "$",
    "$x",
    ":=",
    "=",
    "$labels",
    "$value",
    ".job",
    ".Labels",
    ".Value",
    "1",
    "-1",
    "1.5",
    "1e3",
    "'a'",
    "\"s\"",
    "`r`",
    "\"",
    "`",
    "'",
    "\\",
    "/*",
    "*/",
    "{{/*",
    "*/}}",
    "if",
    "else",
    "end",
    "with",
    "range",
    "define",
    "template",
    "block",
    "break",
    "continue",
    "nil",
    "true",
    "printf",
    "print",
    "len",
    "index",
    "slice",
    "eq",
    "lt",
    "and",
    "or",
    "not",
    "html",
    "call",
    "query",
    "first",
    "value",
    "label",
    "args",
    "humanize",
    "humanizeDuration",
    "toTime",
    "toDuration",
    "humanizeTimestamp",
    "reReplaceAll",
    "match",
    "title",
    "stripPort",
    "stripDomain",
    "parseDuration",
    "sortByLabel",
    "{{ end }}",
    "{{ else }}",
    "{{ if $value }}",
    "{{ range $labels }}",
    "{{ $value }}",
    "{{ range query `up` }}",
];

fn word() -> impl Strategy<Value = &'static str> {
    prop::sample::select(WORDS)
}

struct World {
    labels: Labels,
    external_labels: Labels,
}

static SCOPE: std::sync::LazyLock<World> = std::sync::LazyLock::new(|| World {
    labels: Labels::from_pairs([
        ("__name__", "x"),
        ("instance", "host.example.com:9100"),
        ("job", "node"),
        ("n", "5"),
    ]),
    external_labels: Labels::from_pairs([("env", "prod"), ("zone", "eu")]),
});

impl World {
    fn scope(&self) -> GoScope<'_> {
        GoScope {
            labels: &self.labels,
            value: 1_234_567.0,
            external_labels: &self.external_labels,
            external_url: "http://prom.example:9090/pre",
            query: &answer,
            now_ms: 120_000,
        }
    }
}

fn answer(text: &str) -> Result<Vec<(Labels, f64)>, String> {
    let up = |job: &str, instance: &str| {
        Labels::from_pairs([("__name__", "up"), ("instance", instance), ("job", job)])
    };
    match text {
        "up" => Ok(vec![(up("b", "i2"), 2.0), (up("a", "i1"), 1.0)]),
        "fails" => Err("no such thing".to_owned()),
        _ => Ok(Vec::new()),
    }
}

fn template(text: &str) -> GoTemplate {
    GoTemplate::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn rendered(text: &str) -> String {
    expand(text, "A", &SCOPE.scope())
}

fn check(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(rendered(text), *expected, "{text}");
    }
}

fn check_golden(section: &str) {
    for (text, expected) in golden(section) {
        assert_eq!(rendered(text), expected, "{text}");
    }
}

/// The pairs of a section of the golden file.
fn golden(section: &str) -> Vec<(&'static str, String)> {
    let heading = format!("\n## {section}\n");
    let (_, rest) = include_str!("tests/golden.txt").split_once(&heading).unwrap();
    let lines: Vec<&str> = rest.lines().take_while(|line| !line.starts_with("## ")).collect();
    let pairs: Vec<_> = lines
        .iter()
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .chunks(2)
        .map(|pair| {
            let expected = pair[1].strip_prefix("=> ").unwrap();
            (*pair[0], expected.replace("\\n", "\n").replace("\\\\", "\\"))
        })
        .collect();
    assert!(!pairs.is_empty(), "{section}");
    pairs
}

/// The scalars of YAML that hold braces, by their indentation alone.
fn scalars(yaml: &str) -> Vec<String> {
    let lines: Vec<&str> = yaml.lines().collect();
    // An item's key stands after its dash.
    let indent = |line: &str| line.len() - line.trim_start_matches([' ', '-']).len();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        at += 1;
        let Some((key, first)) = line.split_once(": ") else { continue };
        let mut parts = vec![first.trim()];
        while let Some(next) =
            lines.get(at).filter(|next| indent(line) < indent(next) && !key.trim().is_empty())
        {
            parts.push(next.trim());
            at += 1;
        }
        let text = parts.join(" ");
        if text.contains("{{") && !["values", "histogram", "- expr"].contains(&key.trim()) {
            found.push(unquoted(&text));
        }
    }
    found
}

fn unquoted(text: &str) -> String {
    let double = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let single = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    match (double, single) {
        (Some(inner), _) => inner.replace("\\\"", "\"").replace("\\n", "\n").replace("\\ ", " "),
        (None, Some(inner)) => inner.replace("''", "'"),
        (None, None) => text.trim_start_matches(['>', '|', '-']).to_owned(),
    }
}

#[allow(clippy::disallowed_methods, reason = "the rules are files beside the repository")]
fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|end| end == "yml" || end == "yaml") {
            found.push(path);
        }
    }
    found
}

fn conformance() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance");
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(std::env::var_os("CI").is_none(), "the conformance data is absent");
    println!("the conformance data is absent");
    None
}
