//! Secrets: references of the configuration to the texts behind them, which never print.

use std::fmt;
use std::path::{Path, PathBuf};

use watchbell_config::value::SecretRef;

/// A secret text; it prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// A secret that cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the secret {reference} cannot be read: {why}")]
pub struct SecretError {
    /// As it is written: `cred:slack_bot`.
    pub reference: String,
    /// Why, and what to do.
    pub why: String,
}

impl Secret {
    /// Wraps a text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Returns the text, for the one who sends it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

/// Reads the text behind a reference; white space at its end is dropped.
///
/// # Errors
/// It is not there, with what to do about it.
pub fn resolve(reference: &SecretRef) -> Result<Secret, SecretError> {
    let refuse = |why: String| SecretError { reference: format!("{reference:?}"), why };
    let text = match reference {
        SecretRef::Credential(name) => {
            let folder = std::env::var_os("CREDENTIALS_DIRECTORY").ok_or_else(|| {
                refuse("systemd gave no credentials; add LoadCredential= to the unit".to_owned())
            })?;
            read(&PathBuf::from(folder).join(name)).map_err(refuse)?
        }
        SecretRef::Environment(name) => std::env::var(name)
            .map_err(|_| refuse(format!("the environment variable {name} is not set")))?,
        SecretRef::File(path) => read(path).map_err(refuse)?,
        SecretRef::Literal(text) => text.clone(),
    };
    Ok(Secret(text.trim_end().to_owned()))
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("reading {}: {error}", path.display()))
}
