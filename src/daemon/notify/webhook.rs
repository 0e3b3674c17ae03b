//! Webhooks: Alertmanager's version-4 body, or the user's own template.
//!
//! A repeat carries the same `Idempotency-Key`. Source of the default body: Alertmanager's
//! documentation, `<webhook_config>`.

mod alertmanager;
mod template;

use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::Full;
use watchbell_paging::outbox::{Delivery, Outcome};

use self::template::Template;
use super::format::Notice;
use super::wire::{Wire, judge};
use crate::secrets::Secret;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// Posts to one `[webhook.*]` table.
pub(super) struct Webhook {
    name: String,
    url: Uri,
    headers: HeaderMap,
    body: Option<Template>,
}

/// What a body is made of.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub(super) delivery: &'a Delivery,
    pub(super) notice: &'a Notice,
    /// Labels that the route groups by.
    pub(super) group_by: &'a [String],
    /// The daemon's own address.
    pub(super) url: &'a str,
    /// Tells the deliveries of this state folder from those of another one.
    pub(super) installation: &'a str,
}

impl Webhook {
    pub(super) fn new(
        name: &str,
        url: &Secret,
        headers: &BTreeMap<String, Secret>,
        bearer: Option<&Secret>,
    ) -> Result<Self, String> {
        let parsed: Uri = url.reveal().parse().map_err(|error| format!("url: {error}"))?;
        if parsed.host().is_none() || !matches!(parsed.scheme_str(), Some("http" | "https")) {
            return Err("url is not one of http:// or https://".to_owned());
        }
        let mut map = HeaderMap::new();
        map.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        map.insert(USER_AGENT, HeaderValue::from_static("watchbell"));
        if let Some(bearer) = bearer {
            map.insert(AUTHORIZATION, header("bearer", &format!("Bearer {}", bearer.reveal()))?);
        }
        for (header_name, value) in headers {
            let parsed: HeaderName = header_name
                .parse()
                .map_err(|_| format!("{header_name:?} is no name of a header"))?;
            map.insert(parsed, header(header_name, value.reveal())?);
        }
        Ok(Self { name: name.to_owned(), url: parsed, headers: map, body: None })
    }

    /// Uses a template where one is given.
    pub(super) fn with_body(
        mut self,
        body: Option<&str>,
        secrets: &BTreeMap<String, Secret>,
    ) -> Result<Self, String> {
        let Some(body) = body else {
            return Ok(self);
        };
        let template = Template::new(body, secrets)?;
        let is_own = self.headers.get(CONTENT_TYPE).is_none_or(|kind| kind == JSON);
        if is_own && !template.is_json() {
            self.headers.insert(CONTENT_TYPE, HeaderValue::from_static(TEXT));
        }
        self.body = Some(template);
        Ok(self)
    }

    /// Attempts one delivery.
    pub(super) async fn deliver(&self, wire: &Wire, context: &Context<'_>) -> Outcome {
        let body = match &self.body {
            Some(template) => match template.render(context) {
                Ok(body) => body,
                Err(why) => return Outcome::Failed { why },
            },
            None => alertmanager::body(&self.name, context).to_string(),
        };
        let key = format!("watchbell-{}-{}", context.installation, context.delivery.id);
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.url.clone();
        *request.headers_mut() = self.headers.clone();
        match HeaderValue::from_str(&key) {
            Ok(key) => {
                request.headers_mut().insert(IDEMPOTENCY_KEY, key);
            }
            Err(error) => return Outcome::Failed { why: format!("{key}: {error}") },
        }
        let who = format!("webhook {}", self.name);
        match wire.send(request).await {
            Ok(said) => judge(&who, &said),
            Err(why) => {
                Outcome::Retry { after: None, why: format!("{who} is out of reach: {why}") }
            }
        }
    }
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Webhook({})", self.name)
    }
}

fn header(name: &str, value: &str) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_str(value)
        .map_err(|_| format!("{name}: a header takes one line of visible text"))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests;
