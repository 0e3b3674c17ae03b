//! The file system as the configuration asks for it.

use std::path::{Component, Path, PathBuf};

use watchbell_config::load::Files;

/// As shells do it: letters are themselves, `*` stops at a slash, a leading dot must be written.
const MATCHING: glob::MatchOptions = glob::MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// Files on disk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> Result<String, String> {
        std::fs::read_to_string(path).map_err(|error| error.to_string())
    }

    fn matching(&self, folder: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
        let path = clean(&folder.join(pattern));
        if !pattern.contains(['*', '?', '[']) {
            return if path.exists() {
                Ok(vec![path])
            } else {
                Err("there is no such file".to_owned())
            };
        }
        // The folder is a name, whatever letters it has.
        let (inside, outside) = match path.strip_prefix(clean(folder)) {
            Ok(inside) => (inside.to_owned(), clean(folder)),
            Err(_) => (path, PathBuf::new()),
        };
        let outside = glob::Pattern::escape(&outside.to_string_lossy());
        let whole = Path::new(&outside).join(inside);
        let found = glob::glob_with(&whole.to_string_lossy(), MATCHING)
            .map_err(|error| format!("the pattern cannot be read: {error}"))?;
        let mut files = Vec::new();
        for entry in found {
            let path = entry.map_err(|error| format!("listing {}", error))?;
            if path.is_file() {
                files.push(path);
            }
        }
        files.sort();
        Ok(files)
    }
}

/// Matches a file name against a pattern; a leading dot must be written.
pub(crate) fn is_match(pattern: &str, name: &str) -> bool {
    glob::Pattern::new(pattern).is_ok_and(|pattern| pattern.matches_with(name, MATCHING))
}

/// Takes `.` and `name/..` out of a path, so that it reads as people would write it.
fn clean(path: &Path) -> PathBuf {
    let mut cleaned = PathBuf::new();
    for part in path.components() {
        match (part, cleaned.components().next_back()) {
            (Component::CurDir, _) | (Component::ParentDir, Some(Component::RootDir)) => {}
            (Component::ParentDir, Some(Component::Normal(_))) => {
                cleaned.pop();
            }
            (
                Component::Prefix(_)
                | Component::RootDir
                | Component::ParentDir
                | Component::Normal(_),
                _,
            ) => cleaned.push(part),
        }
    }
    cleaned
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
    fn paths_read_as_people_would_write_them() {
        for (path, expected) in [
            ("a/b/../c.yml", "a/c.yml"),
            ("./a/./c.yml", "a/c.yml"),
            ("../a/../c.yml", "../c.yml"),
            ("../../c.yml", "../../c.yml"),
            ("/../c.yml", "/c.yml"),
        ] {
            assert_eq!(clean(Path::new(path)), Path::new(expected), "{path}");
        }
    }

    #[test]
    fn folders_can_be_patterns_and_can_have_odd_names() {
        let folder = tempfile::tempdir().unwrap();
        let odd = folder.path().join("team [a]");
        for name in ["x/one.yml", "y/two.yml", "y/.hidden.yml", "three.yml"] {
            let path = odd.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let names = |pattern: &str| -> Vec<String> {
            let found = Disk.matching(&odd, pattern).unwrap();
            let name = |path: &PathBuf| path.strip_prefix(&odd).unwrap().display().to_string();
            found.iter().map(name).collect()
        };
        assert_eq!(names("*/*.yml"), ["x/one.yml", "y/two.yml"]);
        assert_eq!(names("x/../[a-y]/t*.yml"), ["y/two.yml"]);
        assert_eq!(names("three.y?l"), ["three.yml"]);
        assert!(Disk.matching(&odd, "[").is_err());
    }

    #[test]
    fn an_absent_folder_gives_nothing_and_an_absent_file_is_a_fault() {
        let folder = Path::new("/nowhere/at/all");
        assert_eq!(Disk.matching(folder, "*.toml"), Ok(Vec::new()));
        assert!(Disk.matching(folder, "one.toml").is_err());
    }
}
