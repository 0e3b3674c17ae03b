//! Templates of our own messages: `{{ labels.service }}: {{ value | percent }} of requests fail`.
//!
//! Renders after evaluation, for readings above ok. A template that fails while rendering never
//! keeps an alert from firing: whoever renders gets text in any case. Knows nothing of channels;
//! escaping is theirs.

pub mod go;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use minijinja::{Environment, UndefinedBehavior, context};

use crate::label::Labels;
use crate::units;

/// The longest text that a template may produce, in characters.
pub const RENDERED_MAX: usize = 2_000;
/// Steps that one rendering may take.
const FUEL: u64 = 20_000;

/// A checked template.
#[derive(Clone)]
pub struct Template {
    text: Arc<str>,
    environment: Arc<Environment<'static>>,
}

/// Why a template was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    /// What is wrong, in a sentence.
    pub message: String,
    /// Where, in bytes of the template.
    pub span: Range<usize>,
    /// What to write instead.
    pub help: Option<String>,
}

/// What a template can speak of.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject<'a> {
    /// `labels`
    pub labels: &'a Labels,
    /// `value`
    pub value: f64,
    /// `rule`
    pub rule: &'a str,
    /// `level`
    pub level: &'a str,
}

impl Template {
    /// Checks the syntax and that every filter and function exists.
    ///
    /// # Errors
    /// Says what is wrong and where.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Chainable);
        environment.set_fuel(Some(FUEL));
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        add_filters(&mut environment);
        environment
            .add_template_owned("text".to_owned(), text.to_owned())
            .map_err(|error| refuse(text, &error))?;
        let template = Self { text: text.into(), environment: Arc::new(environment) };
        template.try_render(&trial()).map_err(|error| refuse(text, &error))?;
        Ok(template)
    }

    /// Returns the template as written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.text
    }

    /// Renders; a failure gives text that says so, never nothing.
    #[must_use]
    pub fn render(&self, subject: &Subject<'_>) -> String {
        match self.try_render(subject) {
            Ok(text) => shorten(text),
            Err(error) => {
                format!(
                    "{} is {} (the summary's template failed: {error})",
                    subject.rule, subject.level
                )
            }
        }
    }

    fn try_render(&self, subject: &Subject<'_>) -> Result<String, minijinja::Error> {
        let labels: BTreeMap<String, String> = subject
            .labels
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        self.environment.get_template("text")?.render(context! {
            labels,
            value => subject.value,
            rule => subject.rule,
            level => subject.level,
        })
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Template({:?})", self.text)
    }
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

fn add_filters(environment: &mut Environment<'static>) {
    environment.add_filter("percent", units::percent);
    environment.add_filter("duration", units::duration);
    environment.add_filter("bytes", units::bytes);
    environment.add_filter("number", units::number);
    environment.add_filter("per_hour", |value: f64| format!("{}/h", units::percent(value)));
}

/// A subject whose labels all exist, so that only faults of the template itself show.
fn trial() -> Subject<'static> {
    static EMPTY: std::sync::OnceLock<Labels> = std::sync::OnceLock::new();
    Subject { labels: EMPTY.get_or_init(Labels::empty), value: 0.5, rule: "rule", level: "warning" }
}

fn refuse(text: &str, error: &minijinja::Error) -> TemplateError {
    use minijinja::ErrorKind;
    let span = error.range().unwrap_or(0..text.len());
    let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    let help = match error.kind() {
        ErrorKind::UnknownFilter => {
            Some("filters for numbers: percent, duration, bytes, number, per_hour".to_owned())
        }
        ErrorKind::SyntaxError => {
            Some("write {{ labels.service }} or {{ value | percent }}".to_owned())
        }
        _ => None,
    };
    TemplateError { message: format!("the template does not work: {detail}"), span, help }
}

fn shorten(text: String) -> String {
    if text.chars().count() <= RENDERED_MAX {
        return text;
    }
    let mut short: String = text.chars().take(RENDERED_MAX).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_labels_are_worded() {
        let labels = Labels::from_pairs([("service", "api")]);
        let cases = [
            ("{{ labels.service }}: {{ value | percent }} fail", 0.0123, "api: 1.23% fail"),
            ("took {{ value | duration }}", 1.5, "took 1.5s"),
            ("{{ value | bytes }}", 2_147_483_648.0, "2GiB"),
            ("{{ labels.missing }}.", 1.0, "."),
            ("grows {{ value | per_hour }}", 0.03, "grows 3%/h"),
        ];
        for (text, value, expected) in cases {
            let template = Template::parse(text).unwrap();
            let subject = Subject { labels: &labels, value, rule: "r", level: "critical" };
            assert_eq!(template.render(&subject), expected, "{text}");
        }
    }

    #[test]
    fn faults_are_found_when_the_template_is_read() {
        for (text, word) in [
            ("{{ value | percnt }}", "percnt"),
            ("{{ value", "template does not work"),
            ("{% if %}", "template does not work"),
        ] {
            let error = Template::parse(text).unwrap_err();
            assert!(error.message.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn a_failing_template_still_gives_text() {
        let template =
            Template::parse("{% if labels.x %}{{ labels.x | percent }}{% endif %}").unwrap();
        let labels = Labels::from_pairs([("x", "words")]);
        let subject = Subject { labels: &labels, value: 1.0, rule: "disk", level: "warning" };
        assert!(
            template.render(&subject).starts_with("disk is warning (the summary's template failed")
        );
    }

    #[test]
    fn an_endless_template_is_stopped() {
        let text = "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}";
        assert!(Template::parse(text).is_err());
    }
}
