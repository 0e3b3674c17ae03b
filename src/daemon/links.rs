//! Signed links: proof that whoever opens one was sent it.
//!
//! A token of a mail names an incident and an addressee, and expires; one of a calendar feed names
//! a schedule and perhaps a person, and stays, because calendars read it for years. HMAC-SHA256
//! (RFC 2104) over the text, base64url without padding. Knows nothing of mail or HTTP.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use watchbell_paging::id::{IncidentId, PersonId, ScheduleId};
use watchbell_paging::time::Timestamp;

/// The first line of a feed's token; no number of an incident reads like it.
const FEED: &str = "feed 1";

/// Signs and reads tokens.
#[derive(Clone)]
pub struct Links {
    key: [u8; 32],
    url: String,
}

/// What a good token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Which incident.
    pub incident: IncidentId,
    /// Whom it was sent to: a person's id, or an address.
    pub who: String,
    /// Until when it is good.
    pub until: Timestamp,
}

/// Which shifts a feed shows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FeedToken {
    /// Whose shifts.
    pub schedule: ScheduleId,
    /// Only this person's.
    pub person: Option<PersonId>,
}

/// Why a token was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadToken {
    /// Not one of ours, or changed on its way.
    #[error("this link is damaged; copy it whole from the mail")]
    Damaged,
    /// Too old.
    #[error("this link has expired; open the incident page instead")]
    Expired,
}

impl Links {
    /// Uses a key that lives as long as the state folder; `url` is the start of every link.
    #[must_use]
    pub fn new(key: [u8; 32], url: &str) -> Self {
        Self { key, url: url.trim_end_matches('/').to_owned() }
    }

    /// Names this state folder, in eight hexadecimal digits. Numbers of incidents and deliveries
    /// begin anew in another one, and receivers drop in silence what carries a name that they know.
    #[must_use]
    pub fn installation(&self) -> String {
        let hash = self.mac(b"installation").finalize().into_bytes();
        hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Returns the page of an incident.
    #[must_use]
    pub fn incident(&self, incident: IncidentId) -> String {
        format!("{}/incidents/{incident}", self.url)
    }

    /// Returns a link that lets its reader acknowledge.
    #[must_use]
    pub fn acknowledge(&self, token: &Token) -> String {
        format!("{}/ack/{}", self.url, self.sign(token))
    }

    /// Returns the address of a calendar feed; who knows it may read the shifts.
    #[must_use]
    pub fn feed(&self, token: &FeedToken) -> String {
        // Names are keys of the configuration and may hold any letter, so they are framed.
        let person = token.person.as_ref().map(PersonId::as_str);
        let names = serde_json::json!([token.schedule.as_str(), person]);
        format!("{}/feeds/{}.ics", self.url, self.seal(&format!("{FEED}\n{names}")))
    }

    /// Returns the host of every link.
    #[must_use]
    pub fn host(&self) -> String {
        host_of(&self.url)
    }

    /// Signs a token.
    #[must_use]
    pub fn sign(&self, token: &Token) -> String {
        self.seal(&format!("{}\n{}\n{}", token.incident, token.until.as_millis(), token.who))
    }

    /// Reads a token.
    ///
    /// # Errors
    /// It is damaged or too old.
    pub fn read(&self, text: &str, now: Timestamp) -> Result<Token, BadToken> {
        let body = self.open(text)?;
        let mut parts = body.splitn(3, '\n');
        let incident = parts.next().and_then(IncidentId::parse).ok_or(BadToken::Damaged)?;
        let until = parts.next().and_then(|ms| ms.parse().ok()).ok_or(BadToken::Damaged)?;
        let who = parts.next().ok_or(BadToken::Damaged)?.to_owned();
        let until = Timestamp(until);
        if until < now {
            return Err(BadToken::Expired);
        }
        Ok(Token { incident, who, until })
    }

    /// Reads the token of a feed.
    ///
    /// # Errors
    /// It is damaged, or no feed's.
    pub fn read_feed(&self, text: &str) -> Result<FeedToken, BadToken> {
        let body = self.open(text)?;
        let names = body.strip_prefix(FEED).and_then(|rest| rest.strip_prefix('\n'));
        let names = names.and_then(|names| serde_json::from_str(names).ok());
        let (schedule, person): (String, Option<String>) = names.ok_or(BadToken::Damaged)?;
        let person = person.map(|person| PersonId::from(person.as_str()));
        Ok(FeedToken { schedule: ScheduleId::from(schedule.as_str()), person })
    }

    fn seal(&self, text: &str) -> String {
        let signature = self.mac(text.as_bytes()).finalize().into_bytes();
        format!("{}.{}", URL_SAFE_NO_PAD.encode(text), URL_SAFE_NO_PAD.encode(signature))
    }

    fn open(&self, text: &str) -> Result<String, BadToken> {
        let (body, signature) = text.trim().split_once('.').ok_or(BadToken::Damaged)?;
        let body = URL_SAFE_NO_PAD.decode(body).map_err(|_| BadToken::Damaged)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| BadToken::Damaged)?;
        self.mac(&body).verify_slice(&signature).map_err(|_| BadToken::Damaged)?;
        String::from_utf8(body).map_err(|_| BadToken::Damaged)
    }

    fn mac(&self, body: &[u8]) -> Hmac<Sha256> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes a key of any length");
        mac.update(body);
        mac
    }
}

/// Returns the host of an address, for identities that are unique in the world.
#[must_use]
pub fn host_of(url: &str) -> String {
    let host = url::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
    host.unwrap_or_else(|| "watchbell".to_owned())
}

impl std::fmt::Debug for Links {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Links({}, ***)", self.url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back_until_it_expires() {
        let links = Links::new([7; 32], "https://ops.example.org/");
        let token =
            Token { incident: IncidentId(42), who: "ana".to_owned(), until: Timestamp(100) };
        let text = links.sign(&token);
        assert_eq!(links.read(&text, Timestamp(100)), Ok(token));
        assert_eq!(links.read(&text, Timestamp(101)), Err(BadToken::Expired));
        assert_eq!(links.incident(IncidentId(42)), "https://ops.example.org/incidents/42");
    }

    #[test]
    fn an_installation_has_a_name_of_its_own_that_stays() {
        let name = Links::new([7; 32], "http://x").installation();
        assert_eq!(name, Links::new([7; 32], "http://elsewhere").installation());
        assert_ne!(name, Links::new([8; 32], "http://x").installation());
        assert!(name.len() == 8 && name.chars().all(|one| one.is_ascii_hexdigit()), "{name}");
    }

    #[test]
    fn a_feed_is_read_back_and_is_no_mails_token() {
        let links = Links::new([7; 32], "https://ops.example.org/");
        for (schedule, person) in [("devops", None), ("a\nb", Some("c\",\"d"))] {
            let feed = FeedToken {
                schedule: ScheduleId::from(schedule),
                person: person.map(PersonId::from),
            };
            let url = links.feed(&feed);
            let text = url.strip_prefix("https://ops.example.org/feeds/").unwrap();
            let text = text.strip_suffix(".ics").unwrap();
            assert_eq!(links.read_feed(text), Ok(feed));
            assert_eq!(links.read(text, Timestamp(0)), Err(BadToken::Damaged));
            let other = Links::new([8; 32], "https://ops.example.org/");
            assert_eq!(other.read_feed(text), Err(BadToken::Damaged));
        }
        let mail = Token { incident: IncidentId(1), who: "ana".to_owned(), until: Timestamp(9) };
        assert_eq!(links.read_feed(&links.sign(&mail)), Err(BadToken::Damaged));
        assert_eq!((links.host(), host_of("")), ("ops.example.org".into(), "watchbell".into()));
    }

    #[test]
    fn a_changed_token_is_refused() {
        let links = Links::new([7; 32], "http://x");
        let token =
            Token { incident: IncidentId(42), who: "ana".to_owned(), until: Timestamp(100) };
        let text = links.sign(&token);
        for bad in ["", ".", "a.b", text.trim_start_matches('N'), &format!("{text}x")] {
            assert_eq!(links.read(bad, Timestamp(0)), Err(BadToken::Damaged), "{bad:?}");
        }
        let other = Links::new([8; 32], "http://x");
        assert_eq!(other.read(&text, Timestamp(0)), Err(BadToken::Damaged));
    }
}
