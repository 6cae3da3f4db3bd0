//! One relay with faults, a target, and a client that sees every answer.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use relay_chaos::bench::{Bench, BenchOptions};
use relay_chaos::client::{Client, Shown};
use relay_chaos::receiver::{Arrival, Arrivals, Receiver};
use relay_testkit::Chance;
use relay_testkit::wire::{Fault, Rule};
use reqwest::Response;
use reqwest::header::{AUTHORIZATION, HeaderMap};
use serde_json::{Value, json};
use tokio::time::Instant;

/// Long enough for anything that waits for no clock, on a machine that is busy.
pub(crate) const SOON: Duration = Duration::from_secs(20);
/// How long a message of a killed worker takes to come back: the queue hides it for 13 s, the lease ends
/// before that. Three times that, for a machine that is busy.
pub(crate) const COMES_BACK: Duration = Duration::from_secs(40);
/// How often to look.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// A call that is held for so long is given up by its caller before, or dies with it.
pub(crate) const HELD: Fault = Fault::Slow(Duration::from_secs(60));
/// How often the relay itself tries a call.
pub(crate) const TRIES: u32 = 3;

/// Ends of the key ids that the two functions sign with.
pub(crate) const INGEST: &str = "INGEST";
pub(crate) const WORKER: &str = "WORKER";

/// The program that contains the functions.
pub(crate) fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_relay-chaos"))
}

pub(crate) struct World {
    pub(crate) bench: Bench,
    arrivals: Arrivals,
    receiver: Receiver,
    client: Client,
    http: reqwest::Client,
}

impl World {
    pub(crate) async fn start() -> Self {
        let arrivals = Arrivals::default();
        let receiver = Receiver::start(arrivals.clone()).await.unwrap();
        let settings = [("RETRY_BASE_SECONDS", "0.3"), ("RETRY_ATTEMPTS_MAX", "3")];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let bench = Bench::start(BenchOptions {
            program: Some(program()),
            settings: BTreeMap::from(settings),
            targets: vec![receiver.address()],
            ..BenchOptions::default()
        })
        .await
        .expect("the relay starts");
        let client = Client::of(bench.url(), bench.api_key().as_deref()).unwrap();
        let authorization = format!("Bearer {}", bench.api_key().unwrap()).parse().unwrap();
        let headers = HeaderMap::from_iter([(AUTHORIZATION, authorization)]);
        let http = reqwest::Client::builder().default_headers(headers).no_proxy().build().unwrap();
        Self { bench, arrivals, receiver, client, http }
    }

    /// A message to a path of the target.
    pub(crate) fn message(&self, path: &str, body: &str) -> Value {
        let url = format!("http://{}{path}", self.receiver.address());
        json!({
            "messageId": "m-1", "senderId": "tests", "targetUrl": url,
            "body": body, "bodyEncoding": "text",
        })
    }

    pub(crate) async fn post(&self, message: &Value) -> Answer {
        let request = self.http.post(format!("{}/message", self.bench.url())).json(message);
        Answer::of(request.send().await.expect("the front door answers")).await
    }

    /// Asks once for a dead message to be set going again.
    pub(crate) async fn redrive(&self, id: &str) -> Answer {
        let url = format!("{}/v1/messages/{id}/redrive", self.bench.url());
        Answer::of(self.http.post(url).json(&json!({})).send().await.expect("an answer")).await
    }

    /// From now on the target takes what it did not take before.
    pub(crate) fn recover(&self) {
        self.arrivals.recover();
    }

    /// Posts until it is accepted, as clients do; the relay's id.
    pub(crate) async fn accepted(&self, message: &Value) -> String {
        self.until("an acceptance", SOON, async || {
            let answer = self.post(message).await;
            let is_accepted = matches!(answer.status, 200 | 202);
            is_accepted.then(|| answer.json["id"].as_str().unwrap().to_owned())
        })
        .await
    }

    pub(crate) fn fail(&self, rule: Rule) {
        self.bench.faults().add(rule);
    }

    /// Waits until every rule has been used up.
    pub(crate) async fn all_failed(&self) {
        let left = async || (self.bench.faults().rules_left() == 0).then_some(());
        self.until("every fault", COMES_BACK, left).await;
    }

    /// Kills one process of a function, the one that works if there is one.
    pub(crate) async fn kill(&self, function: &str) {
        let mut chance = Chance::seeded(1);
        assert!(relay_chaos::killer::kill_one(&self.bench, function, &mut chance).await);
    }

    pub(crate) async fn shown(&self, id: &str) -> Shown {
        self.client.show(id).await.unwrap().expect("the relay knows it")
    }

    pub(crate) fn arrivals(&self, id: &str) -> Vec<Arrival> {
        self.arrivals.of(id)
    }

    /// The attempts that the target said yes to.
    pub(crate) fn taken(&self, id: &str) -> Vec<u32> {
        let taken = self.arrivals(id).into_iter().filter(|call| call.status == Some(200));
        taken.map(|call| call.attempt).collect()
    }

    /// Waits until the target has been called so often.
    pub(crate) async fn called(&self, id: &str, times: usize) {
        let called = async || (self.arrivals(id).len() >= times).then_some(());
        self.until("a call of the target", COMES_BACK, called).await;
    }

    /// Waits until a message is final.
    pub(crate) async fn finished(&self, id: &str) -> Shown {
        self.until("a final status", COMES_BACK, async || {
            let shown = self.shown(id).await;
            shown.is_final().then_some(shown)
        })
        .await
    }

    /// Waits until the main queue is empty: every copy was met and found to be done.
    pub(crate) async fn drained(&self) {
        let queues = self.bench.queues().unwrap();
        self.until("an empty queue", COMES_BACK, async || {
            (queues.waiting().await.unwrap() == 0).then_some(())
        })
        .await;
    }

    pub(crate) async fn dead_letters(&self) -> Vec<String> {
        let queues = self.bench.queues().unwrap();
        queues.dead_letters().await.unwrap().into_iter().collect()
    }

    pub(crate) async fn until<T>(
        &self,
        what: &str,
        within: Duration,
        mut look: impl AsyncFnMut() -> Option<T>,
    ) -> T {
        let end = Instant::now() + within;
        loop {
            if let Some(found) = look().await {
                return found;
            }
            assert!(Instant::now() < end, "{what}: not within {within:?}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// What the relay answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<String>,
    pub(crate) json: Value,
}

impl Answer {
    async fn of(response: Response) -> Self {
        let status = response.status().as_u16();
        let retry_after = response.headers().get("retry-after");
        let retry_after = retry_after.map(|value| value.to_str().unwrap().to_owned());
        let json = response.json().await.unwrap_or_default();
        Self { status, retry_after, json }
    }

    /// An answer of "not now", as every failure of the relay's own has to be.
    #[track_caller]
    pub(crate) fn is_not_now(&self) {
        assert_eq!((self.status, &self.json["code"]), (503, &json!("SYSTEM_ERROR")), "{self:?}");
        assert!(self.retry_after.is_some(), "{self:?}");
    }
}
