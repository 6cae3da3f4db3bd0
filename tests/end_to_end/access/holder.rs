//! Somebody who holds a key, or none, and says so in their own headers.

use std::time::{Duration, SystemTime};

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Client, Stack, unique};

/// Speaks with the headers it is given and no others.
pub(super) struct Holder {
    client: Client,
    headers: Vec<(String, String)>,
}

/// A key that was just made.
pub(super) struct Made {
    pub(super) id: String,
    pub(super) key: String,
    pub(super) signing_secret: String,
}

impl Made {
    pub(super) fn of(answer: &Answer) -> Self {
        let text = |name: &str| {
            answer.json[name]
                .as_str()
                .unwrap_or_else(|| panic!("no {name} in the answer"))
                .to_owned()
        };
        Self { id: text("id"), key: text("key"), signing_secret: text("signingSecret") }
    }
}

impl Holder {
    /// Somebody without a key.
    pub(super) fn nobody(stack: &Stack) -> Self {
        Self { client: Client::without_key(stack), headers: Vec::new() }
    }

    /// Somebody with this key.
    pub(super) fn of(stack: &Stack, key: &str) -> Self {
        Self::nobody(stack).with("x-api-key", key)
    }

    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) async fn ask(&self, method: Method, path: &str, body: Option<String>) -> Answer {
        self.ask_with(method, path, body, &[]).await
    }

    pub(super) async fn ask_with(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
        more: &[(&str, String)],
    ) -> Answer {
        let mut request = self.client.request(method, path);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        for (name, value) in more {
            request = request.header(*name, value);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        self.client.answer(request).await
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, None).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask(Method::POST, path, Some(body.to_string())).await
    }

    /// Sends a request with a signature made by `secret` at `seconds` for `id`.
    pub(super) async fn signed(
        &self,
        (method, path): (Method, &str),
        body: Option<String>,
        (secret, id, seconds): (&str, &str, u64),
    ) -> Answer {
        let signature = sign(secret, id, seconds, body.as_deref().unwrap_or_default().as_bytes());
        let headers = [
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", seconds.to_string()),
            ("webhook-signature", signature),
        ];
        self.ask_with(method, path, body, &headers).await
    }
}

/// Makes a key with these rights; `rules` may add to them or change them.
pub(super) async fn make(client: &Client, rules: Value) -> Made {
    let mut body =
        json!({ "name": unique("key"), "senders": ["tests"], "scopes": ["send", "read"] });
    for (name, value) in rules.as_object().expect("rules are an object") {
        body[name] = value.clone();
    }
    let answer = client.post_text("/v1/api-keys", body.to_string()).await;
    assert_eq!(answer.status, 201, "the code is {}", answer.json["code"]);
    Made::of(&answer)
}

/// The present, in seconds since the epoch.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.as_ref().map_or(0, Duration::as_secs)
}

/// Standard Webhooks 1.0, `v1`, written a second time.
pub(super) fn sign(secret: &str, id: &str, seconds: u64, body: &[u8]) -> String {
    let key = secret.strip_prefix("whsec_").expect("a signing secret begins with whsec_");
    let key = BASE64.decode(key.as_bytes()).expect("the rest of it is base64");
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&key).expect("HMAC takes every key");
    mac.update(format!("{id}.{seconds}.").as_bytes());
    mac.update(body);
    format!("v1,{}", BASE64.encode(&mac.finalize().into_bytes()))
}
