//! A real Prometheus as a child process: Debian's, or the one that `PROMETHEUS` names.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::daemon::{Folder, free_port};

/// What version 3 does only when it is asked to; version 2 passes over it.
const FEATURES: &str = "promql-experimental-functions,promql-delayed-name-removal";

/// A running Prometheus; it is ended when this is dropped.
pub struct Prometheus {
    child: Child,
    /// `http://127.0.0.1:PORT`
    pub url: String,
    log: PathBuf,
}

impl Prometheus {
    /// Starts it with a configuration, or says that it is absent.
    pub fn start(folder: &Folder, config: &str) -> Option<Self> {
        let program = program("PROMETHEUS", "prometheus");
        let config = folder.write("prometheus.yml", config);
        let log = folder.path().join("prometheus.log");
        let output = fs::File::create(&log).unwrap();
        let address = format!("127.0.0.1:{}", free_port());
        let started = Command::new(&program)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("tsdb").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg(format!("--enable-feature={FEATURES}"))
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn();
        let child = super::present(&program, started)?;
        Some(Self { child, url: format!("http://{address}"), log })
    }

    /// Returns its log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let ended = self.child.kill().and_then(|()| self.child.wait());
        if let Err(error) = ended {
            eprintln!("ending prometheus: {error}");
        }
    }
}

/// Returns the program that an environment variable names, else the one of this name.
pub fn program(variable: &str, name: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| name.to_owned())
}
