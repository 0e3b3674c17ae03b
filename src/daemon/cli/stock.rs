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
    /// Writes the configuration for a free address; pages go to `person`.
    pub(crate) fn new(listen: SocketAddr, person: &str) -> Self {
        let main = format!(
            r#"include = ["rules/*.toml"]

[daemon]
interval = "5s"
[http]
listen = "{listen}"
[collect]
host = true
interval = "5s"

[person.{person}]
terminal = true

[[route]]
name = "everything"
page = ["{person}"]
fallback = ["{person}"]
"#
        );
        Self { main }
    }
}

/// Who is paged by `try`: the user, under the name by which the commands act.
pub(crate) fn person() -> String {
    let is_name = |user: &String| {
        !user.is_empty()
            && user.chars().all(|one| one.is_ascii_alphanumeric() || matches!(one, '-' | '_'))
    };
    std::env::var("USER").ok().filter(is_name).unwrap_or_else(|| "someone".to_owned())
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
