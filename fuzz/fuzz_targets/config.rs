//! Configurations of any text: every fault is a finding, none a panic.

#![no_main]

use std::path::{Path, PathBuf};

use libfuzzer_sys::fuzz_target;
use watchbell_config::load::{Files, load_text};

/// A disk without files.
struct Nothing;

impl Files for Nothing {
    fn read(&self, _path: &Path) -> Result<String, String> {
        Err("no such file".to_owned())
    }

    fn matching(&self, _folder: &Path, _pattern: &str) -> Result<Vec<PathBuf>, String> {
        Ok(Vec::new())
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let checked = load_text(Path::new("watchbell.toml"), text, &Nothing);
    assert!(checked.has_errors() || checked.diagnostics.iter().all(|one| !one.message.is_empty()));
});
