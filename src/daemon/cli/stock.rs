//! The configuration of `watchbell try`, built into the program: this host, itself, stock rules.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use watchbell_config::load::Files;

/// The stock rule files that speak of what every host has.
const RULES: [(&str, &str); 2] = [
    ("rules/host.toml", include_str!("../../../rules/host.toml")),
    ("rules/watchbell.toml", include_str!("../../../rules/watchbell.toml")),
];
/// The main file's name in findings.
pub(crate) const MAIN: &str = "try.toml";

/// Files that are part of the program.
#[derive(Clone, Debug)]
pub(crate) struct Stock {
    main: String,
}

impl Stock {
    /// Writes the configuration for a free address.
    pub(crate) fn new(listen: SocketAddr) -> Self {
        let main = format!(
            r#"include = ["rules/*.toml"]

[daemon]
interval = "5s"
[http]
listen = "{listen}"
[collect]
host = true
interval = "5s"

[person.you]
name = "You"
terminal = true

[[route]]
name = "everything"
page = ["you"]
fallback = ["you"]
"#
        );
        Self { main }
    }
}

impl Files for Stock {
    fn read(&self, path: &Path) -> Result<String, String> {
        if path == Path::new(MAIN) {
            return Ok(self.main.clone());
        }
        RULES
            .iter()
            .find(|(name, _)| path == Path::new(name))
            .map(|(_, text)| (*text).to_owned())
            .ok_or_else(|| "there is no such file".to_owned())
    }

    fn matching(&self, folder: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
        let rules = pattern == "rules/*.toml" || folder.ends_with("rules");
        Ok(RULES.iter().filter(|_| rules).map(|(name, _)| PathBuf::from(name)).collect())
    }
}
