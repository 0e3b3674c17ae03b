//! Rule files and rule tests of Prometheus, of any text: every fault is a finding with words, none
//! a panic.

#![no_main]

use std::path::{Path, PathBuf};

use libfuzzer_sys::fuzz_target;
use watchbell_config::load::{
    Files, Lints, RuleFileOptions, is_rule_file, load_prometheus_rules, load_rule_tests,
};

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
    let options = RuleFileOptions { lints: Lints::All, ..RuleFileOptions::default() };
    let checked = load_prometheus_rules(Path::new("rules.yml"), &Only(text), options);
    let tests = load_rule_tests(Path::new("tests.yml"), &Only(text), options);
    let mut findings = checked.diagnostics.iter().chain(&tests.diagnostics);
    assert!(findings.all(|one| !one.message.is_empty()));
});
