//! What a newcomer gets: the size of the binary, the time to the first line, to readiness, the
//! memory and the threads of `try` when nothing happens.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints and may give up")]

mod support;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Empty;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use support::daemon::watchbell;
use support::{DEADLINE, line, machine, now, pass, percentile};

const STARTS: usize = 5;
const IDLE: Duration = Duration::from_secs(30);

fn main() {
    support::run(measure());
}

async fn measure() {
    println!("`watchbell try`, {STARTS} starts, then {} s without a change", IDLE.as_secs());
    machine();
    let size = std::fs::metadata(env!("CARGO_BIN_EXE_watchbell")).unwrap().len();
    line("binary", mib(size));
    let starts = {
        let mut starts = Vec::new();
        for _ in 0..STARTS {
            starts.push(Start::measure().await);
        }
        starts
    };
    let ms = |of: fn(&Start) -> Duration| {
        let all: Vec<Duration> = starts.iter().map(of).collect();
        format!("{:.0} ms", percentile(&all, 50).as_secs_f64() * 1e3)
    };
    line("exec to first line, median", ms(|start| start.line));
    line("exec to ready, median", ms(|start| start.ready));
    let idle = Start::measure().await;
    pass(IDLE).await;
    line("resident memory", mib(idle.status("VmRSS:") * 1024));
    line("of it not shared with files", mib(idle.status("RssAnon:") * 1024));
    line("threads", idle.status("Threads:"));
}

fn mib(bytes: u64) -> String {
    let tenths = bytes * 10 / (1 << 20);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

/// A running `try`; it is ended when dropped.
struct Start {
    child: Child,
    line: Duration,
    ready: Duration,
}

impl Start {
    async fn measure() -> Self {
        let began = now();
        let mut child = watchbell()
            .arg("try")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        lines.read_line(&mut first).unwrap();
        let line = began.elapsed();
        // Nobody may be left to write to a pipe that is never read.
        std::thread::spawn(move || lines.lines().map_while(Result::ok).count());
        let url = first.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
        let ready = ready(url, began).await;
        Self { child, line, ready }
    }

    /// A number of `/proc/PID/status`.
    fn status(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let of = |line: &str| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok();
        status.lines().find_map(of).unwrap()
    }
}

impl Drop for Start {
    fn drop(&mut self) {
        let pid = i32::try_from(self.child.id()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap();
    }
}

async fn ready(url: &str, began: Instant) -> Duration {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let address: http::Uri = format!("{url}/-/ready").parse().unwrap();
    loop {
        if client.get(address.clone()).await.is_ok_and(|answer| answer.status() == 200) {
            return began.elapsed();
        }
        assert!(began.elapsed() < DEADLINE, "not ready");
        pass(Duration::from_millis(2)).await;
    }
}
