//! One of the two that are asked.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

const FORM: &str = "application/x-www-form-urlencoded";

/// Who is asked.
pub(crate) struct Side {
    /// `http://127.0.0.1:PORT`
    pub(crate) url: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) text: String,
    /// Null where the body is no JSON.
    pub(crate) json: Value,
}

impl Side {
    pub(crate) fn new(url: &str) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { url: url.to_owned(), client }
    }

    /// Asks with a query string.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "").await
    }

    /// Asks with a form.
    pub(crate) async fn post(&self, path: &str, form: &str) -> Answer {
        self.ask("POST", path, form).await
    }

    async fn ask(&self, method: &str, path: &str, form: &str) -> Answer {
        let answer = self.try_ask(method, path, form).await;
        answer.unwrap_or_else(|error| panic!("{method} {}{path}: {error}", self.url))
    }

    /// Asks somebody who may not be there yet.
    pub(crate) async fn try_ask(
        &self,
        method: &str,
        path: &str,
        form: &str,
    ) -> Result<Answer, Box<dyn std::error::Error>> {
        let mut request =
            http::Request::builder().method(method).uri(format!("{}{path}", self.url));
        if method == "POST" {
            request = request.header("content-type", FORM);
        }
        let request = request.body(Full::new(Bytes::copy_from_slice(form.as_bytes())))?;
        let response = self.client.request(request).await?;
        let status = response.status().as_u16();
        let content_type = response.headers().get("content-type");
        let content_type = content_type.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let content_type = content_type.to_owned();
        let body = response.into_body().collect().await?.to_bytes();
        let text = String::from_utf8_lossy(&body).into_owned();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok(Answer { status, content_type, text, json })
    }
}

/// Writes parameters as forms and query strings do.
pub(crate) fn encode(parameters: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}
