//! A relay that wants keys, keys for it, and requests as the gateway hands them over.

use data_encoding::BASE64;
use http::StatusCode;
use relay_core::access::{AllowedIps, ApiKey, KeyRecord, KeyRules, Purpose, Scope, Senders};
use relay_core::identity::SenderId;
use relay_core::signature::SigningSecret;
use relay_ingest::event::Event;
use serde_json::{Map, Value, json};

use crate::relay::{Answer, Relay, masters};

/// Where requests come from unless a test says otherwise.
pub(crate) const HOME: &str = "192.0.2.1";

/// A relay that wants keys.
pub(crate) fn guarded(settings: &[(&str, &str)]) -> Relay {
    Relay::with(&[settings, &[("AUTHENTICATION", "keys")]].concat())
}

/// What a key may do: everything.
pub(crate) fn rules() -> KeyRules {
    KeyRules {
        name: "test".to_owned(),
        senders: Senders::All,
        scopes: Scope::ALL.into(),
        allowed_ips: AllowedIps::default(),
        expires_at: None,
        rate_limit: None,
        require_signature: false,
    }
}

/// Everything, for these senders.
pub(crate) fn rules_for(senders: &[&str]) -> KeyRules {
    let senders = senders.iter().map(|sender| SenderId::parse(sender).unwrap());
    KeyRules { senders: Senders::Only(senders.collect()), ..rules() }
}

/// The key of this number.
pub(crate) fn numbered(number: u8) -> ApiKey {
    ApiKey::draw([number; 16], [[number; 16], [1; 16]])
}

impl Relay {
    /// The key of this number, which may do this from now on.
    pub(crate) fn key(&self, number: u8, rules: KeyRules) -> ApiKey {
        let key = numbered(number);
        self.keys.put(self.record(&key, rules));
        key
    }

    /// The record of a new key.
    pub(crate) fn record(&self, key: &ApiKey, rules: KeyRules) -> KeyRecord {
        let master = masters().current().clone();
        KeyRecord::new(key, rules, Some(master), self.clock.now(), "test".to_owned())
    }
}

/// The secret that signs requests with this version of a key.
pub(crate) fn signing_secret(key: &ApiKey, version: u32) -> SigningSecret {
    let purpose = Purpose::Requests { key: key.id(), version };
    masters().derive(masters().current(), purpose).unwrap()
}

/// A request as the gateway hands it over.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    method: String,
    target: String,
    headers: Map<String, Value>,
    body: Option<String>,
    source: Value,
}

impl Ask {
    pub(crate) fn new(method: &str, target: &str) -> Self {
        let (method, target) = (method.to_owned(), target.to_owned());
        Self { method, target, headers: Map::new(), body: None, source: json!(HOME) }
    }

    pub(crate) fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    pub(crate) fn post(target: &str, body: impl Into<String>) -> Self {
        Self { body: Some(body.into()), ..Self::new("POST", target) }
    }

    pub(crate) fn body(self, body: impl Into<String>) -> Self {
        Self { body: Some(body.into()), ..self }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), json!(value));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        assert!(self.headers.remove(name).is_some(), "{name} is there");
        self
    }

    pub(crate) fn value(&self, name: &str) -> &str {
        self.headers[name].as_str().unwrap()
    }

    pub(crate) fn key(self, key: &ApiKey) -> Self {
        self.header("authorization", &format!("Bearer {}", key.reveal()))
    }

    pub(crate) fn from(self, source: &str) -> Self {
        Self { source: json!(source), ..self }
    }

    /// Signed for this id, at this time, over the body it has by now. The signature is made here by the words of the
    /// specification, not by the code that checks it.
    pub(crate) fn signed(self, secret: &SigningSecret, id: &str, seconds: u64) -> Self {
        let text = secret.reveal();
        let secret = BASE64.decode(text.strip_prefix("whsec_").unwrap().as_bytes()).unwrap();
        let body = self.body.clone().unwrap_or_default();
        let signature = hmac_sha256(&secret, format!("{id}.{seconds}.{body}").as_bytes());
        self.header("webhook-id", id)
            .header("webhook-timestamp", &seconds.to_string())
            .header("webhook-signature", &format!("v1,{}", BASE64.encode(&signature)))
    }

    pub(crate) async fn of(self, relay: &Relay) -> Answer {
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        let event = json!({
            "rawPath": path, "rawQueryString": query, "headers": self.headers, "body": self.body,
            "requestContext": {
                "requestId": "request-1",
                "http": {"method": self.method, "sourceIp": self.source},
            },
        });
        let event: Event = serde_json::from_str(&event.to_string()).unwrap();
        relay.send(event.into_request()).await
    }
}

/// HMAC (RFC 2104) with SHA-256.
fn hmac_sha256(key: &[u8], text: &[u8]) -> Vec<u8> {
    use relay_core::body::Sha256;
    let hash = |bytes: &[u8]| {
        data_encoding::HEXLOWER.decode(Sha256::of(bytes).to_string().as_bytes()).unwrap()
    };
    assert!(key.len() <= 64, "a longer key would be hashed first");
    let pad = |with: u8| (0..64).map(|at| key.get(at).unwrap_or(&0) ^ with).collect::<Vec<u8>>();
    hash(&[pad(0x5c), hash(&[pad(0x36), text.to_vec()].concat())].concat())
}

/// Whether it was let in: whatever the route says, it is none of 401, 403 and 429.
pub(crate) fn is_in(answer: &Answer) -> bool {
    let out = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::TOO_MANY_REQUESTS];
    !out.contains(&answer.status)
}

/// Asks for a new key.
pub(crate) async fn post_key(relay: &Relay, by: &ApiKey, body: &str) -> Answer {
    Ask::post("/v1/api-keys", body).key(by).of(relay).await
}
