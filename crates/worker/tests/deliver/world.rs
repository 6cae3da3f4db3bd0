//! A worker in a world of in-memory ports: a clock turned by hand, a queue that hands items out, targets
//! that answer from a script.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use relay_core::access::SigningRecord;
use relay_core::body::{Body, Pointer};
use relay_core::breaker;
use relay_core::envelope::{
    DEAD_LETTER_ATTRIBUTE, DELAY_ATTRIBUTE, Envelope, dead_letter_generation,
};
use relay_core::identity::SenderId;
use relay_core::lifecycle::State;
use relay_core::message::Message;
use relay_core::outcome::{ErrorKind, Outcome};
use relay_core::ports::{
    DeadLetter, Payloads, PortError, Queue, Receipt, Request, RequestBody, Sender, Store, Vault,
};
use relay_core::retry::RetryPolicy;
use relay_core::settings::Tracking;
use relay_core::signature::SigningSecret;
use relay_core::time::Timestamp;
use relay_testkit::faults::{Faulty, Outage};
use relay_testkit::lines::judge_for_all_threads;
use relay_testkit::{
    ManualClock, MemoryBreakers, MemoryPayloads, MemoryQueue, MemorySigningSecrets, MemoryStore,
    MemoryVault, TestAmbient, sample,
};
use relay_worker::{Item, Ports, Rules, Told, Worker};

pub(crate) const VISIBILITY: Duration = Duration::from_secs(780);
const INVOCATION: Duration = Duration::from_secs(120);

/// What a target does with the next request.
#[derive(Clone)]
pub(crate) enum Answer {
    Status(u16),
    Fails(ErrorKind),
    Panics,
    Takes(Duration),
}

/// A request as it was sent.
pub(crate) struct Sent {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) timeout: Duration,
    pub(crate) host: String,
    /// By the runtime's clock, which moves on its own.
    pub(crate) at: tokio::time::Instant,
}

/// Answers from a script, and 200 when it is over.
#[derive(Default)]
pub(crate) struct Targets {
    /// What a host always does, script or not.
    pub(crate) hosts: Mutex<HashMap<String, Answer>>,
    pub(crate) script: Mutex<VecDeque<Answer>>,
    pub(crate) sent: Mutex<Vec<Sent>>,
}

#[async_trait]
impl Sender for Targets {
    async fn send(&self, request: Request, started_at: Timestamp) -> Outcome {
        let body = match request.body {
            RequestBody::Bytes(bytes) => bytes.to_vec(),
            RequestBody::Stream { stream, .. } => {
                stream.map(|piece| piece.unwrap().to_vec()).concat().await
            }
        };
        self.sent.lock().unwrap().push(Sent {
            headers: request
                .headers
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            body,
            timeout: request.timeout,
            host: request.target.host().to_owned(),
            at: tokio::time::Instant::now(),
        });
        let fixed = self.hosts.lock().unwrap().get(request.target.host()).cloned();
        let answer = fixed.or_else(|| self.script.lock().unwrap().pop_front());
        let result = match answer.unwrap_or(Answer::Status(200)) {
            Answer::Status(status) => Ok(status),
            Answer::Fails(kind) => Err(kind),
            Answer::Panics => panic!("the target's code"),
            Answer::Takes(time) => {
                tokio::time::sleep(time).await;
                Ok(200)
            }
        };
        let answer = "answer".to_owned();
        Outcome { result, retry_after: None, answer, started_at, duration_millis: 5 }
    }
}

/// The queue, failing on demand. Nothing that fails takes effect, unless only the answer is lost.
pub(crate) struct FlakyQueue {
    pub(crate) inner: MemoryQueue,
    pub(crate) postponing_fails: AtomicBool,
    pub(crate) burying_fails: AtomicBool,
    pub(crate) sending_fails: AtomicBool,
    pub(crate) sent_answers_are_lost: AtomicBool,
}

fn fail(broken: &AtomicBool) -> Result<(), PortError> {
    if broken.load(Ordering::SeqCst) {
        Err(PortError::Unavailable { action: "test", reason: "broken on purpose".to_owned() })
    } else {
        Ok(())
    }
}

#[async_trait]
impl Queue for FlakyQueue {
    async fn send(&self, envelope: &Envelope, delay: Duration) -> Result<(), PortError> {
        fail(&self.sending_fails)?;
        self.inner.send(envelope, delay).await?;
        fail(&self.sent_answers_are_lost)
    }
    async fn postpone(&self, receipt: &Receipt, wait: Duration) -> Result<(), PortError> {
        fail(&self.postponing_fails)?;
        self.inner.postpone(receipt, wait).await
    }
    async fn bury(&self, letter: &DeadLetter) -> Result<(), PortError> {
        fail(&self.burying_fails)?;
        self.inner.bury(letter).await
    }
    async fn ready(&self) -> Result<(), PortError> {
        self.inner.ready().await
    }
}

/// Where signing secrets come from. No sender has any at first.
#[derive(Default)]
pub(crate) struct Signing {
    pub(crate) records: MemorySigningSecrets,
    pub(crate) vault: MemoryVault,
    pub(crate) records_fail: Outage,
    pub(crate) vault_fails: Outage,
}

impl Signing {
    /// The first secret of a sender.
    pub(crate) async fn first_of(&self, sender: &str) -> SigningRecord {
        let master = self.vault.masters(None).await.unwrap().current().clone();
        let sender = SenderId::parse(sender).unwrap();
        let nonce = "nonce-1".to_owned();
        SigningRecord::new(sender, master, nonce, sample::START, "write-1".to_owned())
    }

    /// The secrets of a record, the oldest first.
    pub(crate) async fn of(&self, record: &SigningRecord) -> Vec<SigningSecret> {
        let masters = self.vault.masters(None).await.unwrap();
        let versions = record.versions.iter();
        versions.map(|version| version.secret(&record.sender, &masters).unwrap()).collect()
    }
}

pub(crate) struct World {
    pub(crate) clock: ManualClock,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) queue: Arc<FlakyQueue>,
    pub(crate) payloads: Arc<MemoryPayloads>,
    pub(crate) targets: Arc<Targets>,
    pub(crate) breakers: Arc<MemoryBreakers>,
    pub(crate) signing: Signing,
    pub(crate) ports: Ports,
    pub(crate) worker: Worker,
}

pub(crate) fn rules() -> Rules {
    Rules {
        retry: RetryPolicy {
            attempts_max: 3,
            base: Duration::from_secs(10),
            factor: 3.0,
            delay_max: Duration::from_secs(900),
        },
        timeout: Duration::from_secs(10),
        bytes_per_second_min: 4 << 20,
        lease: Duration::from_secs(90),
        concurrency: 10,
        concurrency_per_destination: 10,
        breaker: breaker::Rules {
            failures_max: 10,
            failure_percent: 50,
            open: Duration::from_secs(30),
            open_max: Duration::from_secs(600),
            step: Duration::from_secs(20),
        },
        deadline: Duration::from_secs(1800),
        visibility_max: Duration::from_secs(900),
        tracking: Tracking::Full,
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(rules())
    }

    pub(crate) fn with(rules: Rules) -> Self {
        judge_for_all_threads();
        let clock = ManualClock::starting_at(sample::START);
        let store = Arc::new(MemoryStore::new());
        let queue = Arc::new(FlakyQueue {
            inner: MemoryQueue::new(clock.clone()),
            postponing_fails: AtomicBool::new(false),
            burying_fails: AtomicBool::new(false),
            sending_fails: AtomicBool::new(false),
            sent_answers_are_lost: AtomicBool::new(false),
        });
        let payloads = Arc::new(MemoryPayloads::new("bucket"));
        let targets = Arc::new(Targets::default());
        let breakers = Arc::new(MemoryBreakers::new());
        let signing = Signing::default();
        let outage = |outage: &Outage| Arc::new(outage.clone());
        let ports = Ports {
            store: store.clone(),
            queue: queue.clone(),
            payloads: payloads.clone(),
            sender: targets.clone(),
            breakers: breakers.clone(),
            signing_secrets: Arc::new(Faulty::new(
                signing.records.clone(),
                outage(&signing.records_fail),
            )),
            vault: Arc::new(Faulty::new(signing.vault.clone(), outage(&signing.vault_fails))),
            ambient: Arc::new(TestAmbient::new(clock.clone(), 7)),
        };
        let worker = Worker::new(ports.clone(), rules);
        Self { clock, store, queue, payloads, targets, breakers, signing, ports, worker }
    }

    pub(crate) fn answers(&self, answers: impl IntoIterator<Item = Answer>) {
        self.targets.script.lock().unwrap().extend(answers);
    }

    /// Accepts a message as ingest does: recorded, in the queue, QUEUED.
    pub(crate) async fn accept(&self, message: &Message) -> Envelope {
        let envelope = Envelope::of(message, message.first_life(), message.body.clone());
        self.store.record(message, self.clock.now()).await.unwrap();
        self.queue.send(&envelope, Duration::ZERO).await.unwrap();
        let life = message.first_life();
        self.store.mark_queued(&message.id, &life, self.clock.now()).await.unwrap();
        envelope
    }

    /// A message whose body lies in the payload store.
    pub(crate) async fn accept_stored(&self, bytes: &'static [u8]) -> (Message, Pointer) {
        let mut message = sample::message("stored", 1);
        let sha256 = relay_core::body::Sha256::of(bytes);
        let pointer = Pointer::for_payload("bucket", &message.id, sha256, bytes.len() as u64);
        self.payloads.put(&pointer, Bytes::from_static(bytes)).await.unwrap();
        message.body = Body::Stored(pointer.clone());
        self.accept(&message).await;
        (message, pointer)
    }

    /// Everything that is visible, received.
    pub(crate) fn receive(&self) -> Vec<Item> {
        let received = self.queue.inner.receive(10, VISIBILITY);
        let item = |(number, received): (usize, relay_testkit::memory::Received)| Item {
            item_id: format!("item-{number}"),
            text: received.text.into(),
            receipts: received.receives,
            available_at: None,
            dead_letter: received
                .attributes
                .get(DEAD_LETTER_ATTRIBUTE)
                .and_then(|text| dead_letter_generation(text)),
            is_delayed: received.attributes.contains_key(DELAY_ATTRIBUTE),
            receipt: received.receipt,
        };
        received.into_iter().enumerate().map(item).collect()
    }

    /// What the event source does: receive, invoke, delete what did not fail.
    pub(crate) async fn invoke(&self) -> Vec<Told> {
        self.invoke_on(&self.worker).await
    }

    /// The same in another environment.
    pub(crate) async fn invoke_on(&self, worker: &Worker) -> Vec<Told> {
        let items = self.receive();
        let ends = self.clock.now().plus(INVOCATION);
        let answer = worker.deliver_batch(&items, ends).await;
        let failed: Vec<&str> = answer.failed().collect();
        let told = |item: &Item| {
            if failed.contains(&item.item_id.as_str()) {
                return Told::HandedBack;
            }
            self.queue.inner.delete(&item.receipt);
            Told::Acknowledged
        };
        items.iter().map(told).collect()
    }

    /// Turns the clock to when the next item is visible, and says how far that was.
    pub(crate) fn wait_for_next(&self) -> Duration {
        let until = self.queue.inner.next_visible_at().expect("nothing is in the queue");
        let wait = until.since(self.clock.now());
        self.clock.advance(wait);
        wait
    }

    pub(crate) async fn state(&self, message: &Message) -> State {
        self.store.find(&message.id, self.clock.now()).await.unwrap().unwrap().state
    }

    pub(crate) fn sent(&self) -> usize {
        self.targets.sent.lock().unwrap().len()
    }
}
