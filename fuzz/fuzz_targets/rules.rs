//! Rule files of Prometheus, of any text: every fault is a finding with words, none a panic.

#![no_main]

use std::path::{Path, PathBuf};

use libfuzzer_sys::fuzz_target;
use watchbell_config::load::{Files, is_rule_file, load_prometheus_rules};

/// A disk with one file.
struct Only<'a>(&'a str);

impl Files for Only<'_> {
    fn read(&self, _path: &Path) -> Result<String, String> {
        Ok(self.0.to_owned())
    }

    fn matching(&self, _folder: &Path, _pattern: &str) -> Result<Vec<PathBuf>, String> {
        Ok(Vec::new())
    }
}

fuzz_target!(|text: &str| {
    let _known = is_rule_file(text);
    let checked = load_prometheus_rules(Path::new("rules.yml"), &Only(text));
    assert!(checked.diagnostics.iter().all(|one| !one.message.is_empty()));
});
