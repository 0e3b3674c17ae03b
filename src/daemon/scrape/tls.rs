//! The HTTP client of outgoing GETs: connections that stay open, TLS with the system's roots.

use std::path::Path;
use std::sync::Arc;

use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};
use watchbell_config::value::Tls;

use crate::scrape::lookup::Lookup;
use crate::secrets;

/// A client; a clone shares its connections.
pub(crate) type HttpClient = Client<HttpsConnector<HttpConnector<Lookup>>, Full<bytes::Bytes>>;

/// Certificates of the system, read once per process because that costs milliseconds.
static SYSTEM_ROOTS: std::sync::LazyLock<RootCertStore> = std::sync::LazyLock::new(|| {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        tracing::info!("this system has no root certificates; https needs a `ca` of its own");
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    roots
});

/// Builds a client that trusts the system's roots.
pub(crate) fn plain_client(lookup: Lookup) -> HttpClient {
    build(start().with_root_certificates(SYSTEM_ROOTS.clone()).with_no_client_auth(), lookup)
}

/// Builds a client for a table's own roots and certificate.
///
/// # Errors
/// A file or the key cannot be read; names it.
pub(crate) fn client(tls: &Tls, lookup: Lookup) -> Result<HttpClient, String> {
    config(tls).map(|config| build(config, lookup))
}

fn build(config: ClientConfig, lookup: Lookup) -> HttpClient {
    let mut tcp = HttpConnector::new_with_resolver(lookup);
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(config)
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_max_idle_per_host(2)
        .build(connector)
}

fn start() -> ConfigBuilder<ClientConfig, WantsVerifier> {
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring speaks the default versions")
}

fn config(tls: &Tls) -> Result<ClientConfig, String> {
    let mut roots = SYSTEM_ROOTS.clone();
    if let Some(path) = &tls.ca {
        for one in certificates(path)? {
            roots.add(one).map_err(|error| format!("{}: {error}", path.display()))?;
        }
    }
    let builder = start().with_root_certificates(roots);
    let (Some(cert), Some(key)) = (&tls.cert, &tls.key) else {
        return Ok(builder.with_no_client_auth());
    };
    let secret = secrets::resolve(key).map_err(|error| error.to_string())?;
    let key = PrivateKeyDer::from_pem_slice(secret.reveal().as_bytes())
        .map_err(|error| format!("the key of {}: {error}", cert.display()))?;
    builder
        .with_client_auth_cert(certificates(cert)?, key)
        .map_err(|error| format!("{}: {error}", cert.display()))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let fault = |why: String| format!("reading certificates from {}: {why}", path.display());
    let found: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(path)
        .map_err(|error| fault(error.to_string()))?
        .collect::<Result<_, _>>()
        .map_err(|error| fault(error.to_string()))?;
    if found.is_empty() {
        return Err(fault("there is none in it".to_owned()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_or_empty_certificate_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let tls = Tls { ca: Some(path.clone()), ..Tls::default() };
        let client = |tls: &Tls| client(tls, Lookup::default());
        assert!(client(&tls).unwrap_err().contains("ca.pem"));
        std::fs::write(&path, "no certificate\n").unwrap();
        let error = client(&tls).unwrap_err();
        assert!(error.contains("there is none in it"), "{error}");
        assert!(client(&Tls::default()).is_ok());
    }
}
