//! A client of the relay as its users have one, and of the demo receiver.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use data_encoding::BASE64;
use reqwest::header::HeaderMap;
use reqwest::{Body, Method, RequestBuilder};
use serde::Deserialize;
use serde_json::{Value, json};

use super::secrets::Watch;
use super::{SOON, Stack, until};

/// How long any one request may take: longer than the gateway waits for its function.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(40);

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// Null if it is no JSON.
    pub(crate) json: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The relay's id of an accepted message.
    #[track_caller]
    pub(crate) fn accepted(self) -> String {
        assert_eq!(self.status, 202, "{self:?}");
        self.json["id"].as_str().expect("an accepted message has an id").to_owned()
    }

    /// The fields that a problem document names, sorted.
    pub(crate) fn pointers(&self) -> Vec<&str> {
        let errors = self.json["errors"].as_array().into_iter().flatten();
        let mut pointers: Vec<&str> =
            errors.filter_map(|error| error["pointer"].as_str()).collect();
        pointers.sort_unstable();
        pointers
    }
}

/// A request that the demo receiver got.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Received {
    pub(crate) method: String,
    pub(crate) query: String,
    headers: Vec<(String, String)>,
    body: String,
    pub(crate) body_bytes: u64,
    pub(crate) body_sha256: String,
    pub(crate) received_at_ms: i64,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body, of which the receiver keeps only the start if it is over 8 MiB.
    pub(crate) fn body(&self) -> Vec<u8> {
        BASE64.decode(self.body.as_bytes()).expect("the receiver tells bodies in base64")
    }
}

/// Speaks to one stack. It belongs to the runtime of the test that made it. When it is done with, no secret may be in
/// what the stack has said until then: the stack that tests share is never stopped before the tests are.
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    receiver_url: String,
    key: Option<String>,
    watch: Watch,
    look_for_secrets: Box<dyn Fn() + Send + Sync>,
}

impl Drop for Client {
    fn drop(&mut self) {
        (self.look_for_secrets)();
    }
}

impl Client {
    /// One with the ready-made key, for which everything is open.
    pub(crate) fn of(stack: &Stack) -> Self {
        let mut client = Self::without_key(stack);
        client.key = Some(stack.api_key().to_owned());
        client
    }

    /// One that brings no key, unless a request is given one.
    pub(crate) fn without_key(stack: &Stack) -> Self {
        let http = reqwest::Client::builder()
            .timeout(REQUEST_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .expect("a client without TLS of its own can be built");
        Self {
            http,
            url: stack.url.clone(),
            receiver_url: stack.receiver_url.clone(),
            key: None,
            watch: Watch::default(),
            look_for_secrets: Box::new(stack.look_for_secrets()),
        }
    }

    /// A request to a path of the relay, with the key, or to a whole URL, without it.
    pub(crate) fn request(&self, method: Method, to: &str) -> RequestBuilder {
        if to.starts_with("http") {
            return self.http.request(method, to);
        }
        let request = self.http.request(method, format!("{}{to}", self.url));
        match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    pub(crate) async fn answer(&self, request: RequestBuilder) -> Answer {
        self.try_answer(request).await.expect("the relay answers")
    }

    /// The answer, or nothing if none came.
    pub(crate) async fn try_answer(&self, request: RequestBuilder) -> Option<Answer> {
        let response = request.send().await.ok()?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.ok()?;
        if status >= 400 {
            let told = format!("{headers:?}\n{}", String::from_utf8_lossy(&bytes));
            self.watch.look_through(&format!("an answer with {status}"), &told);
        }
        let json = serde_json::from_slice(&bytes).unwrap_or_default();
        Some(Answer { status, headers, json })
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.answer(self.request(Method::GET, path)).await
    }

    /// The bytes behind a link.
    pub(crate) async fn download(&self, url: &str) -> Vec<u8> {
        let response = self.request(Method::GET, url).send().await.expect("the link is answered");
        assert_eq!(response.status(), 200, "{url}");
        response.bytes().await.expect("the download is whole").to_vec()
    }

    /// Posts JSON text as it is.
    pub(crate) async fn post_text(&self, path: &str, text: impl Into<Body>) -> Answer {
        let request = self.request(Method::POST, path).header("content-type", "application/json");
        self.answer(request.body(text)).await
    }

    /// Cancels messages.
    pub(crate) async fn cancel(&self, ids: &[&str]) -> Answer {
        let request = self.request(Method::DELETE, "/v1/messages/bulk");
        let request = request.header("content-type", "application/json");
        self.answer(request.body(json!({ "ids": ids }).to_string())).await
    }

    /// Posts a message.
    pub(crate) async fn post(&self, message: &Value) -> Answer {
        self.post_text("/message", message.to_string()).await
    }

    /// Posts a message that has to be accepted; the relay's id of it.
    pub(crate) async fn accept(&self, message: &Value) -> String {
        self.post(message).await.accepted()
    }

    /// How a message stands.
    pub(crate) async fn show(&self, id: &str) -> Value {
        let answer = self.get(&format!("/v1/messages/{id}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json
    }

    /// Waits until a message is final, and says how it stands then.
    pub(crate) async fn finished(&self, id: &str) -> Value {
        self.finished_within(id, SOON).await
    }

    pub(crate) async fn finished_within(&self, id: &str, within: Duration) -> Value {
        until("a final status", within, async || {
            let shown = self.show(id).await;
            matches!(shown["status"].as_str(), Some("DELIVERED" | "DEAD")).then_some(shown)
        })
        .await
    }

    /// Runs the reconciler once, now; what it reports.
    pub(crate) async fn reconcile(&self) -> Value {
        let path = "/_local/functions/ReconcilerFunction/invoke";
        let answer = self.answer(self.request(Method::POST, path)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json
    }

    /// What the demo receiver got of one message.
    pub(crate) async fn received(&self, id: &str) -> Vec<Received> {
        self.all_received(&format!("?webhook_id={id}")).await
    }

    /// What the demo receiver got of everything, or of what the query selects.
    pub(crate) async fn all_received(&self, query: &str) -> Vec<Received> {
        let url = format!("{}/demo/received{query}", self.receiver_url);
        let response = self.request(Method::GET, &url).send().await.expect("the receiver answers");
        response.json().await.expect("the receiver answers in JSON")
    }

    /// The process ids of a function's environments that are working.
    pub(crate) async fn busy(&self, function: &str) -> Vec<u32> {
        let environments = self.environments().await;
        let busy = |one: &&Environment| one.function == function && one.state == "busy";
        environments.iter().filter(busy).map(|one| one.pid).collect()
    }

    /// Every environment of every function.
    pub(crate) async fn environments(&self) -> Vec<Environment> {
        let answer = self.get("/_local/environments").await;
        serde_json::from_value(answer.json).expect("environments are listed in JSON")
    }
}

/// One environment of a function.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Environment {
    pub(crate) function: String,
    pub(crate) pid: u32,
    pub(crate) state: String,
}

/// An id that no other message of these tests has.
pub(crate) fn unique(name: &str) -> String {
    static GIVEN: AtomicUsize = AtomicUsize::new(0);
    format!("{name}-{}", GIVEN.fetch_add(1, Ordering::Relaxed))
}

/// A message of a sender without a secret to `target`, with an id of its own.
pub(crate) fn message(name: &str, target: &str) -> Value {
    json!({
        "messageId": unique(name),
        "senderId": "tests",
        "targetUrl": target,
        "body": { "hello": name },
    })
}
