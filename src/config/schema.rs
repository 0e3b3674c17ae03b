//! The JSON schema of the configuration, for editors.

/// Returns the schema (draft 2020-12).
#[must_use]
pub fn schema() -> serde_json::Value {
    todo!()
}
