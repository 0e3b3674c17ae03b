//! The unit as systemd itself judges it.

#![allow(clippy::unwrap_used, reason = "a test fails where it meets a fault")]
#![allow(clippy::print_stdout, reason = "a test says that it was skipped")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What the unit may be exposed to at most, on systemd's scale from 0 (nothing) to 10.
const EXPOSURE_MAX: f64 = 1.1;

#[test]
fn the_unit_is_locked_down() {
    let Some(output) = analyze(&["security", "--offline=true", "--no-pager", &unit()]) else {
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let exposure: f64 = text
        .split_once("Overall exposure level")
        .and_then(|(_, rest)| rest.split_once(": "))
        .and_then(|(_, rest)| rest.split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .unwrap_or_else(|| panic!("no exposure in:\n{text}"));
    assert!(exposure <= EXPOSURE_MAX, "{exposure}\n{text}");
}

#[test]
fn the_unit_is_correct() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("watchbell.service");
    // The tool wants the program to exist.
    let text = std::fs::read_to_string(unit()).unwrap();
    let program = env!("CARGO_BIN_EXE_watchbell");
    assert!(text.contains("ExecStart=/usr/bin/watchbell run\n"));
    std::fs::write(&copy, text.replace("/usr/bin/watchbell", program)).unwrap();
    let Some(output) = analyze(&["verify", &copy.to_string_lossy()]) else { return };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.trim().is_empty(), "{said}");
}

#[test]
fn the_unit_keeps_what_the_daemon_needs() {
    let text = std::fs::read_to_string(unit()).unwrap();
    for line in [
        "Type=notify",
        "WatchdogSec=30s",
        "ExecReload=/bin/kill -HUP $MAINPID",
        "DynamicUser=yes",
        "StateDirectory=watchbell",
        "RuntimeDirectory=watchbell",
        "ConfigurationDirectory=watchbell",
        "Restart=always",
    ] {
        assert!(text.lines().any(|one| one == line), "{line} is missing");
    }
    let settings = || text.lines().filter(|line| !line.starts_with('#'));
    assert!(!settings().any(|line| line.starts_with("ProcSubset")), "/proc/stat would be hidden");
}

/// Runs the tool; where it is absent the test says so and ends, but not in continuous integration.
fn analyze(arguments: &[&str]) -> Option<Output> {
    match Command::new("systemd-analyze").args(arguments).output() {
        Ok(output) => Some(output),
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "systemd-analyze: {error}");
            println!("systemd-analyze is absent: {error}");
            None
        }
    }
}

fn unit() -> String {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/watchbell.service");
    path.to_string_lossy().into_owned()
}
