//! The file system as the configuration asks for it.

use std::path::{Path, PathBuf};

use watchbell_config::load::Files;

/// Files on disk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> Result<String, String> {
        std::fs::read_to_string(path).map_err(|error| error.to_string())
    }

    fn matching(&self, folder: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
        let (sub, name) = match pattern.rsplit_once('/') {
            Some((sub, name)) => (folder.join(sub), name),
            None => (folder.to_path_buf(), pattern),
        };
        if !name.contains('*') {
            let path = sub.join(name);
            return if path.exists() {
                Ok(vec![path])
            } else {
                Err("there is no such file".to_owned())
            };
        }
        // The folder of a main file that is named without one.
        let listed = if sub.as_os_str().is_empty() { Path::new(".") } else { sub.as_path() };
        let entries = match std::fs::read_dir(listed) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(format!("listing {}: {error}", sub.display())),
        };
        let mut found: Vec<PathBuf> = entries
            .filter_map(Result::ok)
            .filter(|entry| is_match(name, &entry.file_name().to_string_lossy()))
            .map(|entry| sub.join(entry.file_name()))
            .filter(|path| path.is_file())
            .collect();
        found.sort();
        Ok(found)
    }
}

/// Matches a file name against a pattern whose `*` stands for any letters; a leading dot must be
/// written.
pub(crate) fn is_match(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_letters() {
        for (pattern, name, expected) in [
            ("*.toml", "host.toml", true),
            ("*.toml", ".host.toml", false),
            ("*.toml", "host.tom", false),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "aXc", false),
            ("host.toml", "host.toml", true),
            ("host.toml", "host.toml2", false),
            ("*", "anything", true),
        ] {
            assert_eq!(is_match(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_main_file_that_is_named_without_a_folder_finds_its_neighbours() {
        // Tests run in the folder of the package.
        let found = Disk.matching(Path::new(""), "Cargo.t*").unwrap();
        assert_eq!(found, [PathBuf::from("Cargo.toml")]);
    }

    #[test]
    fn an_absent_folder_gives_nothing_and_an_absent_file_is_a_fault() {
        let folder = Path::new("/nowhere/at/all");
        assert_eq!(Disk.matching(folder, "*.toml"), Ok(Vec::new()));
        assert!(Disk.matching(folder, "one.toml").is_err());
    }
}
