//! Debian's OpenSMTPD on loopback, keeping every mail in a maildir.
//!
//! Its queue and control socket have fixed places, so each server gets its own mount namespace;
//! where that is not allowed the servers take turns behind a lock.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use base64::Engine as _;

const PROGRAM: &str = "/usr/sbin/smtpd";
/// Mail to this domain is refused for good.
pub const REFUSED_DOMAIN: &str = "refused.example";

const RUN: &str = r#"
set -e
mkdir -p /var/spool/smtpd
chmod 711 /var/spool/smtpd
if unshare -m true 2>/dev/null; then
  exec unshare -m sh -c '
    mount -t tmpfs -o mode=711 tmpfs /var/spool/smtpd
    mount -t tmpfs -o mode=755 tmpfs /run
    exec "$0" -d -f "$1"' "$1" "$2"
fi
# The lock lives as long as the server, which keeps the descriptor and the process id.
exec 9</var/spool/smtpd
flock 9
exec "$1" -d -f "$2"
"#;

/// A running server; it ends when it is dropped.
pub struct MailServer {
    /// Where it listens.
    pub address: SocketAddr,
    folder: PathBuf,
    child: Child,
}

/// A mail as it was kept.
#[derive(Clone, Debug)]
pub struct Mail {
    /// The whole file.
    pub raw: String,
    /// Names and unfolded values, in order.
    pub headers: Vec<(String, String)>,
    /// The decoded `text/plain` part.
    pub text: String,
    /// The decoded `text/html` part.
    pub html: String,
}

impl MailServer {
    /// Starts a server; `None` where the program is absent, unless `CI` demands it.
    pub async fn start() -> Option<Self> {
        if !Path::new(PROGRAM).exists() {
            assert!(std::env::var_os("CI").is_none(), "{PROGRAM} is absent");
            eprintln!("skipped: {PROGRAM} is absent (Debian package opensmtpd)");
            return None;
        }
        let folder = temporary_folder();
        let address = free_address();
        let box_folder = folder.join("box");
        std::fs::create_dir(&box_folder).unwrap();
        // The mails are written by nobody, who has to reach the folder.
        std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o755)).unwrap();
        std::fs::set_permissions(&box_folder, PermissionsExt::from_mode(0o777)).unwrap();
        let settings = folder.join("smtpd.conf");
        std::fs::write(&settings, configuration(address, &box_folder)).unwrap();
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let child = as_root("sh")
            .args(["-c", RUN, "sh", PROGRAM])
            .arg(&settings)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let server = Self { address, folder, child };
        super::eventually("the mail server listens", super::DEADLINE, || {
            std::net::TcpStream::connect(address).ok()
        })
        .await;
        Some(server)
    }

    /// Returns what was kept so far, in no order.
    pub fn mails(&self) -> Vec<Mail> {
        let folder = self.folder.join("box/mail/new");
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.filter_map(|entry| read(&entry.path())).map(|raw| Mail::parse(&raw)).collect()
    }

    /// Waits until the mails fulfil a condition, and returns them.
    pub async fn wait_for(
        &self,
        condition: impl Fn(&[Mail]) -> bool,
        deadline: Duration,
    ) -> Vec<Mail> {
        super::eventually("mails", deadline, || {
            let mails = self.mails();
            condition(&mails).then_some(mails)
        })
        .await
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        // Asked kindly, it ends its own children.
        let ended = as_root("kill").arg(self.child.id().to_string()).status();
        if !ended.is_ok_and(|status| status.success()) {
            drop(self.child.kill());
        }
        drop(self.child.wait());
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

impl Mail {
    /// Returns the value of a header; empty where it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .iter()
            .find(|(one, _)| one.eq_ignore_ascii_case(name))
            .map_or("", |(_, value)| value)
    }

    fn parse(raw: &str) -> Self {
        let (headers, body) = split(raw);
        let kind = value(&headers, "content-type");
        let mut mail = Self {
            raw: raw.to_owned(),
            text: String::new(),
            html: String::new(),
            headers: headers.clone(),
        };
        match kind.split_once("boundary=\"").and_then(|(_, rest)| rest.split('"').next()) {
            Some(boundary) => {
                for part in body.split(&format!("--{boundary}")) {
                    let (headers, body) = split(part.trim_start_matches('\n'));
                    mail.take(&headers, body);
                }
            }
            None => mail.take(&headers, body),
        }
        mail
    }

    fn take(&mut self, headers: &[(String, String)], body: &str) {
        let text = decode(&value(headers, "content-transfer-encoding"), body);
        let kind = value(headers, "content-type");
        if kind.starts_with("text/html") {
            self.html = text;
        } else if kind.starts_with("text/plain") {
            self.text = text;
        }
    }
}

fn configuration(address: SocketAddr, box_folder: &Path) -> String {
    format!(
        "table everyone {{ \"@\" = \"nobody\" }}\n\
         listen on {} port {} hostname \"mail.test\"\n\
         action \"keep\" maildir \"{}/mail\" virtual <everyone>\n\
         match from any for domain \"{REFUSED_DOMAIN}\" reject\n\
         match from any for any action \"keep\"\n",
        address.ip(),
        address.port(),
        box_folder.display()
    )
}

fn as_root(program: &str) -> Command {
    if rustix::process::getuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.args(["-n", program]);
    command
}

fn temporary_folder() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder =
        std::env::temp_dir().join(format!("watchbell-mail-{}-{number}", std::process::id()));
    drop(std::fs::remove_dir_all(&folder));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn free_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], super::daemon::free_port()))
}

fn read(path: &Path) -> Option<String> {
    if let Ok(text) = std::fs::read_to_string(path) {
        return Some(text);
    }
    let shown = as_root("cat").arg(path).output().ok()?;
    shown.status.success().then(|| String::from_utf8_lossy(&shown.stdout).into_owned())
}

fn split(raw: &str) -> (Vec<(String, String)>, &str) {
    let (head, body) = raw.split_once("\n\n").unwrap_or((raw, ""));
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in head.lines() {
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = headers.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
    }
    (headers, body)
}

fn value(headers: &[(String, String)], name: &str) -> String {
    headers
        .iter()
        .find(|(one, _)| one.eq_ignore_ascii_case(name))
        .map_or_else(String::new, |(_, value)| value.clone())
}

fn decode(encoding: &str, body: &str) -> String {
    match encoding.to_lowercase().as_str() {
        "base64" => {
            let letters: String = body.split_whitespace().collect();
            let bytes = base64::engine::general_purpose::STANDARD.decode(letters).unwrap();
            String::from_utf8(bytes).unwrap()
        }
        "quoted-printable" => {
            let joined = body.replace("=\n", "");
            let mut bytes = Vec::new();
            let mut letters = joined.bytes();
            while let Some(letter) = letters.next() {
                if letter != b'=' {
                    bytes.push(letter);
                    continue;
                }
                let digits = [letters.next().unwrap(), letters.next().unwrap()];
                let digits = std::str::from_utf8(&digits).unwrap();
                bytes.push(u8::from_str_radix(digits, 16).unwrap());
            }
            String::from_utf8(bytes).unwrap()
        }
        _ => body.to_owned(),
    }
}
