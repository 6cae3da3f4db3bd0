//! Real deliveries, verified by the published Standard Webhooks libraries of three languages; and requests that these
//! libraries sign, verified as the relay verifies them.
//!
//! The libraries for Python and JavaScript are below target/interoperability, where `.ci/run` puts them. Where one is not
//! there its test says so and checks nothing, except if `CI` is `true`: then it fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test fails by panicking, and its name says what it is about"
)]

#[path = "deliver/world.rs"]
#[allow(dead_code, reason = "the world has more in it than these tests need")]
mod world;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use relay_core::access::SigningRecord;
use relay_core::body::{Body, Pointer, Sha256};
use relay_core::destination::{AllowList, DestinationPolicy, Target};
use relay_core::envelope::Envelope;
use relay_core::message::Message;
use relay_core::ports::{Payloads, Receipt, Store, Vault};
use relay_core::signature::{BadSignature, Claimed, SigningSecret};
use relay_core::time::Timestamp;
use relay_testkit::{
    ManualClock, MemoryBreakers, MemoryPayloads, MemoryQueue, MemorySigningSecrets, MemoryStore,
    MemoryVault, TestAmbient, sample,
};
use relay_worker::sender::{HttpSender, SystemLookup};
use relay_worker::{Item, Ports, Told, Worker};
use serde_json::{Value, json};
use standardwebhooks::{Webhook, WebhookError};
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

/// Where the libraries are, from the root of the repository.
const LIBRARIES: &str = "target/interoperability";
/// Bodies that a careless receiver or relay would change: numbers, spaces, order, what is no ASCII.
const BODY: &str = "{ \"b\": 1.0,  \"a\": 1e2, \"name\": \"Jürgen ☃ \\u0041\" }\n";
/// Large enough to be streamed in pieces.
const STORED_BYTES: usize = 400_000;

/// A delivery as the receiver got it.
#[derive(Clone)]
struct Delivery {
    headers: BTreeMap<String, String>,
    body: String,
}

/// What a library is asked: whether it takes this delivery for one by this secret.
struct Case {
    what: &'static str,
    secret: String,
    delivery: Delivery,
    counts: bool,
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap())
}

/// Takes one request from a connection, answers it, and gives its headers and body.
async fn receive(mut socket: TcpStream) -> Delivery {
    let mut read = Vec::new();
    let (head, mut body) = loop {
        assert!(socket.read_buf(&mut read).await.unwrap() > 0, "the request has no end");
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            break (String::from_utf8(read[..end].to_vec()).unwrap(), read[end + 4..].to_vec());
        }
    };
    let headers: BTreeMap<String, String> = head
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length: usize = headers["content-length"].parse().unwrap();
    while body.len() < length {
        assert!(socket.read_buf(&mut body).await.unwrap() > 0, "the body has no end");
    }
    socket
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    Delivery { headers, body: String::from_utf8(body).unwrap() }
}

/// A relay that sends to a receiver on loopback.
struct Relay {
    worker: Worker,
    store: Arc<MemoryStore>,
    payloads: Arc<MemoryPayloads>,
    listener: TcpListener,
}

impl Relay {
    async fn start(records: &MemorySigningSecrets, vault: &MemoryVault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let allow = AllowList::parse(&listener.local_addr().unwrap().to_string()).unwrap();
        let policy = DestinationPolicy::new(allow, None);
        let timeout = Duration::from_secs(5);
        let sender = HttpSender::new(policy, Arc::new(SystemLookup), timeout).unwrap();
        let clock = ManualClock::starting_at(now());
        let store = Arc::new(MemoryStore::new());
        let payloads = Arc::new(MemoryPayloads::new("bucket"));
        let ports = Ports {
            store: store.clone(),
            queue: Arc::new(MemoryQueue::new(clock.clone())),
            payloads: payloads.clone(),
            sender: Arc::new(sender),
            breakers: Arc::new(MemoryBreakers::new()),
            signing_secrets: Arc::new(records.clone()),
            vault: Arc::new(vault.clone()),
            ambient: Arc::new(TestAmbient::new(clock, 7)),
        };
        let worker = Worker::new(ports, world::rules());
        Self { worker, store, payloads, listener }
    }

    /// Delivers a message with this body, from the store or not.
    async fn deliver(&self, name: &str, body: &str, is_stored: bool) -> Delivery {
        let target = format!("http://{}/hooks", self.listener.local_addr().unwrap());
        let (created_at, bytes) = (now(), Bytes::copy_from_slice(body.as_bytes()));
        let mut message = Message {
            target: Target::parse(&target).unwrap(),
            created_at,
            expires_at: created_at.plus(Duration::from_secs(3600)),
            body: Body::Inline(bytes.clone()),
            ..sample::message(name, 1)
        };
        if is_stored {
            let (sha256, length) = (Sha256::of(&bytes), bytes.len() as u64);
            let pointer = Pointer::for_payload("bucket", &message.id, sha256, length);
            self.payloads.put(&pointer, bytes).await.unwrap();
            message.body = Body::Stored(pointer);
        }
        self.store.record(&message, created_at).await.unwrap();
        let item = Item {
            item_id: name.to_owned(),
            receipt: Receipt(name.to_owned()),
            text: Envelope::of(&message, message.first_life(), message.body.clone())
                .to_json()
                .into(),
            receipts: 1,
            available_at: None,
            dead_letter: None,
            is_delayed: false,
        };
        let received = async { receive(self.listener.accept().await.unwrap().0).await };
        let ends = now().plus(Duration::from_secs(120));
        let (told, delivery) = tokio::join!(self.worker.deliver(&item, ends), received);
        assert_eq!(told, Told::Acknowledged);
        delivery
    }
}

/// Deliveries with one secret and with two, each as it came and changed, and by whom it has to be taken.
async fn cases() -> Vec<Case> {
    let (records, vault) = (MemorySigningSecrets::new(), MemoryVault::new());
    let masters = vault.masters(None).await.unwrap();
    let master = masters.current().clone();
    let sender = sample::message("any", 1).sender_id;
    let first = SigningRecord::new(sender, master.clone(), "n1".to_owned(), now(), "w1".to_owned());
    let (nonce, write_id, hour) = ("n2".to_owned(), "w2".to_owned(), Duration::from_secs(3600));
    let both = first.clone().rotated(master, nonce, hour, now(), write_id).unwrap();
    let secrets: Vec<String> = both
        .versions
        .iter()
        .map(|version| version.secret(&both.sender, &masters).unwrap().reveal())
        .collect();
    let stored = format!("[\"{}\"]", "ä1".repeat(STORED_BYTES / 3));
    let mut cases = Vec::new();
    for (record, live) in [(first, 1), (both, 2)] {
        records.put(record);
        let relay = Relay::start(&records, &vault).await;
        for (body, is_stored) in [(BODY, false), (stored.as_str(), true)] {
            let delivery = relay.deliver(&format!("m-{live}-{is_stored}"), body, is_stored).await;
            assert_eq!(delivery.body, body);
            assert_eq!(delivery.headers["webhook-signature"].split(' ').count(), live);
            let changed = Delivery { body: body.replacen('1', "2", 1), ..delivery.clone() };
            for (number, secret) in secrets.iter().enumerate() {
                let counts = number < live;
                let case = |what, delivery: &Delivery, counts| Case {
                    what,
                    secret: secret.clone(),
                    delivery: delivery.clone(),
                    counts,
                };
                cases.push(case("as it came", &delivery, counts));
                cases.push(case("with a changed body", &changed, false));
            }
        }
    }
    assert_eq!(cases.iter().filter(|case| case.counts).count(), 6);
    cases
}

/// Asks a library everything there is to ask and judges what it says.
async fn check(answers_of: impl FnOnce(&Value) -> Value) {
    let cases = cases().await;
    let secret = SigningSecret::from_bytes([7; 32]).reveal();
    let redrive = "POST /v1/messages/msg_2warzholesewdmt5f4njnwmcf6y5imtt/redrive";
    let requests = [("order-1042", BODY), (redrive, ""), ("GET /v1/messages/m?include=body", "")];
    let at = now().as_seconds();
    let verify = cases.iter().map(|Case { secret, delivery, .. }| {
        json!({"secret": secret, "headers": delivery.headers, "body": delivery.body})
    });
    let sign = requests
        .iter()
        .map(|(id, body)| json!({"secret": secret, "id": id, "timestamp": at, "body": body}));
    let answers = answers_of(&json!({
        "verify": verify.collect::<Vec<_>>(),
        "sign": sign.collect::<Vec<_>>(),
    }));

    let verified = answers["verified"].as_array().unwrap();
    assert_eq!(verified.len(), cases.len());
    for (case, verified) in cases.iter().zip(verified) {
        let live = case.delivery.headers["webhook-signature"].split(' ').count();
        assert_eq!(verified, &json!(case.counts), "{} with {live} live secrets", case.what);
    }
    let signed = answers["signed"].as_array().unwrap();
    assert_eq!(signed.len(), requests.len());
    let secret = SigningSecret::parse(&secret).unwrap();
    for ((id, body), signature) in requests.iter().zip(signed) {
        let (timestamp, signatures) = (at.to_string(), signature.as_str().unwrap());
        let claimed = Claimed { id, timestamp: &timestamp, signatures };
        assert_eq!(claimed.verify(&secret, body.as_bytes(), now()), Ok(()), "{id}");
        let changed = format!("{body} ");
        let refused = claimed.verify(&secret, changed.as_bytes(), now());
        assert_eq!(refused, Err(BadSignature::Wrong), "{id}");
    }
}

#[tokio::test]
async fn deliveries_and_requests_agree_with_the_library_for_rust() {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let verified = |case: &Value| {
        let mut headers = HeaderMap::new();
        for (name, value) in case["headers"].as_object().unwrap() {
            let name = HeaderName::try_from(name).unwrap();
            headers.insert(name, HeaderValue::try_from(text(value)).unwrap());
        }
        let webhook = Webhook::new(&text(&case["secret"])).unwrap();
        match webhook.verify(text(&case["body"]).as_bytes(), &headers) {
            Ok(()) => true,
            Err(WebhookError::InvalidSignature) => false,
            Err(other) => panic!("{other}"),
        }
    };
    let signed = |case: &Value| {
        let webhook = Webhook::new(&text(&case["secret"])).unwrap();
        let at = case["timestamp"].as_i64().unwrap();
        webhook.sign(&text(&case["id"]), at, text(&case["body"]).as_bytes()).unwrap()
    };
    let each = |asked: &Value| asked.as_array().unwrap().clone();
    check(|asked| {
        json!({
            "verified": each(&asked["verify"]).iter().map(verified).collect::<Vec<_>>(),
            "signed": each(&asked["sign"]).iter().map(signed).collect::<Vec<_>>(),
        })
    })
    .await;
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Says that a library is not there. Straight to standard error, which the test harness does not keep for itself.
fn missing(language: &str) {
    let line = format!("the Standard Webhooks library for {language} is not below {LIBRARIES}");
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{line}: run `.ci/run test`");
    let mut out = std::io::stderr();
    out.write_all(format!("skipped: {line}; `.ci/run test` installs it\n").as_bytes()).unwrap();
}

/// Runs a script of tests/interoperability with what is asked on its standard input.
fn run(command: &mut Command, asked: &Value) -> Value {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(asked.to_string().as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn deliveries_and_requests_agree_with_the_library_for_python() {
    let python = root().join(LIBRARIES).join("python/bin/python3");
    if !python.exists() {
        return missing("Python");
    }
    let script = root().join("tests/interoperability/check.py");
    check(|asked| run(Command::new(python).arg(script), asked)).await;
}

#[tokio::test]
async fn deliveries_and_requests_agree_with_the_library_for_javascript() {
    let folder = root().join(LIBRARIES).join("node");
    let has_node = Command::new("node").arg("--version").stdout(Stdio::null()).status();
    let has_node = has_node.is_ok_and(|status| status.success());
    if !has_node || !folder.join("node_modules/standardwebhooks").exists() {
        return missing("JavaScript");
    }
    let script = root().join("tests/interoperability/check.mjs");
    check(|asked| run(Command::new("node").arg(script).arg(folder), asked)).await;
}
