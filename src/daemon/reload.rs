//! Loading and reloading: read, check, then swap whole; a bad file changes nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use watchbell_config::diagnostic::{Severity, render};
use watchbell_config::load::{Files, load};
use watchbell_config::value::Config;

use crate::drill;

/// A configuration that was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{count} in {}\n{findings}", path.display())]
pub struct Refused {
    /// The main file.
    pub path: PathBuf,
    /// `1 error`, `3 errors`.
    pub count: String,
    /// The findings as people read them.
    pub findings: String,
}

/// A configuration that may be put in force, and what should be said about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration, drill rules included.
    pub config: Arc<Config>,
    /// Its warnings as people read them; empty without any.
    pub warnings: String,
}

/// Reads and checks a configuration.
///
/// # Errors
/// It has errors; nothing has changed.
pub fn read(path: &Path, files: &dyn Files) -> Result<Loaded, Refused> {
    let checked = load(path, files);
    let errors = checked.diagnostics.iter().filter(|one| one.severity == Severity::Error).count();
    let findings = if checked.diagnostics.is_empty() {
        String::new()
    } else {
        render(&checked.diagnostics, &checked.sources, false)
    };
    if errors > 0 {
        let count = if errors == 1 { "1 error".to_owned() } else { format!("{errors} errors") };
        return Err(Refused { path: path.to_path_buf(), count, findings });
    }
    let mut config = checked.config;
    let mut settings = Arc::unwrap_or_clone(config.settings);
    drill::add_rules(&mut settings);
    config.settings = Arc::new(settings);
    Ok(Loaded { config: Arc::new(config), warnings: findings })
}
