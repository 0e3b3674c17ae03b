//! The JSON schema of the configuration, for editors.
//!
//! Made from the same descriptions that the checks use, so it cannot know other keys than they do.

use serde_json::{Map, Value, json};

use crate::root::SHAPE;
use crate::shape::{Field, Shape, Word};

/// Returns the schema (draft 2020-12).
#[must_use]
pub fn schema() -> Value {
    let mut whole = table(&SHAPE);
    if let Some(object) = whole.as_object_mut() {
        object.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        object.insert("title".to_owned(), json!("Watchbell"));
    }
    whole
}

fn table(shape: &Shape) -> Value {
    let properties: Map<String, Value> =
        shape.keys.iter().map(|field| (field.name.to_owned(), property(field))).collect();
    json!({
        "type": "object",
        "description": shape.doc,
        "properties": properties,
        "additionalProperties": false,
    })
}

fn property(field: &Field) -> Value {
    let mut property = value(&field.word);
    if let Some(object) = property.as_object_mut() {
        object.insert("description".to_owned(), json!(field.doc));
        if let Some(default) = default(field) {
            object.insert("default".to_owned(), default);
        }
    }
    property
}

/// The default as a value of its own type.
fn default(field: &Field) -> Option<Value> {
    match &field.word {
        _ if field.default.is_empty() => None,
        Word::Flag | Word::Integer | Word::Number | Word::List(_) => {
            serde_json::from_str(field.default).ok()
        }
        _ => Some(json!(field.default)),
    }
}

fn value(word: &Word) -> Value {
    match word {
        Word::Text => json!({ "type": "string" }),
        Word::Template => {
            json!({ "type": "string", "examples": ["{{ labels.service }}: {{ value | percent }}"] })
        }
        Word::Promql => {
            json!({ "type": "string", "examples": ["http_requests_total{code=~\"5..\"}"] })
        }
        Word::Matchers => json!({ "type": "string", "examples": ["severity=\"critical\""] }),
        Word::Date => json!({ "type": "string", "examples": ["2026-12-25"] }),
        Word::Duration => json!({ "type": "string", "pattern": DURATION, "examples": ["5m"] }),
        Word::Size => json!({ "type": "string", "pattern": SIZE, "examples": ["16MiB"] }),
        Word::Share => json!({ "type": "string", "pattern": SHARE, "examples": ["5%"] }),
        Word::Quantity => json!({ "type": ["string", "number"], "examples": ["100GiB"] }),
        Word::Bound => json!({ "type": "string", "pattern": BOUND, "examples": ["> 1%"] }),
        Word::Secret => {
            json!({ "type": "string", "examples": ["cred:NAME", "env:NAME", "file:PATH"] })
        }
        Word::Integer => json!({ "type": "integer" }),
        Word::Number => json!({ "type": "number" }),
        Word::Flag => json!({ "type": "boolean" }),
        Word::OneOf(words) => json!({ "enum": words }),
        Word::List(item) => json!({ "type": "array", "items": value(item) }),
        Word::Map(item) => json!({ "type": "object", "additionalProperties": value(item) }),
        Word::Table(shape) => table(shape),
        Word::Either(words) => json!({ "anyOf": words.iter().map(value).collect::<Vec<_>>() }),
    }
}

const DURATION: &str = r"^\s*([0-9.]+\s*(ns|us|µs|ms|s|m|h|d|w|y)\s*)+$|^0$";
const SIZE: &str = r"^\s*[0-9.]+\s*(B|kB|MB|GB|TB|KiB|MiB|GiB|TiB)\s*$";
const SHARE: &str = r"^\s*[0-9.]+\s*%\s*$";
const BOUND: &str = r"^\s*(>=|<=|>|<|≥|≤|[0-9+-])";
