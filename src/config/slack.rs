//! `[slack]`: the Web API and how clicks come back.

use crate::code::Code;
use crate::findings::Findings;
use crate::raw::Entry;
use crate::shape::{Shape, Word, key, with};
use crate::value::Slack;
use crate::walk::{self, Fields};

pub(crate) static SHAPE: Shape = Shape {
    doc: "Slack's Web API.",
    keys: &[
        key("token", Word::Secret, "The bot token."),
        key(
            "app_token",
            Word::Secret,
            "Socket mode. Without it and `signing_secret` messages have no buttons.",
        ),
        key("signing_secret", Word::Secret, "HTTP interactivity instead of socket mode."),
        with("api_url", Word::Text, Slack::API_URL, "For proxies and tests."),
    ],
};

/// Reads the table.
pub(crate) fn check(entry: Option<&Entry>, out: &mut Findings<'_>) -> Option<Slack> {
    let entry = entry?;
    let fields = Fields::open(&entry.node, &entry.key.place, &SHAPE, out)?;
    let token = fields.required("token", "token = \"cred:slack_bot\"", out);
    let token = token.and_then(|node| walk::secret(node, out));
    let app_token = fields.secret("app_token", out);
    let signing_secret = fields.secret("signing_secret", out);
    if let (Some(app), Some(signing)) = (fields.entry("app_token"), fields.entry("signing_secret"))
    {
        out.error(Code::BadValue, &signing.key.place, "clicks come over socket mode or over HTTP")
            .label("HTTP")
            .also(&app.key.place, "socket mode")
            .help("leave out `app_token` or `signing_secret`");
    }
    let api_url = fields.node("api_url").and_then(|node| walk::url(node, out));
    let api_url = api_url.map(|url| url.trim_end_matches('/').to_owned());
    let api_url = api_url.unwrap_or_else(|| Slack::API_URL.to_owned());
    Some(Slack { token: token?, app_token, signing_secret, api_url })
}
