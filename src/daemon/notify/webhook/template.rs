//! The user's own webhook body: a minijinja template over the incident and the table's secrets.
//!
//! In a JSON body (one that begins with `{` or `[`) every text that is put in is escaped as the
//! inside of a JSON string, so a hostile label cannot break out of its quotes; the filter `json`
//! writes a whole JSON value, quotes included.

use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Output, State, UndefinedBehavior, Value, context};

use super::Context;
use crate::secrets::Secret;

/// Steps that one rendering may take.
const FUEL: u64 = 100_000;
/// The largest body, in bytes.
const BODY_MAX: usize = 1 << 20;

/// A checked template with its secrets.
pub(super) struct Template {
    environment: Arc<Environment<'static>>,
    secrets: BTreeMap<String, String>,
    is_json: bool,
}

impl Template {
    pub(super) fn new(body: &str, secrets: &BTreeMap<String, Secret>) -> Result<Self, String> {
        let is_json =
            body.trim_start().starts_with(['{', '[']) && !body.trim_start().starts_with("{%");
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Chainable);
        environment.set_fuel(Some(FUEL));
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.add_filter("json", whole_json);
        if is_json {
            environment.set_formatter(inside_json);
        }
        environment
            .add_template_owned("body".to_owned(), body.to_owned())
            .map_err(|error| format!("body: {}", words(&error)))?;
        let secrets =
            secrets.iter().map(|(name, text)| (name.clone(), text.reveal().to_owned())).collect();
        Ok(Self { environment: Arc::new(environment), secrets, is_json })
    }

    pub(super) fn is_json(&self) -> bool {
        self.is_json
    }

    pub(super) fn render(&self, context: &Context<'_>) -> Result<String, String> {
        let refuse =
            |error: &minijinja::Error| format!("the body's template failed: {}", words(error));
        let notice = context.notice;
        let delivery = context.delivery;
        let template = self.environment.get_template("body").map_err(|error| refuse(&error))?;
        let body = template
            .render(context! {
                incident => Value::from(Serde(&*delivery.message.incident)),
                secret => self.secrets.clone(),
                text => notice.first_line(),
                why => notice.why.as_str(),
                link => notice.page.as_str(),
                delivery => context! { id => delivery.id.to_string(), attempt => delivery.attempt },
                may_be_repeat => delivery.may_be_repeat,
            })
            .map_err(|error| refuse(&error))?;
        if BODY_MAX < body.len() {
            return Err(format!("the body's template made more than {BODY_MAX} bytes"));
        }
        Ok(body)
    }
}

/// Writes a value as JSON, quotes included.
fn whole_json(value: &Value) -> Result<Value, minijinja::Error> {
    serde_json::to_string(value).map(Value::from_safe_string).map_err(|error| {
        minijinja::Error::new(minijinja::ErrorKind::BadSerialization, error.to_string())
    })
}

/// Writes a text as the inside of a JSON string; numbers and `json` values as they are.
fn inside_json(
    out: &mut Output<'_>,
    state: &mut State<'_, '_>,
    value: &Value,
) -> Result<(), minijinja::Error> {
    match value.as_str() {
        Some(text) if !value.is_safe() => {
            let quoted = serde_json::Value::from(text).to_string();
            let inside = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            out.write_str(inside.unwrap_or_default()).map_err(minijinja::Error::from)
        }
        Some(_) | None => minijinja::escape_formatter(out, state, value),
    }
}

/// Says what is wrong without the secrets that minijinja's long form would show.
fn words(error: &minijinja::Error) -> String {
    let detail = error.detail().map_or_else(String::new, |detail| format!(": {detail}"));
    let line = error.line().map_or_else(String::new, |line| format!(" in line {line}"));
    format!("{}{detail}{line}", error.kind())
}
