//! What a reviewer would have to look for by hand: layers, sizes, stray output, dead links.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const FILE_LINES_MAX: usize = 600;
const MAIN_LINES_MAX: usize = 100;
/// Crates in the order of the data's way; each may depend only on those before it.
const CRATES: [&str; 4] = ["metrics", "paging", "config", "sim"];

#[test]
fn modules_import_only_modules_declared_above_them() {
    let mut faults = Vec::new();
    for name in CRATES {
        let folder = root().join("src").join(name);
        let order = declared_modules(&read(&folder.join("lib.rs")));
        for file in rust_files(&folder).into_iter().filter(|file| !is_test(file)) {
            let Some(own) = top_module(&folder, &file) else { continue };
            let Some(own_index) = order.iter().position(|module| *module == own) else {
                faults.push(format!("{}: not declared in lib.rs", show(&file)));
                continue;
            };
            for (number, used) in imported_modules(&read(&file)) {
                let above = order.iter().position(|module| *module == used);
                if above.is_some_and(|index| index > own_index) {
                    faults.push(format!("{}:{number}: {own} imports {used}", show(&file)));
                }
            }
        }
    }
    assert!(faults.is_empty(), "imports that climb:\n{}", faults.join("\n"));
}

#[test]
fn crates_depend_only_on_crates_below_them() {
    let mut faults = Vec::new();
    for (index, name) in CRATES.iter().enumerate() {
        let manifest = read(&root().join("src").join(name).join("Cargo.toml"));
        for above in CRATES.iter().skip(index + 1).chain(&["daemon"]) {
            if manifest.contains(&format!("watchbell-{above}")) {
                faults.push(format!("src/{name}/Cargo.toml depends on {above}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn files_keep_their_size() {
    let mut faults = Vec::new();
    for file in rust_files(&root().join("src")) {
        if is_test(&file) {
            continue;
        }
        let lines = lines_without_tests(&read(&file));
        let main = file.file_name().is_some_and(|name| name == "main.rs");
        let most = if main { MAIN_LINES_MAX } else { FILE_LINES_MAX };
        if lines > most {
            faults.push(format!("{}: {lines} lines, at most {most}", show(&file)));
        }
    }
    assert!(faults.is_empty(), "split by noun:\n{}", faults.join("\n"));
}

#[test]
fn every_module_says_its_duty() {
    let silent: Vec<String> = rust_files(&root().join("src"))
        .into_iter()
        .filter(|file| !read(file).starts_with("//!"))
        .map(|file| show(&file))
        .collect();
    assert!(silent.is_empty(), "no `//!` in:\n{}", silent.join("\n"));
}

#[test]
fn tests_neither_sleep_nor_hide() {
    let forbidden = [concat!("slee", "p("), concat!("#[igno", "re"), concat!("#[should_", "panic")];
    let mut faults = Vec::new();
    for folder in ["src", "tests"] {
        for file in rust_files(&root().join(folder)) {
            let text = read(&file);
            let tests = if folder == "tests" { text.as_str() } else { test_part(&text) };
            for (number, line) in tests.lines().enumerate() {
                if forbidden.iter().any(|word| line.contains(word)) {
                    faults.push(format!("{}: test line {}: {line}", show(&file), number + 1));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn links_in_the_documents_resolve() {
    let mut faults = Vec::new();
    let mut documents = vec![root().join("README.md"), root().join("CHANGELOG.md")];
    documents.extend(files_under(&root().join("docs"), "md"));
    for document in documents {
        let text = read(&document);
        let base = document.parent().expect("a file has a folder");
        for link in links(&text) {
            let path = link.split('#').next().unwrap_or_default();
            if path.is_empty() || path.contains("://") || path.starts_with("mailto:") {
                continue;
            }
            if !base.join(path).exists() {
                faults.push(format!("{}: {link}", show(&document)));
            }
        }
    }
    assert!(faults.is_empty(), "dead links:\n{}", faults.join("\n"));
}

#[test]
fn the_changelog_has_an_open_section_on_top() {
    let text = read(&root().join("CHANGELOG.md"));
    let first = text.lines().find(|line| line.starts_with("## ")).unwrap_or_default();
    assert_eq!(first, "## Unreleased");
}

#[test]
fn every_stock_rule_file_has_its_scenarios() {
    let rules: BTreeSet<PathBuf> = files_under(&root().join("rules"), "toml").into_iter().collect();
    let missing: Vec<String> = rules
        .iter()
        .filter(|file| !file.to_string_lossy().ends_with(".test.toml"))
        .filter(|file| !rules.contains(&file.with_extension("test.toml")))
        .map(|file| show(file))
        .collect();
    assert!(!rules.is_empty() && missing.is_empty(), "without scenarios: {missing:?}");
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn show(file: &Path) -> String {
    file.strip_prefix(root()).unwrap_or(file).display().to_string()
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    files_under(folder, "rs")
}

fn is_test(file: &Path) -> bool {
    let inside = file.strip_prefix(root()).unwrap_or(file);
    inside.components().any(|part| part.as_os_str() == "tests")
        || file.file_name().is_some_and(|name| name == "tests.rs")
}

fn files_under(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn declared_modules(library: &str) -> Vec<String> {
    library
        .lines()
        .filter_map(|line| line.trim().trim_start_matches("pub ").strip_prefix("mod "))
        .filter_map(|rest| rest.split([';', ' ']).next())
        .map(str::to_owned)
        .collect()
}

fn top_module(folder: &Path, file: &Path) -> Option<String> {
    let inside = file.strip_prefix(folder).ok()?;
    let first = inside.components().next()?.as_os_str().to_string_lossy().into_owned();
    let module = first.trim_end_matches(".rs").to_owned();
    (module != "lib").then_some(module)
}

/// Test code may look anywhere; only what ships must keep the order.
fn imported_modules(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (index, line) in without_tests(text).lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        for part in code.split("crate::").skip(1) {
            let name: String = part
                .chars()
                .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
                .collect();
            found.push((index + 1, name));
        }
    }
    found
}

fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests").next().unwrap_or(text)
}

fn test_part(text: &str) -> &str {
    text.split_once("#[cfg(test)]\nmod tests").map_or("", |(_, tests)| tests)
}

fn lines_without_tests(text: &str) -> usize {
    without_tests(text).lines().count()
}

fn links(text: &str) -> Vec<String> {
    let mut seen = BTreeMap::new();
    for part in text.split("](").skip(1) {
        if let Some(link) = part.split(')').next() {
            seen.insert(link.trim().to_owned(), ());
        }
    }
    seen.into_keys().collect()
}
