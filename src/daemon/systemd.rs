//! Telling systemd how we are: ready, reloading, stopping, alive.
//!
//! Without a manager (`$NOTIFY_SOCKET`) nothing happens. When to tell is the caller's business:
//! the watchdog is fed by the deciding loop.

use sd_notify::NotifyState;

/// The service is up: the journal is read back and the first scrapes have begun.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// Shows one line in `systemctl status`.
pub fn status(line: &str) {
    // A line break would begin another message.
    let line = line.replace(['\n', '\r'], " ");
    tell(&[NotifyState::Status(&line)]);
}

/// The configuration is being read again; `ready` ends it.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "no time to tell the service manager"),
    }
}

/// The service stops.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// The deciding loop has just done a turn.
pub fn alive() {
    tell(&[NotifyState::Watchdog]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager could not be told");
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;
    use std::process::{Command, Stdio};

    use super::*;

    /// The variables are the process's, so this test plays both parts: it starts itself.
    #[test]
    fn a_manager_hears_every_word() {
        const CHILD: &str = "WATCHBELL_TEST_CHILD";
        if std::env::var_os(CHILD).is_some() {
            ready();
            status("2 open\nREADY=0");
            reloading();
            alive();
            stopping();
            return;
        }
        ready();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let done = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "systemd::tests::a_manager_hears_every_word"])
            .env(CHILD, "1")
            .env("NOTIFY_SOCKET", &path)
            .env("WATCHDOG_USEC", "30000000")
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(done.success());
        socket.set_nonblocking(true).unwrap();
        let mut heard = Vec::new();
        let mut buffer = [0; 1024];
        while let Ok(count) = socket.recv(&mut buffer) {
            heard.push(String::from_utf8(buffer[..count].to_vec()).unwrap());
        }
        let first: Vec<&str> = heard.iter().filter_map(|one| one.lines().next()).collect();
        let expected =
            ["READY=1", "STATUS=2 open READY=0", "RELOADING=1", "WATCHDOG=1", "STOPPING=1"];
        assert_eq!(first, expected);
        assert!(heard[2].contains("MONOTONIC_USEC="), "{heard:?}");
    }
}
