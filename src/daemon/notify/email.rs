//! Mail, through lettre: one recipient per envelope, threaded per incident, with a signed link.
//!
//! One connection per mail: lettre's pool would hand a connection whose last mail was cut short
//! by the time limit to the next one. Sources: RFC 5322 (identification fields), RFC 3834
//! (`Auto-Submitted`).

mod body;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lettre::Message;
use lettre::address::Envelope;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use watchbell_config::value::{Email, MailTls};
use watchbell_paging::level::Severity;
use watchbell_paging::outbox::{Anchor, Delivery, Outcome, Purpose};
use watchbell_paging::time::Timestamp;
use watchbell_paging::view::IncidentState;

use super::format::{Notice, clean};
use super::wire;
use crate::links::{Links, Token};
use crate::secrets::Secret;

/// How long a link in a mail lets its reader acknowledge.
const LINK_LIFE: Duration = Duration::from_secs(7 * 24 * 3600);
/// The whole attempt has the outer limit; this one only keeps a dead address from eating it all.
const CONNECT_MAX: Duration = Duration::from_secs(15);
/// Saying goodbye is polite, not needed.
const QUIT_MAX: Duration = Duration::from_secs(1);
const SUBJECT_MAX: usize = 120;

/// Delivers mail.
pub(super) struct Mail {
    host: String,
    port: u16,
    tls: MailTls,
    parameters: TlsParameters,
    credentials: Option<Credentials>,
    from: Mailbox,
    hello: ClientId,
}

/// A mail that is ready to go, or why it cannot be written.
pub(super) type Sheet = Result<Letter, String>;

/// A mail that is ready to go.
#[derive(Debug)]
pub(super) struct Letter {
    envelope: Envelope,
    bytes: Vec<u8>,
    anchor: Anchor,
}

impl Mail {
    pub(super) fn new(table: &Email, password: Option<&Secret>) -> Result<Self, String> {
        let from: Mailbox = table.from.parse().map_err(|error| {
            format!("from = {:?} is no address ({error}); write Name <name@host>", table.from)
        })?;
        let parameters = TlsParameters::new(table.host.clone())
            .map_err(|error| format!("TLS cannot be prepared: {error}"))?;
        let credentials = table
            .user
            .as_ref()
            .zip(password)
            .map(|(user, word)| Credentials::new(user.clone(), word.reveal().to_owned()));
        Ok(Self {
            host: table.host.clone(),
            port: table.port,
            tls: table.tls,
            parameters,
            credentials,
            from,
            hello: ClientId::default(),
        })
    }

    /// Writes the mail of a delivery.
    pub(super) fn sheet(
        &self,
        to: &str,
        delivery: &Delivery,
        notice: &Notice,
        (links, now): (&Links, Timestamp),
    ) -> Sheet {
        let recipient: Mailbox =
            to.parse().map_err(|error| format!("{to:?} is no mail address: {error}"))?;
        let who = match &delivery.purpose {
            Purpose::Page { person } | Purpose::Thread { person: Some(person) } => person.as_str(),
            Purpose::Post | Purpose::Edit | Purpose::Thread { person: None } => to,
        };
        let acknowledge = (notice.state == IncidentState::Triggered).then(|| {
            links.acknowledge(&Token {
                incident: notice.incident,
                who: who.to_owned(),
                until: now.plus(LINK_LIFE),
            })
        });
        let id = self.message_id(delivery, links);
        let mut builder = Message::builder()
            .from(self.from.clone())
            .to(recipient.clone())
            .date(wall(now))
            .message_id(Some(id.clone()))
            .subject(subject(delivery))
            .raw_header(header("Auto-Submitted", "auto-generated"))
            .raw_header(header("X-Watchbell-Incident", &notice.incident.to_string()))
            .raw_header(header("X-Watchbell-Severity", notice.severity.as_str()));
        if notice.severity == Severity::Critical && notice.state == IncidentState::Triggered {
            builder = builder.raw_header(header("Importance", "high"));
        }
        let first = match &delivery.anchor {
            Some(Anchor::Email { message_id }) if *message_id != id => {
                builder = builder.in_reply_to(message_id.clone()).references(message_id.clone());
                message_id.clone()
            }
            Some(Anchor::Email { .. } | Anchor::Slack { .. }) | None => id,
        };
        let parts = body::Parts { notice, acknowledge: acknowledge.as_deref() };
        let message = builder
            .multipart(MultiPart::alternative_plain_html(parts.text(), parts.html()))
            .map_err(|error| format!("the mail cannot be written: {error}"))?;
        let envelope = Envelope::new(Some(self.from.email.clone()), vec![recipient.email])
            .map_err(|error| format!("the envelope cannot be written: {error}"))?;
        Ok(Letter {
            envelope,
            bytes: message.formatted(),
            anchor: Anchor::Email { message_id: first },
        })
    }

    /// Hands a mail to the server.
    pub(super) async fn deliver(&self, sheet: Sheet) -> Outcome {
        let letter = match sheet {
            Ok(letter) => letter,
            Err(why) => return Outcome::Failed { why },
        };
        let sent = async {
            let mut connection = self.connect().await?;
            connection.send(&letter.envelope, &letter.bytes).await?;
            Ok(connection)
        };
        match sent.await {
            Ok(mut connection) => {
                // The server has taken the mail; how the connection ends changes nothing.
                drop(tokio::time::timeout(QUIT_MAX, connection.quit()).await);
                Outcome::Accepted { anchor: Some(letter.anchor) }
            }
            Err(error) => refused(&error),
        }
    }

    /// Connects, greets and logs in.
    ///
    /// # Errors
    /// Says what the server did.
    pub(super) async fn probe(&self) -> Result<(), String> {
        let mut connection = self.connect().await.map_err(|error| wire::chain(&error))?;
        drop(tokio::time::timeout(QUIT_MAX, connection.quit()).await);
        Ok(())
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, lettre::transport::smtp::Error> {
        let wrapped = (self.tls == MailTls::Implicit).then(|| self.parameters.clone());
        let mut connection = AsyncSmtpConnection::connect_tokio1(
            (self.host.as_str(), self.port),
            Some(CONNECT_MAX),
            &self.hello,
            wrapped,
            None,
        )
        .await?;
        let upgrade = match self.tls {
            MailTls::Required => true,
            MailTls::Opportunistic => connection.can_starttls(),
            MailTls::Implicit | MailTls::None => false,
        };
        if upgrade {
            connection.starttls(self.parameters.clone(), &self.hello).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }

    /// The same for every attempt of a delivery, so that a repeat shows as one mail.
    fn message_id(&self, delivery: &Delivery, links: &Links) -> String {
        let (domain, incident) = (self.from.email.domain(), delivery.message.incident.id);
        format!("<watchbell-{}.{incident}.{}@{domain}>", delivery.id, links.installation())
    }
}

impl std::fmt::Debug for Mail {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Mail({}:{}, {:?})", self.host, self.port, self.tls)
    }
}

/// Names the incident by what never changes while it lives: its number and the labels of its key.
/// The title may carry a value and the severity may rise, so both stand in the body; a mail
/// program that threads by subject would tear the incident apart otherwise.
fn subject(delivery: &Delivery) -> String {
    let incident = &*delivery.message.incident;
    let values: Vec<&str> = incident.key.split('"').skip(1).step_by(2).collect();
    let name = if values.is_empty() { incident.key.clone() } else { values.join(" ") };
    let drill = if incident.drill { "[DRILL] " } else { "" };
    format!("{drill}[Watchbell] {} (#{})", clean(&name, SUBJECT_MAX), incident.id)
}

fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

fn wall(now: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(now.as_millis()).unwrap_or(0))
}

fn refused(error: &lettre::transport::smtp::Error) -> Outcome {
    let words = wire::quote(&wire::chain(error));
    if error.is_permanent() {
        return Outcome::Failed { why: format!("the mail server refused: {words}") };
    }
    // Everything else may pass: 4xx, a lost connection, a name that does not resolve right now, a
    // certificate that is being replaced, a STARTTLS that is not offered by one of several hosts.
    Outcome::Retry { after: None, why: format!("the mail server did not take it: {words}") }
}

#[cfg(test)]
mod tests;
