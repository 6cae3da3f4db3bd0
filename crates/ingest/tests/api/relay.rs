//! A relay in memory and a client of it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Request, StatusCode};
use relay_core::access::MasterSecrets;
use relay_core::body::{Body as MessageBody, Pointer};
use relay_core::destination::DestinationPolicy;
use relay_core::envelope::Envelope;
use relay_core::identity::RelayId;
use relay_core::metrics::Recorder;
use relay_core::ports::{Found, Store};
use relay_core::settings::IngestSettings;
use relay_ingest::{Ports, router};
use relay_testkit::lines::judge_for_all_threads;
use relay_testkit::{
    ManualClock, MemoryBreakers, MemoryBuckets, MemoryKeys, MemoryPayloads, MemoryQueue,
    MemoryReplays, MemorySigningSecrets, MemoryStore, MemoryVault, TestAmbient, sample,
};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::faults::{Faults, Faulty};

/// No answer of a test is larger.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) json: Value,
}

impl Answer {
    /// The code of a problem.
    pub(crate) fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or_default()
    }

    /// The wrong fields, as `pointer: detail`.
    pub(crate) fn errors(&self) -> Vec<String> {
        let errors = self.json["errors"].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        errors
            .iter()
            .map(|error| format!("{}: {}", text(&error["pointer"]), text(&error["detail"])))
            .collect()
    }
}

/// A relay in memory.
#[derive(Clone)]
pub(crate) struct Relay {
    pub(crate) clock: ManualClock,
    pub(crate) store: MemoryStore,
    pub(crate) queue: MemoryQueue,
    pub(crate) payloads: MemoryPayloads,
    pub(crate) breakers: MemoryBreakers,
    pub(crate) keys: MemoryKeys,
    pub(crate) signing_secrets: MemorySigningSecrets,
    pub(crate) buckets: MemoryBuckets,
    pub(crate) replays: MemoryReplays,
    ports: Ports,
    pub(crate) faults: Arc<Faults>,
    pub(crate) router: Router,
    pub(crate) recorder: Arc<Recorder>,
}

impl Relay {
    /// One with the usual settings.
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    /// One with some other settings. Everybody may do everything, unless they say otherwise.
    pub(crate) fn with(settings: &[(&str, &str)]) -> Self {
        judge_for_all_threads();
        let clock = ManualClock::starting_at(sample::START);
        let store = MemoryStore::new();
        let queue = MemoryQueue::new(clock.clone());
        let payloads = MemoryPayloads::new("bucket");
        let breakers = MemoryBreakers::new();
        let (keys, signing_secrets) = (MemoryKeys::new(), MemorySigningSecrets::new());
        let (buckets, vault) = (MemoryBuckets::new(), MemoryVault::holding(masters()));
        let replays = MemoryReplays::new();
        let faults = Arc::new(Faults::default());
        let ports = Ports {
            store: Arc::new(Faulty { port: store.clone(), faults: faults.clone() }),
            queue: Arc::new(Faulty { port: queue.clone(), faults: faults.clone() }),
            payloads: Arc::new(Faulty { port: payloads.clone(), faults: faults.clone() }),
            breakers: Arc::new(Faulty { port: breakers.clone(), faults: faults.clone() }),
            keys: Arc::new(Faulty { port: keys.clone(), faults: faults.clone() }),
            signing_secrets: Arc::new(Faulty {
                port: signing_secrets.clone(),
                faults: faults.clone(),
            }),
            buckets: Arc::new(Faulty { port: buckets.clone(), faults: faults.clone() }),
            replays: Arc::new(Faulty { port: replays.clone(), faults: faults.clone() }),
            vault: Arc::new(Faulty { port: vault, faults: faults.clone() }),
            ambient: Arc::new(TestAmbient::new(clock.clone(), 1)),
        };
        let (router, recorder) = router_over(&ports, settings);
        Self {
            clock,
            store,
            queue,
            payloads,
            breakers,
            keys,
            signing_secrets,
            buckets,
            replays,
            ports,
            faults,
            router,
            recorder,
        }
    }

    /// Another environment of the same relay: it shares what is stored and has a memory of its own.
    pub(crate) fn another(&self, settings: &[(&str, &str)]) -> Self {
        let (router, recorder) = router_over(&self.ports, settings);
        Self { router, recorder, ..self.clone() }
    }

    /// Sends a request.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, ANSWER_BYTES_MAX).await.unwrap();
        let json = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer { status: parts.status, headers: parts.headers, json }
    }

    /// Posts a text as it is.
    pub(crate) async fn post_text(&self, path: &str, text: impl Into<Body>) -> Answer {
        let request = Request::post(path).header("content-type", "application/json");
        self.send(request.body(text.into()).unwrap()).await
    }

    /// Posts a message.
    pub(crate) async fn post(&self, message: &Value) -> Answer {
        self.post_text("/message", message.to_string()).await
    }

    /// Gets a path.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// The record and the state of a message.
    pub(crate) async fn found(&self, id: &str) -> Found {
        let id = RelayId::parse(id).unwrap();
        self.store.find(&id, self.clock.now()).await.unwrap().unwrap()
    }

    /// Every queue message, which then are gone.
    pub(crate) fn drain(&self) -> Vec<Envelope> {
        let received = self.queue.receive(1000, Duration::from_secs(30));
        received
            .into_iter()
            .map(|item| {
                self.queue.delete(&item.receipt);
                Envelope::from_json(&item.text).unwrap()
            })
            .collect()
    }

    /// The bytes behind a pointer, if they are there.
    pub(crate) async fn stored(&self, pointer: &Pointer) -> Option<Vec<u8>> {
        use futures::TryStreamExt;
        use relay_core::ports::Payloads;
        let stream = self.payloads.open(pointer).await.ok()?;
        let pieces: Vec<_> = stream.try_collect().await.unwrap();
        Some(pieces.concat())
    }

    /// The bytes that an envelope carries or points to.
    pub(crate) async fn body_of(&self, envelope: &Envelope) -> Vec<u8> {
        match &envelope.body {
            MessageBody::Inline(bytes) => bytes.to_vec(),
            MessageBody::Stored(pointer) | MessageBody::Unretained(pointer) => {
                self.stored(pointer).await.unwrap()
            }
        }
    }
}

fn router_over(ports: &Ports, settings: &[(&str, &str)]) -> (Router, Arc<Recorder>) {
    let usual = [
        ("DYNAMODB_TABLE", "x"),
        ("SQS_QUEUE_URL", "x"),
        ("S3_BUCKET", "x"),
        ("MASTER_SECRET_ID", "x"),
        ("AUTHENTICATION", "off"),
    ];
    let lookup = |name: &str| {
        let found = settings.iter().chain(&usual).find(|(key, _)| *key == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    let settings = IngestSettings::read(&lookup).unwrap();
    let (destinations, recorder) = (DestinationPolicy::default(), Arc::<Recorder>::default());
    (router(ports.clone(), &settings, destinations, Arc::clone(&recorder)), recorder)
}

/// The master secrets of every relay here.
pub(crate) fn masters() -> MasterSecrets {
    let secret = "a secret of tests ".repeat(3);
    MasterSecrets::parse(&json!({"current": "1", "1": secret}).to_string()).unwrap()
}

/// A good message.
pub(crate) fn message() -> Value {
    json!({
        "messageId": "order-1042",
        "senderId": "billing",
        "targetUrl": "https://api.example.com/hooks",
        "headers": { "X-Order": "1042" },
        "body": { "any": "json" }
    })
}

/// A good message with some fields set, or removed by `null`.
pub(crate) fn message_with(fields: Value) -> Value {
    let mut message = message();
    let Value::Object(fields) = fields else { panic!("fields are an object") };
    for (name, value) in fields {
        if value.is_null() {
            message.as_object_mut().unwrap().remove(&name);
        } else {
            message[name] = value;
        }
    }
    message
}
