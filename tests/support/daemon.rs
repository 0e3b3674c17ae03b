//! The built binary as a child process: started, asked, signalled, killed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::service::Service;
use super::slack::Slack;

/// The longest that anything here may take.
pub const DEADLINE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A folder that vanishes with its owner.
pub struct Folder(PathBuf);

impl Folder {
    /// Makes an empty folder with a short path, because sockets live in it.
    pub fn new(name: &str) -> Self {
        let unique = format!("wb-{name}-{}-{}", std::process::id(), free_port());
        let path = std::env::temp_dir().join(unique);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file into it and returns its path.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("removing {}: {error}", self.0.display());
        }
    }
}

/// Returns a port that is free, and that the system gives to nobody else: it lies below those that
/// connections and other listeners get, so a daemon that is killed finds it free again.
pub fn free_port() -> u16 {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let offset = u16::try_from(std::process::id() % 15_000).unwrap();
    for _ in 0..1_000 {
        let next = (offset + TAKEN.fetch_add(1, Ordering::Relaxed)) % 15_000;
        let port = 15_000 + next;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free");
}

/// Returns the configuration of a service whose gauge above 1 pages ana over Slack.
pub fn one_gauge(service: &Service, slack: &Slack, hold: &str) -> String {
    format!(
        r#"
[scrape.api]
url = ["{}"]
interval = "1s"
[rule.gauge]
expr = "test_gauge"
critical = "> 1"
for = "{hold}"
[person.ana]
slack = "U01"
[[route]]
name = "all"
page = ["ana"]
fallback = ["ana"]
[slack]
token = "env:TEST_SLACK_TOKEN"
api_url = "{}"
"#,
        service.metrics_url(),
        slack.api_url()
    )
}

/// A running daemon; it is killed when dropped.
pub struct Daemon {
    child: Child,
    /// `http://127.0.0.1:PORT`
    pub url: String,
    /// Its folder: configuration, state, log.
    pub folder: PathBuf,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// An answer over HTTP.
pub struct Answer {
    pub status: u16,
    pub text: String,
}

impl Answer {
    /// Reads the body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text)
            .unwrap_or_else(|error| panic!("{error} in {} {}", self.status, self.text))
    }
}

impl Daemon {
    /// Writes `config` (without `[daemon] state` and `[http]`) and starts the daemon.
    pub async fn start(folder: &Folder, config: &str) -> Self {
        let port = free_port();
        let state = folder.path().join("state");
        let text = format!(
            "[http]\nlisten = \"127.0.0.1:{port}\"\n[daemon]\nstate = {state:?}\ninterval = \"1s\"\n{config}"
        );
        folder.write("watchbell.toml", &text);
        Self::start_again(folder.path(), port).await
    }

    /// Starts the daemon on what an earlier one left.
    pub async fn start_again(folder: &Path, port: u16) -> Self {
        let mut daemon = Self::launch(folder, port);
        daemon.wait_ready().await;
        daemon
    }

    /// Starts the process on what an earlier one left, and waits for nothing.
    pub fn launch(folder: &Path, port: u16) -> Self {
        let child = spawn(folder);
        let client = Client::builder(TokioExecutor::new()).build_http();
        let url = format!("http://127.0.0.1:{port}");
        Self { child, url, folder: folder.to_path_buf(), client }
    }

    /// Returns its port.
    pub fn port(&self) -> u16 {
        self.url.rsplit(':').next().unwrap().parse().unwrap()
    }

    /// Returns its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it as the kernel would, and waits until it is gone.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits until it has ended.
    pub async fn ended(&mut self) -> ExitStatus {
        wait_for("the daemon's end", async || self.child.try_wait().unwrap()).await
    }

    /// Asks over HTTP.
    pub async fn get(&self, path: &str) -> Answer {
        self.request("GET", path, "").await
    }

    /// Sends JSON over HTTP.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.request("POST", path, &body.to_string()).await
    }

    /// Sends anything over HTTP.
    pub async fn request(&self, method: &str, path: &str, body: &str) -> Answer {
        self.request_with(method, path, &[("content-type", "application/json")], body).await
    }

    /// Sends anything with any headers.
    pub async fn request_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        self.try_request(method, path, headers, body).await.unwrap_or_else(|error| {
            panic!("{method} {path}: {error}\n{}", self.log());
        })
    }

    /// Waits until the incidents in a state satisfy a condition, and gives what it gives.
    pub async fn incidents<T>(
        &self,
        what: &str,
        state: &str,
        condition: impl Fn(&[Value]) -> Option<T>,
    ) -> T {
        let path = format!("/api/watchbell/v1/incidents?state={state}");
        let found = try_wait_for(async || {
            let answer = self.get(&path).await.json();
            condition(answer.as_array().unwrap())
        })
        .await;
        if let Some(found) = found {
            return found;
        }
        let last = self.get(&path).await.text;
        panic!("{what}: not within {DEADLINE:?}; incidents {last}\n{}", self.log())
    }

    /// Returns its log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    async fn try_request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Answer, hyper_util::client::legacy::Error> {
        let mut request =
            http::Request::builder().method(method).uri(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
        let response = self.client.request(request.body(body).unwrap()).await?;
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        Ok(Answer { status, text: String::from_utf8_lossy(&bytes).into_owned() })
    }

    /// Waits until it is ready.
    pub async fn wait_ready(&mut self) {
        let ready = try_wait_for(async || {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(Err(status));
            }
            let answer = self.try_request("GET", "/-/ready", &[], "").await.ok()?;
            (answer.status == 200).then_some(Ok(()))
        })
        .await;
        match ready {
            Some(Ok(())) => {}
            Some(Err(status)) => panic!("the daemon ended with {status}\n{}", self.log()),
            None => panic!("the daemon is not ready within {DEADLINE:?}\n{}", self.log()),
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.kill();
        }
    }
}

/// Returns the command of the built binary, without the environment of whoever runs the tests.
pub fn watchbell() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_watchbell"));
    command.env_remove("WATCHBELL_CONFIG").env_remove("WATCHBELL_URL").env_remove("NO_COLOR");
    command
}

/// Waits until a condition gives something, and gives it.
pub async fn wait_for<T>(what: &str, condition: impl AsyncFnMut() -> Option<T>) -> T {
    try_wait_for(condition).await.unwrap_or_else(|| panic!("{what}: not within {DEADLINE:?}"))
}

/// Waits until a condition gives something, or the deadline passes.
pub async fn try_wait_for<T>(mut condition: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let mut look = tokio::time::interval(LOOK_EVERY);
    let looking = async {
        loop {
            look.tick().await;
            if let Some(found) = condition().await {
                return found;
            }
        }
    };
    tokio::time::timeout(DEADLINE, looking).await.ok()
}

fn spawn(folder: &Path) -> Child {
    let log = fs::OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap();
    watchbell()
        .arg("run")
        .arg("--config")
        .arg(folder.join("watchbell.toml"))
        .env("TEST_SLACK_TOKEN", "xoxb-test")
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}
