//! The relay's HTTP API, as far as the commands use it. Requests are not signed.

use std::net::IpAddr;
use std::time::Duration;

use clap::Args;
use reqwest::{Client, Method, RequestBuilder, Url, redirect};
use serde_json::Value;

use crate::Failure;

/// How long a call of the API may take. A deployed relay's gateway gives up after 30 s, and its answer
/// says more than a timeout here.
const CALL_TIMEOUT: Duration = Duration::from_secs(35);

/// The status of a gateway that refuses a request before the relay sees it.
const FORBIDDEN: u16 = 403;

/// Where the relay is.
#[derive(Args)]
pub(crate) struct Api {
    /// The relay's URL.
    #[arg(long, env = "RELAY_URL", default_value = "http://127.0.0.1:3000")]
    relay_url: String,
}

impl Api {
    /// The URL of a path of the API.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.relay_url.trim_end_matches('/'))
    }

    /// Posts a JSON text.
    pub(crate) async fn post(&self, path: &str, json: String) -> Result<Value, Failure> {
        let request = self.call(Method::POST, path)?;
        self.ask(request.header("content-type", "application/json").body(json)).await
    }

    /// Gets a JSON document.
    pub(crate) async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.ask(self.call(Method::GET, path)?).await
    }

    fn call(&self, method: Method, path: &str) -> Result<RequestBuilder, Failure> {
        let url = self.url(path);
        Ok(client(&url, &self.relay_url)?.request(method, url).timeout(CALL_TIMEOUT))
    }

    async fn ask(&self, request: RequestBuilder) -> Result<Value, Failure> {
        let (status, text) = exchange(&self.relay_url, request).await?;
        if status == FORBIDDEN {
            return Err(Failure::Forbidden { answer: text });
        }
        success("the relay", status, text)
    }
}

/// A client for a URL, which errors call `place`. It follows no redirect: a relay has none, and a
/// message must not go elsewhere.
pub(crate) fn client(url: &str, place: &str) -> Result<Client, Failure> {
    let mut builder = Client::builder().redirect(redirect::Policy::none());
    if is_loopback(url) {
        // A proxy's loopback is another machine's.
        builder = builder.no_proxy();
    }
    builder.build().map_err(|reason| unreachable(place, reason))
}

/// Whether the URL's host is this machine by any of the names that need no lookup.
fn is_loopback(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host.trim_end_matches('.') == "localhost"
        || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// The error without its URL, which may be a link that is not to be shown.
fn unreachable(place: &str, reason: reqwest::Error) -> Failure {
    Failure::Unreachable { place: place.to_owned(), reason: reason.without_url() }
}

/// Uploads a body. The link is not shown: whoever has it may upload. How long it takes depends on the
/// body and the line, so it has no timeout.
pub(crate) async fn put(url: &str, headers: &Value, body: Vec<u8>) -> Result<(), Failure> {
    let place = "the upload link";
    let mut request = client(url, place)?.put(url);
    for (name, value) in headers.as_object().into_iter().flatten() {
        request = request.header(name, value.as_str().unwrap_or_default());
    }
    let (status, text) = exchange(place, request.body(body)).await?;
    success(place, status, text).map(drop)
}

/// The answer's status and text.
async fn exchange(place: &str, request: RequestBuilder) -> Result<(u16, String), Failure> {
    let exchange = async {
        let response = request.send().await?;
        let status = response.status().as_u16();
        Ok((status, response.text().await?))
    };
    exchange.await.map_err(|reason| unreachable(place, reason))
}

/// The answer's JSON, if it is a success.
fn success(place: &str, status: u16, text: String) -> Result<Value, Failure> {
    let is_success = (200..300).contains(&status);
    match serde_json::from_str::<Value>(&text) {
        Ok(json) if is_success => Ok(json),
        Err(_) if is_success && text.is_empty() => Ok(Value::Null),
        Ok(_) | Err(_) => Err(Failure::Answered { place: place.to_owned(), status, answer: text }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_call_of_the_api_ends() {
        let api = Api { relay_url: "http://127.0.0.1:3000/".to_owned() };
        let request = api.call(Method::GET, "/v1/messages/m").unwrap().build().unwrap();
        assert_eq!(request.timeout(), Some(&CALL_TIMEOUT));
        assert_eq!(request.url().as_str(), "http://127.0.0.1:3000/v1/messages/m");
    }

    #[test]
    fn loopback_is_known_by_each_of_its_names() {
        for host in [
            "127.0.0.1",
            "127.9.9.9",
            "127.1",
            "[::1]",
            "localhost",
            "LOCALHOST.",
            "[::ffff:127.0.0.1]",
        ] {
            assert!(is_loopback(&format!("http://{host}:3000/a")), "{host}");
        }
        for host in ["128.0.0.1", "10.0.0.1", "[::2]", "localhost.example", "127.0.0.1.example"] {
            assert!(!is_loopback(&format!("http://{host}/")), "{host}");
        }
    }
}
