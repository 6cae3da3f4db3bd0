//! The requests: one message, or many at once, and what the relay says to each message.
//!
//! Nothing is sent twice: an open-loop load repeats what its scenario repeats, not what went wrong.

use relay_core::access::ApiKey;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use serde::Deserialize;
use std::net::IpAddr;
use std::time::Duration;
use url::Url;

use crate::tally::{Failure, Verdict};

/// How long a request may take: a little longer than the relay's front door gives its function.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(32);
/// How long an unused connection is kept: shorter than front doors keep it, so that none is used that is closing.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// Largest answer that is read: a thousand bytes for each of a hundred messages, and as much again.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

const ACCEPTED: u16 = 202;
const DUPLICATE: u16 = 200;
const MANY: u16 = 207;

/// Why the relay cannot be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// The address is none.
    #[error("`{0}` is no http:// or https:// URL")]
    Url(String),
    /// The key would be read on the way.
    #[error(
        "the API key is not sent over plain http://: give the relay's https:// URL, or one of this machine"
    )]
    OpenLine,
    /// The key is none.
    #[error(
        "the API key is none (rk_ and 75 characters): it is mistyped, or a part of it is missing"
    )]
    Key,
    /// No HTTP client can be built here.
    #[error("no HTTP client can be built")]
    Build(#[source] reqwest::Error),
}

/// Speaks to one relay.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    single: Url,
    bulk: Url,
    headers: HeaderMap,
}

impl Client {
    /// A client of the relay at `url` that brings this API key, if there is one.
    ///
    /// # Errors
    /// When the URL or the key is none, or the key would go over an open line.
    pub(crate) fn of(url: &str, key: Option<&str>) -> Result<Self, ClientError> {
        let parse = |path: &str| parsed(&format!("{}{path}", url.trim_end_matches('/')));
        let (single, bulk) = (parse("/v1/messages")?, parse("/v1/messages/bulk")?);
        let mut builder = reqwest::Client::builder()
            .timeout(REQUEST_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .redirect(Policy::none());
        if is_loopback(&single) {
            // A proxy's loopback is another machine's.
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(ClientError::Build)?;
        let mut headers =
            HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        if let Some(text) = key {
            if single.scheme() != "https" && !is_loopback(&single) {
                return Err(ClientError::OpenLine);
            }
            let key = ApiKey::parse(text.trim()).ok_or(ClientError::Key)?;
            // The request is built only to have the header marked as a secret.
            let request = http.get(single.clone()).bearer_auth(key.reveal()).build();
            headers.extend(request.map_err(ClientError::Build)?.headers().clone());
        }
        Ok(Self { http, single, bulk, headers })
    }

    /// Sends one message.
    pub(crate) async fn send_one(&self, json: String) -> Verdict {
        match self.exchange(&self.single, json).await {
            Ok((status, _)) => verdict(status),
            Err(failure) => Verdict::Failed(failure),
        }
    }

    /// Sends so many messages in one request, and says what became of each.
    pub(crate) async fn send_many(&self, json: String, count: usize) -> Vec<Verdict> {
        match self.exchange(&self.bulk, json).await {
            Ok((MANY, answer)) => verdicts(&answer, count),
            // A success of another kind is none of this route's.
            Ok((200..300, _)) => vec![Verdict::Failed(Failure::Unreadable); count],
            Ok((status, _)) => vec![Verdict::Refused(status); count],
            Err(failure) => vec![Verdict::Failed(failure); count],
        }
    }

    async fn exchange(&self, url: &Url, json: String) -> Result<(u16, Vec<u8>), Failure> {
        let request = self.http.post(url.clone()).headers(self.headers.clone()).body(json);
        let mut response = request.send().await.map_err(|error| failure(&error))?;
        let mut answer = Vec::new();
        // An answer is one only when all of it is there.
        while let Some(piece) = response.chunk().await.map_err(|error| failure(&error))? {
            if answer.len() + piece.len() > ANSWER_BYTES_MAX {
                return Err(Failure::Unreadable);
            }
            answer.extend_from_slice(&piece);
        }
        Ok((response.status().as_u16(), answer))
    }
}

/// The URL, if it is one that can be asked.
pub(crate) fn parsed(text: &str) -> Result<Url, ClientError> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    url.ok_or_else(|| ClientError::Url(text.to_owned()))
}

/// Whether the URL's host is this machine by a name that needs no lookup.
pub(crate) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost"
        || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

fn failure(error: &reqwest::Error) -> Failure {
    if error.is_timeout() {
        Failure::Timeout
    } else if error.is_connect() {
        Failure::Connect
    } else {
        Failure::Broken
    }
}

const fn verdict(status: u16) -> Verdict {
    match status {
        ACCEPTED => Verdict::Accepted,
        DUPLICATE => Verdict::Duplicate,
        status => Verdict::Refused(status),
    }
}

/// The answer to many messages, as far as it is of interest here.
#[derive(Deserialize)]
struct Many {
    results: Vec<One>,
}

#[derive(Deserialize)]
struct One {
    status: u16,
}

fn verdicts(answer: &[u8], count: usize) -> Vec<Verdict> {
    match serde_json::from_slice::<Many>(answer) {
        Ok(many) if many.results.len() == count => {
            many.results.iter().map(|one| verdict(one.status)).collect()
        }
        Ok(_) | Err(_) => vec![Verdict::Failed(Failure::Unreadable); count],
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_key_does_not_go_over_an_open_line() {
        let key = ApiKey::draw([1; 16], [[2; 16], [3; 16]]).reveal();
        for url in [
            "https://relay.example.com",
            "http://127.0.0.1:1",
            "http://[::1]:1",
            "http://localhost/",
        ] {
            assert!(Client::of(url, Some(&key)).is_ok(), "{url}");
        }
        let open = Client::of("http://relay.example.com", Some(&key));
        assert!(matches!(open, Err(ClientError::OpenLine)));
        assert!(matches!(Client::of("ftp://a", None), Err(ClientError::Url(_))));
        assert!(matches!(Client::of("https://a", Some("rk_short")), Err(ClientError::Key)));
    }

    #[test]
    fn many_messages_are_answered_one_by_one() {
        let answer = br#"{"accepted":1,"results":[{"status":202},{"status":200},{"status":422}]}"#;
        let expected = [Verdict::Accepted, Verdict::Duplicate, Verdict::Refused(422)];
        assert_eq!(verdicts(answer, 3), expected);
        assert_eq!(verdicts(answer, 2), [Verdict::Failed(Failure::Unreadable); 2]);
        assert_eq!(verdicts(b"", 1), [Verdict::Failed(Failure::Unreadable)]);
    }
}
