//! Samples of what the engine hands to the notifier, and a configuration to send them with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use watchbell_config::value::{
    Collect, Config, Daemon, Email, History, Http, MailTls, SecretRef, Slack,
};
use watchbell_metrics::label::Labels;
use watchbell_metrics::rule::Level;
use watchbell_paging::calendar::Calendar;
use watchbell_paging::id::{DeliveryId, IncidentId, PersonId, RouteName};
use watchbell_paging::level::Severity;
use watchbell_paging::outbox::{Address, Delivery, Message, Next, Purpose, Reason};
use watchbell_paging::route::{Person, Route};
use watchbell_paging::settings::Settings;
use watchbell_paging::sla::{Outcome, Promises, ReportFact};
use watchbell_paging::time::{Timestamp, Zone};
use watchbell_paging::view::{AlertView, IncidentState, IncidentView};

/// 2026-11-25T10:00:00Z
pub const TEN: Timestamp = Timestamp(1_795_600_800_000);

/// Returns the instant so many seconds after ten.
pub fn at(seconds: u64) -> Timestamp {
    TEN.plus(Duration::from_secs(seconds))
}

/// A critical incident that fired a minute after ten and that nobody has answered.
pub fn incident() -> IncidentView {
    let labels = Labels::from_pairs([("alertname", "error_rate"), ("service", "api")]);
    IncidentView {
        id: IncidentId(42),
        key: "critical{alertname=\"error_rate\",service=\"api\"}".to_owned(),
        state: IncidentState::Triggered,
        severity: Severity::Critical,
        route: RouteName::from("critical"),
        title: "api: 1.23% of requests fail".to_owned(),
        runbook: Some("https://wiki.example.org/error-rate?a=1&b=2".to_owned()),
        alerts: vec![AlertView {
            labels,
            value: 0.0123,
            value_text: "1.23%".to_owned(),
            level: Level::Critical,
            since: at(60),
            bound: Some("> 1%".to_owned()),
            summary: Some("api: 1.23% of requests fail".to_owned()),
            annotations: BTreeMap::new(),
            muted_by: Vec::new(),
            no_data_since: None,
        }],
        first_bad_at: Some(TEN),
        fired_at: at(60),
        notified_at: None,
        deadline: Some(at(360)),
        acked_at: None,
        acked_by: None,
        snoozed_until: None,
        resolved_at: None,
        sla: Outcome::Running,
        breach_cause: None,
        breached_at: None,
        drill: false,
        suppressed_by: Vec::new(),
        timeline: Vec::new(),
        paged: Vec::new(),
        pages: BTreeMap::new(),
        posted: Vec::new(),
        repeat: false,
        fact: fact(),
    }
}

/// The same, taken by Ana ninety seconds after it fired.
pub fn acked() -> IncidentView {
    IncidentView {
        state: IncidentState::Acked,
        acked_at: Some(at(150)),
        acked_by: Some("ana".to_owned()),
        ..incident()
    }
}

/// The same, over after ten minutes.
pub fn resolved() -> IncidentView {
    let mut incident =
        IncidentView { state: IncidentState::Resolved, resolved_at: Some(at(600)), ..acked() };
    for alert in &mut incident.alerts {
        alert.level = Level::Ok;
        alert.value_text = "0.04%".to_owned();
        alert.bound = None;
        alert.since = at(600);
    }
    incident
}

/// A page for Ana, the incident's first word to her.
pub fn page(id: u64, address: Address, incident: IncidentView) -> Delivery {
    Delivery {
        id: DeliveryId(id),
        address,
        purpose: Purpose::Page { person: PersonId::from("ana") },
        severity: incident.severity,
        attempt: 1,
        may_be_repeat: false,
        anchor: None,
        message: message(Reason::New, "1.23% of requests fail for 1m", incident),
    }
}

/// A message about an incident.
pub fn message(reason: Reason, why: &str, incident: IncidentView) -> Message {
    let is_open = incident.state == IncidentState::Triggered;
    Message {
        incident: Arc::new(incident),
        reason,
        why: why.to_owned(),
        paged: vec!["Ana".to_owned()],
        next: is_open.then(|| Next { at: at(180), what: "Ben is paged".to_owned() }),
    }
}

/// Every text that an alert can bring, full of traps.
pub fn hostile() -> IncidentView {
    let trap = "<!channel> <script>alert(1)</script> & @here <https://evil.example|ok>\r\n\
                Bcc: all@example.org\r\n\r\n\u{202e}reversed\u{0}\u{1b}[31m";
    let mut incident = incident();
    incident.title = trap.to_owned();
    incident.key = format!("critical{{service=\"{trap}\"}}");
    incident.runbook = Some("javascript:alert(1)".to_owned());
    for alert in &mut incident.alerts {
        alert.summary = Some(trap.to_owned());
        alert.labels = Labels::from_pairs([("alertname", "trap"), ("service", trap)]);
        alert.value_text = trap.to_owned();
    }
    incident
}

/// A configuration with Ana and Ben and one route, without channels.
pub fn configuration() -> Config {
    let zone = Zone::utc();
    let people = [person("ana", "Ana", "U01"), person("ben", "Ben", "U02")];
    let settings = Settings {
        zone: zone.clone(),
        calendar: Calendar::standard(zone),
        calendars: BTreeMap::new(),
        promises: Promises::default(),
        people: people.into_iter().map(|one| (one.id.clone(), one)).collect(),
        schedules: BTreeMap::new(),
        routes: vec![Route::new("critical")],
        rules: BTreeMap::new(),
        channels: BTreeSet::new(),
    };
    Config {
        settings: Arc::new(settings),
        rules: Vec::new(),
        groups: Vec::new(),
        daemon: Daemon::default(),
        http: Http {
            listen: "127.0.0.1:9911".parse().unwrap(),
            url: "https://ops.example.org".to_owned(),
            tokens: BTreeMap::new(),
        },
        collect: Collect { host: false, own: true, interval: Duration::from_secs(15) },
        scrapes: BTreeMap::new(),
        history: History {
            raw: Duration::from_secs(900),
            keep: Duration::from_secs(35 * 24 * 3600),
            matchers: Vec::new(),
        },
        slack: None,
        email: None,
        webhooks: BTreeMap::new(),
        deadman: None,
        files: Vec::new(),
    }
}

/// A `[slack]` table.
pub fn slack_table(api_url: &str) -> Slack {
    Slack {
        token: SecretRef::Literal("xoxb-secret".to_owned()),
        app_token: None,
        signing_secret: Some(SecretRef::Literal("signing".to_owned())),
        api_url: api_url.to_owned(),
    }
}

/// An `[email]` table for a server on loopback.
pub fn email_table(port: u16) -> Email {
    Email {
        host: "127.0.0.1".to_owned(),
        port,
        tls: MailTls::Opportunistic,
        user: None,
        password: None,
        from: "Watchbell <watchbell@example.org>".to_owned(),
    }
}

fn person(id: &str, name: &str, slack: &str) -> Person {
    Person {
        id: PersonId::from(id),
        name: name.to_owned(),
        email: Some(format!("{id}@example.org")),
        slack: Some(slack.to_owned()),
        terminal: false,
        zone: None,
        notify: Vec::new(),
    }
}

fn fact() -> ReportFact {
    ReportFact {
        severity: Severity::Critical,
        service: Some("api".to_owned()),
        team: None,
        first_bad: Some(TEN),
        fired: at(60),
        notified: None,
        acked: None,
        acked_by: None,
        resolved: None,
        outcome: Outcome::Running,
        cause: None,
        pages: Vec::new(),
        drill: false,
    }
}
