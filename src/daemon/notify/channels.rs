//! Every channel of one configuration, ready to use, with its secrets; and one attempt over them.
//!
//! Immutable: a reload builds a new one. Connects to nothing until a delivery asks for it.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use watchbell_config::value::{Config, SecretOr, SecretRef};
use watchbell_paging::outbox::{Address, Delivery, Outcome};
use watchbell_paging::settings::Settings;
use watchbell_paging::time::{Timestamp, format_duration};

use super::email::Mail;
use super::format::{Notice, Wording};
use super::slack::Slack;
use super::socket::Opening;
use super::webhook::{Context, Webhook};
use super::wire::{self, Wire};
use super::{Limits, NotifyError, terminal};
use crate::links::Links;
use crate::secrets::{self, Secret};

/// Channels that are ready.
#[derive(Debug)]
pub(super) struct Channels {
    settings: Arc<Settings>,
    links: Links,
    installation: String,
    url: String,
    wire: Wire,
    slack: Option<Slack>,
    socket: Option<Opening>,
    signing: Option<Secret>,
    mail: Option<Mail>,
    webhooks: BTreeMap<String, Webhook>,
}

impl Channels {
    pub(super) fn new(config: &Config, links: Links) -> Result<Self, NotifyError> {
        let connector = wire::connector();
        let slack = config
            .slack
            .as_ref()
            .map(|table| {
                let token = resolve("[slack] token", &table.token)?;
                let has_buttons = table.app_token.is_some() || table.signing_secret.is_some();
                Ok(Slack::new(connector.clone(), &table.api_url, &token, has_buttons))
            })
            .transpose()?;
        let socket = config
            .slack
            .as_ref()
            .and_then(|table| Some((table, table.app_token.as_ref()?)))
            .map(|(table, token)| {
                let token = resolve("[slack] app_token", token)?;
                Ok(Opening::new(connector.clone(), &table.api_url, token))
            })
            .transpose()?;
        let signing = config
            .slack
            .as_ref()
            .and_then(|table| table.signing_secret.as_ref())
            .map(|secret| resolve("[slack] signing_secret", secret))
            .transpose()?;
        let mail = config
            .email
            .as_ref()
            .map(|table| {
                let password = table
                    .password
                    .as_ref()
                    .map(|password| resolve("[email] password", password))
                    .transpose()?;
                Mail::new(table, password.as_ref()).map_err(|why| invalid("[email]", why))
            })
            .transpose()?;
        let mut webhooks = BTreeMap::new();
        for (name, table) in &config.webhooks {
            webhooks.insert(name.clone(), webhook(name, table)?);
        }
        Ok(Self {
            settings: Arc::clone(&config.settings),
            installation: links.installation(),
            links,
            url: config.http.url.clone(),
            wire: Wire::new(wire::connector()),
            slack,
            socket,
            signing,
            mail,
            webhooks,
        })
    }

    /// Attempts a delivery once, within its time limit.
    pub(super) async fn attempt(
        &self,
        delivery: &Delivery,
        now: Timestamp,
        limits: Limits,
    ) -> Outcome {
        let notice = self.wording(now).notice(delivery);
        match &delivery.address {
            Address::Slack(to) => match &self.slack {
                Some(slack) => {
                    within(limits.chat, "slack", slack.deliver(to, delivery, &notice)).await
                }
                None => absent("[slack]"),
            },
            Address::Email(to) => match &self.mail {
                Some(mail) => {
                    let sheet = mail.sheet(to, delivery, &notice, (&self.links, now));
                    within(limits.mail, "the mail server", mail.deliver(sheet)).await
                }
                None => absent("[email]"),
            },
            Address::Webhook(name) => match self.webhooks.get(name) {
                Some(webhook) => {
                    let context = self.context(delivery, &notice);
                    let sending = webhook.deliver(&self.wire, &context);
                    within(limits.chat, "the webhook", sending).await
                }
                None => absent(&format!("[webhook.{name}]")),
            },
            Address::Terminal => {
                within(limits.chat, "the terminal", terminal::deliver(&notice)).await
            }
        }
    }

    /// What the engine was told by this configuration.
    pub(super) fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// How clicks are heard, if over a socket.
    pub(super) fn socket(&self) -> Option<&Opening> {
        self.socket.as_ref()
    }

    /// What Slack signs its requests with.
    pub(super) fn signing(&self) -> Option<&Secret> {
        self.signing.as_ref()
    }

    /// Answers a click, seen by the clicker alone.
    ///
    /// # Errors
    /// It did not arrive.
    pub(super) async fn respond(&self, url: Option<&str>, words: &str) -> Result<(), String> {
        match (&self.slack, url) {
            (Some(slack), Some(url)) => slack.respond(&self.wire, url, words).await,
            (Some(_), None) => Err("the click brought no response_url".to_owned()),
            (None, _) => Err("the configuration has no [slack]".to_owned()),
        }
    }

    /// Tries every channel without paging anyone.
    pub(super) async fn probe(&self, limits: Limits) -> Vec<(String, Result<(), String>)> {
        let mut found = Vec::new();
        if let Some(slack) = &self.slack {
            let asked = tokio::time::timeout(limits.chat, slack.probe()).await;
            found.push(("slack".to_owned(), asked.unwrap_or_else(|_| Err(late(limits.chat)))));
        }
        if let Some(mail) = &self.mail {
            let asked = tokio::time::timeout(limits.mail, mail.probe()).await;
            found.push(("email".to_owned(), asked.unwrap_or_else(|_| Err(late(limits.mail)))));
        }
        found
    }

    fn wording(&self, now: Timestamp) -> Wording<'_> {
        Wording {
            zone: &self.settings.zone,
            now,
            people: &self.settings.people,
            links: &self.links,
        }
    }

    fn context<'a>(&'a self, delivery: &'a Delivery, notice: &'a Notice) -> Context<'a> {
        let route = &delivery.message.incident.route;
        let group_by = self
            .settings
            .routes
            .iter()
            .find(|one| one.name == *route)
            .map_or(&[][..], |one| &one.group_by);
        let installation = &self.installation;
        Context { delivery, notice, group_by, url: &self.url, installation }
    }
}

fn webhook(name: &str, table: &watchbell_config::value::Webhook) -> Result<Webhook, NotifyError> {
    let place = |key: &str| format!("[webhook.{name}] {key}");
    let plain = |key: &str, value: &SecretOr<String>| match value {
        SecretOr::Plain(text) => Ok(Secret::new(text)),
        SecretOr::Secret(reference) => resolve(&place(key), reference),
    };
    let url = plain("url", &table.url)?;
    let mut headers = BTreeMap::new();
    for (header, value) in &table.headers {
        headers.insert(header.clone(), plain(&format!("headers.{header}"), value)?);
    }
    let mut known = BTreeMap::new();
    for (key, reference) in &table.secrets {
        known.insert(key.clone(), resolve(&place(&format!("secrets.{key}")), reference)?);
    }
    let bearer =
        table.bearer.as_ref().map(|bearer| resolve(&place("bearer"), bearer)).transpose()?;
    Webhook::new(name, &url, &headers, bearer.as_ref())
        .and_then(|webhook| webhook.with_body(table.body.as_deref(), &known))
        .map_err(|why| invalid(&format!("[webhook.{name}]"), why))
}

fn resolve(table: &str, reference: &SecretRef) -> Result<Secret, NotifyError> {
    secrets::resolve(reference)
        .map_err(|source| NotifyError::Secret { table: table.to_owned(), source })
}

fn invalid(table: &str, why: String) -> NotifyError {
    NotifyError::Invalid { table: table.to_owned(), why }
}

fn absent(table: &str) -> Outcome {
    Outcome::Failed { why: format!("the configuration has no {table} (any more)") }
}

fn late(limit: Duration) -> String {
    format!("no answer within {}", format_duration(limit))
}

async fn within(limit: Duration, who: &str, sending: impl Future<Output = Outcome>) -> Outcome {
    match tokio::time::timeout(limit, Box::pin(sending)).await {
        Ok(outcome) => outcome,
        Err(_) => Outcome::Retry { after: None, why: format!("{who} gave {}", late(limit)) },
    }
}
