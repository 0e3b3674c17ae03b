//! The configuration, for commands that compute from it without a daemon.

use std::path::PathBuf;

use watchbell_config::diagnostic::{Severity, render};
use watchbell_config::load::{Checked, load};

use crate::cli::Context;
use crate::cli::files::Disk;
use crate::cli::out::Failure;

/// Where the configuration is if nobody says otherwise.
pub(crate) const DEFAULT_PATH: &str = "/etc/watchbell/watchbell.toml";

impl Context {
    /// Returns the main file's path.
    pub(crate) fn config_path(&self) -> PathBuf {
        self.config.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_PATH))
    }

    /// Loads the configuration; an unreadable main file is an error that says what to do.
    pub(crate) fn load(&self) -> Result<Checked, Failure> {
        let path = self.config_path();
        if let Err(error) = std::fs::metadata(&path) {
            let hint = if self.config.is_none() {
                "; name one with --config or $WATCHBELL_CONFIG, or start with `watchbell try`"
            } else {
                ""
            };
            return Err(Failure::usage(format!("reading {}: {error}{hint}", path.display())));
        }
        Ok(load(&path, &Disk))
    }

    /// Loads the configuration for a command that reads only some tables: errors elsewhere are
    /// left for `check`.
    pub(crate) fn load_tables(&self, tables: &[&str]) -> Result<Checked, Failure> {
        let checked = self.load()?;
        let errors = checked.errors_in(tables);
        if errors.is_empty() {
            return Ok(checked);
        }
        self.out.note(render(&errors, &checked.sources, self.out.colour_of_stderr()).trim_end());
        Err(Failure::usage(format!("{} in the configuration", count(errors.len()))))
    }

    /// Prints the findings of a configuration; gives how many errors and warnings there are.
    pub(crate) fn show_findings(&self, checked: &Checked) -> (usize, usize) {
        if !checked.diagnostics.is_empty() {
            let colour = self.out.colour_of_stderr();
            self.out.note(render(&checked.diagnostics, &checked.sources, colour).trim_end());
        }
        let errors =
            checked.diagnostics.iter().filter(|one| one.severity == Severity::Error).count();
        (errors, checked.diagnostics.len() - errors)
    }
}

fn count(errors: usize) -> String {
    if errors == 1 { "1 error".to_owned() } else { format!("{errors} errors") }
}
