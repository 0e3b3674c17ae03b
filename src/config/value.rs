//! The checked configuration of everything outside the two deciding crates.
//!
//! Values here cannot be wrong in form; secrets stay references until the daemon resolves them.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use watchbell_metrics::label::Matchers;
use watchbell_metrics::rule::Rule;
use watchbell_metrics::rule::group::Group;
use watchbell_paging::id::PersonId;
use watchbell_paging::settings::Settings;

/// Where a secret is found; the text is only read by `run` and `check --online`.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretRef {
    /// `cred:NAME`: a systemd credential.
    Credential(String),
    /// `env:NAME`
    Environment(String),
    /// `file:PATH`
    File(PathBuf),
    /// Written into the configuration, which `check` warns of.
    Literal(String),
}

impl fmt::Debug for SecretRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credential(name) => write!(formatter, "cred:{name}"),
            Self::Environment(name) => write!(formatter, "env:{name}"),
            Self::File(path) => write!(formatter, "file:{}", path.display()),
            Self::Literal(_) => formatter.write_str("***"),
        }
    }
}

/// A whole checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// What deciding needs.
    pub settings: Arc<Settings>,
    /// Every rule, in the order of the files.
    pub rules: Vec<Arc<Rule>>,
    /// The groups of the Prometheus rule files, in the order of the files.
    pub groups: Vec<Arc<Group>>,
    /// `[daemon]`
    pub daemon: Daemon,
    /// `[http]`
    pub http: Http,
    /// `[collect]`
    pub collect: Collect,
    /// `[scrape.*]`, by name.
    pub scrapes: BTreeMap<String, Arc<Scrape>>,
    /// `[history]`
    pub history: History,
    /// `[slack]`
    pub slack: Option<Slack>,
    /// `[email]`
    pub email: Option<Email>,
    /// `[webhook.*]`, by name.
    pub webhooks: BTreeMap<String, Webhook>,
    /// `[deadman] ping`: where the outgoing heartbeat goes.
    pub deadman: Option<SecretRef>,
    /// The files it was read from, the main one first.
    pub files: Vec<PathBuf>,
}

/// `[daemon]`
#[derive(Clone, Debug, PartialEq)]
pub struct Daemon {
    /// `None`: `$STATE_DIRECTORY`, else `./watchbell-state`.
    pub state: Option<PathBuf>,
    /// Evaluation of rules that no fresh sample has triggered; default 15 s.
    pub interval: Duration,
    /// `$externalLabels` of imported rules.
    pub external_labels: BTreeMap<String, String>,
}

impl Default for Daemon {
    fn default() -> Self {
        let external_labels = BTreeMap::new();
        Self { state: None, interval: Duration::from_secs(15), external_labels }
    }
}

/// `[http]`
#[derive(Clone, Debug, PartialEq)]
pub struct Http {
    /// Default 127.0.0.1:9911.
    pub listen: SocketAddr,
    /// The start of links inside pages; default `http://<listen>`. No slash at the end.
    pub url: String,
    /// Person or program by token; empty = nobody is asked, loopback only.
    pub tokens: BTreeMap<PersonId, SecretRef>,
}

impl Default for Http {
    fn default() -> Self {
        Self::on(SocketAddr::from(([127, 0, 0, 1], 9911)))
    }
}

impl Http {
    /// Returns the settings of an address without tokens, its links pointing to itself.
    #[must_use]
    pub fn on(listen: SocketAddr) -> Self {
        Self { listen, url: format!("http://{listen}"), tokens: BTreeMap::new() }
    }
}

/// `[collect]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collect {
    /// Metrics of this host under node_exporter's names (job `host`); off by default.
    pub host: bool,
    /// The daemon's own metrics (job `watchbell`); on by default.
    pub own: bool,
    /// How often; default 15 s.
    pub interval: Duration,
}

impl Default for Collect {
    fn default() -> Self {
        Self { host: false, own: true, interval: Duration::from_secs(15) }
    }
}

/// One `[scrape.*]` table.
#[derive(Clone, Debug, PartialEq)]
pub struct Scrape {
    /// The table's name, the default `job`.
    pub name: String,
    /// The targets.
    pub urls: Vec<String>,
    /// Default 15 s.
    pub interval: Duration,
    /// Default the smaller of 10 s and the interval.
    pub timeout: Duration,
    /// Put on every series; may set `job` and `instance`.
    pub labels: BTreeMap<String, String>,
    /// `Authorization: Bearer`
    pub bearer: Option<SecretRef>,
    /// Basic authentication.
    pub basic: Option<(String, SecretRef)>,
    /// TLS beyond the system's roots.
    pub tls: Tls,
    /// Ask for gzip; default false.
    pub gzip: bool,
    /// The largest body, decoded; default 16 MiB.
    pub max_body: u64,
    /// The most series; default 50,000.
    pub max_series: usize,
    /// The most labels a series may have; default 64.
    pub max_labels: usize,
    /// The longest label value in bytes; default 4,096.
    pub max_label_length: usize,
}

impl Scrape {
    /// Returns a table with every default and no targets.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            urls: Vec::new(),
            interval: Duration::from_secs(15),
            timeout: Self::TIMEOUT,
            labels: BTreeMap::new(),
            bearer: None,
            basic: None,
            tls: Tls::default(),
            gzip: false,
            max_body: 16 * 1024 * 1024,
            max_series: 50_000,
            max_labels: 64,
            max_label_length: 4_096,
        }
    }

    /// The time limit of a scrape whose interval is not shorter.
    pub const TIMEOUT: Duration = Duration::from_secs(10);
}

/// `tls = { ca, cert, key }`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// A PEM file of further roots.
    pub ca: Option<PathBuf>,
    /// A PEM file with the client's certificate.
    pub cert: Option<PathBuf>,
    /// Its key.
    pub key: Option<SecretRef>,
}

/// `[history]`
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    /// Ranges of series that no rule reads; zero keeps their last sample only. Default 15 m.
    pub raw: Duration,
    /// How long what rules read is kept; default 35 d.
    pub keep: Duration,
    /// Further series that are kept as if a rule read them.
    pub matchers: Vec<Matchers>,
}

impl Default for History {
    fn default() -> Self {
        let (raw, keep) = (Duration::from_secs(15 * 60), Duration::from_secs(35 * 86_400));
        Self { raw, keep, matchers: Vec::new() }
    }
}

/// `[slack]`
#[derive(Clone, Debug, PartialEq)]
pub struct Slack {
    /// The bot token.
    pub token: SecretRef,
    /// Socket mode.
    pub app_token: Option<SecretRef>,
    /// HTTP interactivity.
    pub signing_secret: Option<SecretRef>,
    /// Default `https://slack.com/api`. No slash at the end.
    pub api_url: String,
}

impl Slack {
    /// Where Slack's Web API is.
    pub const API_URL: &'static str = "https://slack.com/api";
}

/// How a mail connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailTls {
    /// TLS from the first byte (`smtps://`).
    Implicit,
    /// STARTTLS or nothing is sent.
    Required,
    /// STARTTLS where the server offers it.
    Opportunistic,
    /// No TLS.
    None,
}

/// `[email]`
#[derive(Clone, Debug, PartialEq)]
pub struct Email {
    /// The server's name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: MailTls,
    /// Who we are.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<SecretRef>,
    /// The From header, as written.
    pub from: String,
}

/// `[webhook.*]`
#[derive(Clone, Debug, PartialEq)]
pub struct Webhook {
    /// Where it is posted to; may be a secret.
    pub url: SecretOr<String>,
    /// A template; absent: Alertmanager's version-4 body.
    pub body: Option<String>,
    /// Further headers.
    pub headers: BTreeMap<String, SecretOr<String>>,
    /// `secrets = { key = "cred:..." }`, seen by the template as `secret.key`.
    pub secrets: BTreeMap<String, SecretRef>,
    /// `Authorization: Bearer`
    pub bearer: Option<SecretRef>,
}

/// A value, or a reference to a secret that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretOr<T> {
    /// Written as it is.
    Plain(T),
    /// Resolved by the daemon.
    Secret(SecretRef),
}
