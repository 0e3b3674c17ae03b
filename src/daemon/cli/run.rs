//! `run` and `try`: the daemon itself.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::app::{self, AppError, Handle, Setup};
use crate::cli::Context;
use crate::cli::files::Disk;
use crate::cli::keys;
use crate::cli::out::{Exit, Failure, Out};
use crate::cli::stock::{MAIN, Stock, person};
use crate::reload;
use crate::telemetry::{self, LogTo};

/// The port that people know; `try` takes the next free one.
const PORT: u16 = 9911;
/// How many ports are tried.
const PORTS_MAX: u16 = 50;

pub(crate) fn run(context: &Context) -> Result<Exit, Failure> {
    let path = context.config_path();
    if let Err(error) = std::fs::metadata(&path) {
        return Err(Failure::usage(format!(
            "reading {}: {error}; name a configuration with --config, or start with \
             `watchbell try`",
            path.display()
        )));
    }
    let loaded =
        reload::read(&path, &Disk).map_err(|refused| Failure::usage(refused.to_string()))?;
    if !loaded.warnings.is_empty() {
        context.out.note(loaded.warnings.trim_end());
    }
    telemetry::log_to(LogTo::Service);
    let config = loaded.config;
    let state = state_folder(config.daemon.state.as_deref());
    std::fs::create_dir_all(&state)
        .map_err(|error| Failure::usage(format!("making {}: {error}", state.display())))?;
    let listener = TcpListener::bind(config.http.listen).map_err(|error| {
        Failure::usage(format!(
            "listening on {}: {error}; change [http] listen or stop what uses it",
            config.http.listen
        ))
    })?;
    let setup = Setup { path, files: Arc::new(Disk), config, state, listener };
    drive(setup, |_| {})
}

pub(crate) fn run_try(context: &Context) -> Result<Exit, Failure> {
    telemetry::log_to(LogTo::Newcomer);
    let (listener, address) = free_listener()?;
    let stock = Stock::new(address, &person());
    let loaded = reload::read(Path::new(MAIN), &stock)
        .map_err(|refused| Failure::problem(refused.to_string()))?;
    let state = Scratch::new()?;
    let rules = loaded.config.rules.len();
    let setup = Setup {
        path: PathBuf::from(MAIN),
        files: Arc::new(stock),
        config: loaded.config,
        state: state.0.clone(),
        listener,
    };
    let out = Out::new(false);
    let quiet = context.out.json;
    let keys = keys::SingleKeys::new();
    let ended = drive(setup, |handle| {
        if !quiet {
            greet(&out, address, rules);
        }
        keys::listen(handle);
    });
    drop(keys);
    ended
}

fn drive(setup: Setup, started: impl FnOnce(Handle)) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::problem(format!("starting the runtime: {error}")))?;
    let ended = runtime.block_on(app::run(setup, started));
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    match ended {
        Ok(()) => Ok(Exit::Ok),
        Err(error @ AppError::Ended(_)) => Err(Failure::problem(error.to_string())),
        Err(error) => Err(Failure::usage(error.to_string())),
    }
}

fn greet(out: &Out, address: SocketAddr, rules: usize) {
    let url = format!("http://{address}");
    out.line(format!("Watchbell watches this host and itself with {rules} rules: {url}"));
    out.line("");
    out.line("  b  burn one core: the CPU rule fires within 30 s and pages you here");
    out.line("  a  acknowledge the newest page");
    out.line("  q  quit");
    let environment =
        if address.port() == PORT { String::new() } else { format!("WATCHBELL_URL={url} ") };
    out.line("");
    // As it was started: before it is installed, `watchbell` alone is not found.
    let program = std::env::args().next().unwrap_or_else(|| "watchbell".to_owned());
    out.line(format!("In another terminal: {environment}{program} status"));
    out.line("");
}

fn free_listener() -> Result<(TcpListener, SocketAddr), Failure> {
    let mut last = None;
    for port in PORT..PORT + PORTS_MAX {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        match TcpListener::bind(address) {
            Ok(listener) => return Ok((listener, address)),
            Err(error) => last = Some(error),
        }
    }
    let why = last.map_or_else(String::new, |error| error.to_string());
    Err(Failure::problem(format!("no free port from {PORT} on: {why}")))
}

/// `[daemon] state`, else `$STATE_DIRECTORY`, else `./watchbell-state`.
pub(crate) fn state_folder(configured: Option<&Path>) -> PathBuf {
    let from_systemd = || {
        // systemd separates several folders by colons; the first is ours.
        let folders = std::env::var("STATE_DIRECTORY").ok()?;
        folders.split(':').next().filter(|first| !first.is_empty()).map(PathBuf::from)
    };
    configured
        .map(Path::to_path_buf)
        .or_else(from_systemd)
        .unwrap_or_else(|| PathBuf::from("watchbell-state"))
}

/// A state folder that is removed at exit.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self, Failure> {
        let path = std::env::temp_dir().join(format!("watchbell-try-{}", std::process::id()));
        std::fs::create_dir_all(&path)
            .map_err(|error| Failure::problem(format!("making {}: {error}", path.display())))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "the temporary folder stays");
        }
    }
}
