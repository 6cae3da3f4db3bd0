//! A client as it should be: it sends a message under the same id until it knows what became of it.

use bytes::Bytes;
use relay_testkit::Chance;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde::Deserialize;
use std::time::Duration;

use crate::mix::Message;

/// How long one request may take: a little longer than the relay's front door gives its function.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(32);
/// How often a message is sent before its client gives up. At one failing call in five, and with
/// processes killed, a handful is usual; this many means that nothing works at all.
pub(crate) const TRIES_MAX: u32 = 40;
/// First wait before another try; doubled each time.
pub(crate) const WAIT_FIRST: Duration = Duration::from_millis(100);
/// Longest wait before another try.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(2);
/// Tries to read how a message stands.
const LOOKS_MAX: u32 = 5;

/// The template's name of the function that makes records and dead letters agree.
const RECONCILER: &str = "ReconcilerFunction";
/// How long it may take: a little longer than its own timeout.
const RECONCILER_TIMEOUT: Duration = Duration::from_secs(250);

/// What a client knows of a message in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Posted {
    /// The relay has it: it said 202, or 200 to another try.
    Accepted,
    /// The relay will not have it.
    Refused(u16),
    /// The relay gave no definite answer.
    Unknown,
}

/// How a message stands, as the relay shows it.
#[derive(Debug, Clone, Deserialize)]
pub struct Shown {
    /// Its status.
    pub status: String,
    /// Why it is dead.
    pub reason: Option<String>,
    /// How often it was set going again.
    #[serde(default)]
    pub generation: u32,
    /// The outcomes of its attempts, those nobody knows included.
    pub outcomes: Vec<ShownOutcome>,
}

/// The outcome of one attempt.
#[derive(Debug, Clone, Deserialize)]
pub struct ShownOutcome {
    /// Of which generation.
    #[serde(default)]
    pub generation: u32,
    /// Which attempt.
    pub attempt: u32,
    /// What the target answered.
    pub status: Option<u16>,
    /// Why there is no answer.
    pub error: Option<String>,
}

impl Shown {
    /// Whether nothing more comes of it.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self.status.as_str(), "DELIVERED" | "DEAD" | "CANCELLED")
    }
}

/// Speaks to one relay.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    authorization: HeaderMap,
}

impl Client {
    /// A client of the relay at `url` that brings this API key, if it needs one.
    ///
    /// # Errors
    /// When no HTTP client can be built on this machine, or the key is no text for a header.
    pub fn of(url: String, key: Option<&str>) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .timeout(REQUEST_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        // The request is built only to have the header checked and marked as a secret.
        let authorization = match key {
            Some(key) => http.get(&url).bearer_auth(key).build()?.headers().clone(),
            None => HeaderMap::new(),
        };
        Ok(Self { http, url, authorization })
    }

    /// Sends a message until there is a definite answer. Says also how often it was sent.
    pub async fn post(&self, message: &Message, chance: &mut Chance) -> (Posted, u32) {
        self.insist("/message", &message.request, chance).await
    }

    /// Sets a dead message going again, asking until there is a definite answer. Says also how often it
    /// asked. A refusal can mean that an earlier try worked, and its answer was lost.
    pub async fn redrive(&self, id: &str, chance: &mut Chance) -> (Posted, u32) {
        self.insist(&format!("/v1/messages/{id}/redrive"), "{}", chance).await
    }

    async fn insist(&self, path: &str, text: &str, chance: &mut Chance) -> (Posted, u32) {
        let mut wait = WAIT_FIRST;
        for sent in 1..=TRIES_MAX {
            match self.ask(path, text).await.map(|(status, _)| status) {
                Ok(StatusCode::OK | StatusCode::ACCEPTED) => return (Posted::Accepted, sent),
                Ok(status) if is_definite(status) => {
                    return (Posted::Refused(status.as_u16()), sent);
                }
                // No answer, an error of the relay's own, or too many requests.
                Ok(_) | Err(_) => {}
            }
            let milliseconds = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            let jitter = Duration::from_millis(chance.below(milliseconds / 2));
            tokio::time::sleep(wait - jitter).await;
            wait = (wait * 2).min(WAIT_MAX);
        }
        (Posted::Unknown, TRIES_MAX)
    }

    /// One request, and all of its answer: one is an answer only when all of it is there.
    pub(crate) async fn ask(
        &self,
        path: &str,
        text: &str,
    ) -> Result<(StatusCode, Bytes), reqwest::Error> {
        let request = self.http.post(format!("{}{path}", self.url));
        let request = request.headers(self.authorization.clone());
        let request = request.header("content-type", "application/json");
        let response = request.body(text.to_owned()).send().await?;
        let status = response.status();
        Ok((status, response.bytes().await?))
    }

    /// Runs the relay's reconciler once, and waits for its end.
    ///
    /// # Errors
    /// When it fails.
    pub async fn reconcile(&self) -> Result<(), reqwest::Error> {
        let url = format!("{}/_local/functions/{RECONCILER}/invoke", self.url);
        let request = self.http.post(url).timeout(RECONCILER_TIMEOUT);
        request.send().await?.error_for_status()?.bytes().await.map(|_| ())
    }

    /// How a message stands; none if the relay does not know it.
    ///
    /// # Errors
    /// When it cannot be found out.
    pub async fn show(&self, id: &str) -> Result<Option<Shown>, reqwest::Error> {
        let url = format!("{}/v1/messages/{id}", self.url);
        let mut looks = 0;
        loop {
            looks += 1;
            match self.show_once(&url).await {
                Err(_) if looks < LOOKS_MAX => tokio::time::sleep(WAIT_FIRST).await,
                shown => return shown,
            }
        }
    }

    async fn show_once(&self, url: &str) -> Result<Option<Shown>, reqwest::Error> {
        let response = self.http.get(url).headers(self.authorization.clone()).send().await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        response.error_for_status()?.json().await.map(Some)
    }
}

/// Whether sending the same again could not change the answer.
pub(crate) fn is_definite(status: StatusCode) -> bool {
    let may_pass = [StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT];
    status.is_client_error() && !may_pass.contains(&status)
}
