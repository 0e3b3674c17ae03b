//! The functions that Prometheus adds for hosts, paths and links.

use std::net::IpAddr;

use crate::template::go::builtin::{bounded, url_query};
use crate::template::go::function::{Function, text_at};
use crate::template::go::print::Output;
use crate::template::go::value::Kind::Text;
use crate::template::go::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::plain("stripPort", &[Text], |values| {
        let written = text_at(values, 0);
        Ok(Value::text(split_host_port(written).map_or(written, |(host, _)| host)))
    }),
    Function::plain("stripDomain", &[Text], |values| {
        Ok(Value::text(strip_domain(text_at(values, 0))))
    }),
    Function::plain("graphLink", &[Text], |values| link(text_at(values, 0), "0")),
    Function::plain("tableLink", &[Text], |values| link(text_at(values, 0), "1")),
    Function::scoped("pathPrefix", &[], |context, _| {
        Ok(Value::text(path(context.scope.external_url)))
    }),
    Function::scoped("externalURL", &[], |context, _| Ok(Value::text(context.scope.external_url))),
    Function::plain("urlQueryEscape", &[Text], |values| {
        let mut out = Output::default();
        url_query(text_at(values, 0), &mut out);
        bounded(out)
    }),
];

/// Go's `net.SplitHostPort`: the host without its square brackets, and the port.
fn split_host_port(written: &str) -> Option<(&str, &str)> {
    if let Some(rest) = written.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        let port = after.strip_prefix(':')?;
        let plain = !port.contains([':', '[', ']']) && !host.contains(['[', ']']);
        return plain.then_some((host, port));
    }
    let (host, port) = written.rsplit_once(':')?;
    let plain = !host.contains([':', '[', ']']) && !port.contains(['[', ']']);
    plain.then_some((host, port))
}

fn strip_domain(written: &str) -> String {
    let (host, port) = split_host_port(written).unwrap_or((written, ""));
    if host.parse::<IpAddr>().is_ok() {
        return written.to_owned();
    }
    let name = host.split('.').next().unwrap_or_default();
    match (port.is_empty(), name.contains(':')) {
        (true, _) => name.to_owned(),
        (false, false) => format!("{name}:{port}"),
        (false, true) => format!("[{name}]:{port}"),
    }
}

/// The page of an expression, relative to the server.
fn link(expression: &str, tab: &str) -> Result<Value, String> {
    let mut out = Output::default();
    out.push("/graph?g0.expr=");
    url_query(expression, &mut out);
    out.push("&g0.tab=");
    out.push(tab);
    bounded(out)
}

/// The path of a URL.
fn path(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = rest.find('/').and_then(|start| rest.get(start..)).unwrap_or_default();
    path.split(['?', '#']).next().unwrap_or_default()
}
