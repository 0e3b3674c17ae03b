//! Signed links: proof that whoever opens one was sent it.
//!
//! A token names an incident and an addressee, and expires. HMAC-SHA256 (RFC 2104) over the text,
//! base64url without padding. Knows nothing of mail or HTTP.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use watchbell_paging::id::IncidentId;
use watchbell_paging::time::Timestamp;

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

    /// Signs a token.
    #[must_use]
    pub fn sign(&self, token: &Token) -> String {
        let text = format!("{}\n{}\n{}", token.incident, token.until.as_millis(), token.who);
        let signature = self.mac(text.as_bytes()).finalize().into_bytes();
        format!("{}.{}", URL_SAFE_NO_PAD.encode(&text), URL_SAFE_NO_PAD.encode(signature))
    }

    /// Reads a token.
    ///
    /// # Errors
    /// It is damaged or too old.
    pub fn read(&self, text: &str, now: Timestamp) -> Result<Token, BadToken> {
        let (body, signature) = text.trim().split_once('.').ok_or(BadToken::Damaged)?;
        let body = URL_SAFE_NO_PAD.decode(body).map_err(|_| BadToken::Damaged)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| BadToken::Damaged)?;
        self.mac(&body).verify_slice(&signature).map_err(|_| BadToken::Damaged)?;
        let body = String::from_utf8(body).map_err(|_| BadToken::Damaged)?;
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

    fn mac(&self, body: &[u8]) -> Hmac<Sha256> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes a key of any length");
        mac.update(body);
        mac
    }
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
