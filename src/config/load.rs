//! Loading: from the main file and its includes to one checked configuration.

use std::path::{Path, PathBuf};

use crate::diagnostic::{Diagnostic, Severity, SourceFile};
use crate::value::Config;

/// Who opens files; this crate does not.
pub trait Files {
    /// Reads a file.
    ///
    /// # Errors
    /// Says why not, as the system words it.
    fn read(&self, path: &Path) -> Result<String, String>;

    /// Lists the files that match a pattern such as `rules/*.toml`, sorted; an absent folder
    /// gives none.
    ///
    /// # Errors
    /// Says why not.
    fn matching(&self, folder: &Path, pattern: &str) -> Result<Vec<PathBuf>, String>;
}

/// A configuration and everything that is wrong with it. What is faulty is left out of `config`,
/// so commands that need only a part can go on if that part has no errors.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The best that could be built.
    pub config: Config,
    /// Every finding, in order of place.
    pub diagnostics: Vec<Diagnostic>,
    /// The files.
    pub sources: Vec<SourceFile>,
}

impl Checked {
    /// Tells whether anything is refused.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|one| one.severity == Severity::Error)
    }

    /// Returns the errors in some tables (`["schedule", "person"]`), syntax errors included.
    #[must_use]
    pub fn errors_in(&self, tables: &[&str]) -> Vec<Diagnostic> {
        let _ = tables;
        todo!()
    }
}

/// Loads a main file with its includes.
#[must_use]
pub fn load(main: &Path, files: &dyn Files) -> Checked {
    let _ = (main, files);
    todo!()
}

/// Loads a configuration from text, `path` naming it in findings and anchoring its includes.
#[must_use]
pub fn load_text(path: &Path, text: &str, files: &dyn Files) -> Checked {
    let _ = (path, text, files);
    todo!()
}

/// Loads a base file (if any) with a table laid over it: names in `inline` replace or add to
/// those of the base (`[[route]]` as a whole). Used by scenarios.
#[must_use]
pub fn load_over(
    base: Option<&Path>,
    inline: &str,
    inline_path: &Path,
    files: &dyn Files,
) -> Checked {
    let _ = (base, inline, inline_path, files);
    todo!()
}

/// Checks a file of `[rule.*]` and `[slo.*]` tables by itself, without routes.
#[must_use]
pub fn load_rules(path: &Path, files: &dyn Files) -> Checked {
    let _ = (path, files);
    todo!()
}
