//! The vault over HTTP: the suite, how often it calls, what it does in trouble, and that it never shows a secret. The
//! service here answers what a test tells it to.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use relay_aws::{Endpoints, SecretsManagerVault};
use relay_core::access::{MasterId, MasterSecrets};
use relay_core::ports::{PortError, Vault};
use relay_local::services::bind;
use relay_local::services::record::Recorder;
use relay_local::services::secrets_manager::{
    SecretSpecification, SecretsManagerOptions, SecretsManagerServer,
};
use relay_testkit::conformance::vault;
use relay_testkit::{ManualClock, TestAmbient, sample};

use crate::{actions, clients};

const SECRET_ID: &str = "arn:aws:secretsmanager:us-east-1:000000000000:secret:relay-master";
/// A word that stands in every secret here.
const MARK: &str = "hunter2hunter2hunter2";

struct Bench {
    clock: ManualClock,
    vault: SecretsManagerVault,
    /// Status and body of the next answers.
    answer: Arc<Mutex<(u16, String)>>,
    calls: Arc<AtomicUsize>,
}

impl Bench {
    async fn start() -> Self {
        let answer = Arc::new(Mutex::new((500, String::new())));
        let calls = Arc::new(AtomicUsize::new(0));
        let (answers, counted) = (Arc::clone(&answer), Arc::clone(&calls));
        let serve = move |headers: HeaderMap, body: Bytes| {
            assert_eq!(headers["x-amz-target"], "secretsmanager.GetSecretValue");
            let asked: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(asked, serde_json::json!({ "SecretId": SECRET_ID }));
            counted.fetch_add(1, Ordering::SeqCst);
            let (status, body) = answers.lock().unwrap().clone();
            let kind = [("content-type", "application/x-amz-json-1.1")];
            std::future::ready((StatusCode::from_u16(status).unwrap(), kind, body))
        };
        let listener = bind(0).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(serve);
        tokio::spawn(async move { axum::serve(listener, app).await });
        let clock = ManualClock::starting_at(sample::START);
        let endpoints = Endpoints { secrets_manager: Some(url), ..Endpoints::default() };
        let vault = SecretsManagerVault::new(&clients(endpoints).await, SECRET_ID)
            .with_clock(Arc::new(TestAmbient::new(clock.clone(), 1)));
        Self { clock, vault, answer, calls }
    }

    fn answer(&self, status: u16, body: String) {
        *self.answer.lock().unwrap() = (status, body);
    }

    fn keep(&self, json: &str) {
        let body =
            serde_json::json!({ "ARN": SECRET_ID, "Name": "relay-master", "SecretString": json });
        self.answer(200, body.to_string());
    }

    /// An error that the SDK does not repeat.
    fn fail(&self) {
        let denied = r#"{"__type":"AccessDeniedException","Message":"not for you"}"#;
        self.answer(400, denied.to_owned());
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl vault::Bench for Bench {
    fn vault(&self) -> &dyn Vault {
        &self.vault
    }

    async fn set(&self, json: &str) {
        self.keep(json);
    }

    fn advance(&self, step: Duration) {
        self.clock.advance(step);
    }
}

/// Master secrets of these names, each with the mark in it.
fn json(names: &[&str]) -> String {
    let entries = names.iter().map(|name| format!(r#","{name}":"{MARK}{}""#, name.repeat(64)));
    format!(r#"{{"current":"{}"{}}}"#, names[0], entries.collect::<String>())
}

fn masters(names: &[&str]) -> MasterSecrets {
    MasterSecrets::parse(&json(names)).unwrap()
}

fn id(name: &str) -> MasterId {
    masters(&[name]).current().clone()
}

#[tokio::test]
async fn the_vault_keeps_the_contract() {
    vault::run_all(|_| async { Arc::new(Bench::start().await) as vault::Subject }).await;
}

#[tokio::test]
async fn a_warm_vault_calls_every_five_minutes_however_often_it_is_asked() {
    let bench = Bench::start().await;
    bench.keep(&json(&["a"]));
    for second in 0..=300_u64 {
        assert_eq!(bench.vault.masters(Some(&id("a"))).await, Ok(masters(&["a"])));
        assert_eq!(bench.calls(), if second < 300 { 1 } else { 2 });
        bench.clock.advance(Duration::from_secs(1));
    }
}

#[tokio::test]
async fn many_at_once_make_one_call() {
    let bench = Bench::start().await;
    bench.keep(&json(&["a"]));
    let asks = (0..50).map(|_| {
        let vault = bench.vault.clone();
        tokio::spawn(async move { vault.masters(None).await })
    });
    for ask in asks.collect::<Vec<_>>() {
        assert_eq!(ask.await.unwrap(), Ok(masters(&["a"])));
    }
    assert_eq!(bench.calls(), 1);
}

#[tokio::test]
async fn many_at_once_share_a_failure_and_the_next_second_tries_anew() {
    let bench = Bench::start().await;
    bench.fail();
    let asks = (0..50).map(|_| {
        let vault = bench.vault.clone();
        tokio::spawn(async move { vault.masters(None).await })
    });
    for ask in asks.collect::<Vec<_>>() {
        let error = ask.await.unwrap().unwrap_err();
        assert!(matches!(error, PortError::Unavailable { .. }), "{error}");
    }
    assert_eq!(bench.calls(), 1);
    bench.keep(&json(&["a"]));
    bench.clock.advance(Duration::from_secs(1));
    assert_eq!(bench.vault.masters(None).await, Ok(masters(&["a"])));
}

#[tokio::test]
async fn one_that_is_nowhere_is_looked_for_every_half_minute_at_most() {
    let bench = Bench::start().await;
    bench.keep(&json(&["a"]));
    for second in 0..60_usize {
        assert_eq!(bench.vault.masters(Some(&id("z"))).await, Ok(masters(&["a"])));
        assert_eq!(bench.calls(), 1 + second / 30);
        bench.clock.advance(Duration::from_secs(1));
    }
}

#[tokio::test]
async fn in_trouble_what_is_known_serves_for_an_hour_and_what_is_not_known_fails() {
    let bench = Bench::start().await;
    bench.keep(&json(&["a"]));
    assert_eq!(bench.vault.masters(None).await, Ok(masters(&["a"])));
    bench.fail();
    bench.clock.advance(Duration::from_secs(30 * 60));
    for _ in 0..10 {
        assert_eq!(bench.vault.masters(Some(&id("a"))).await, Ok(masters(&["a"])));
    }
    assert_eq!(bench.calls(), 2, "trouble is not asked for again at once");
    let error = bench.vault.masters(Some(&id("z"))).await.unwrap_err();
    assert!(matches!(error, PortError::Unavailable { .. }), "{error}");
    bench.clock.advance(Duration::from_secs(30 * 60));
    assert!(bench.vault.masters(Some(&id("a"))).await.is_err());
    bench.keep(&json(&["b", "a"]));
    bench.clock.advance(Duration::from_secs(1));
    assert_eq!(bench.vault.masters(Some(&id("a"))).await, Ok(masters(&["b", "a"])));
}

#[tokio::test]
async fn no_secret_is_shown_whatever_the_service_answers() {
    let bench = Bench::start().await;
    let wrap = |text: &str| serde_json::json!({ "SecretString": text }).to_string();
    for (status, body) in [
        (200, wrap(&format!(r#"{{"current":"2","1":"{}"}}"#, MARK.repeat(4)))),
        (200, wrap(&format!(r#"{{"current":"1","1":"{MARK}"}}"#))),
        (200, wrap(&format!(r#"{{"current":"1","1":["{MARK}"]}}"#))),
        (200, wrap(MARK)),
        (200, serde_json::json!({ "SecretBinary": MARK }).to_string()),
        (200, format!("{{\"SecretString\":\"{MARK}")),
        (400, serde_json::json!({ "__type": "Odd", "SecretString": MARK }).to_string()),
    ] {
        bench.answer(status, body.clone());
        bench.clock.advance(Duration::from_secs(1));
        let error = bench.vault.masters(None).await.unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("hunter2"), "{body}: {shown}");
    }
    bench.keep(&json(&["a"]));
    bench.clock.advance(Duration::from_secs(1));
    let masters = bench.vault.masters(None).await.unwrap();
    let shown = format!("{:?} {masters:?}", bench.vault);
    assert!(!shown.contains("hunter2") && shown.contains(SECRET_ID), "{shown}");
}

#[tokio::test]
async fn the_local_service_is_read_as_the_real_one_is() {
    let (folder, recorder) = (tempfile::tempdir().unwrap(), Recorder::default());
    let listener = bind(0).await.unwrap();
    let options = SecretsManagerOptions {
        listener,
        folder: folder.path().to_owned(),
        recorder: recorder.clone(),
    };
    let server = SecretsManagerServer::start(options).await.unwrap();
    let template = serde_json::json!({ "current": "1" });
    let wanted = SecretSpecification {
        name: "relay-master".to_owned(),
        arn: SECRET_ID.to_owned(),
        template: template.as_object().unwrap().clone(),
        key: "1".to_owned(),
        characters: 64,
    };
    server.create_secret(&wanted).unwrap();
    let endpoints = Endpoints { secrets_manager: Some(server.url()), ..Endpoints::default() };
    let clients = clients(endpoints).await;
    for id in [SECRET_ID, "relay-master"] {
        let masters = SecretsManagerVault::new(&clients, id).masters(None).await.unwrap();
        assert_eq!(masters.current().as_str(), "1");
    }
    assert_eq!(actions(&recorder), ["secretsmanager:GetSecretValue"]);
    let missing = SecretsManagerVault::new(&clients, "elsewhere").masters(None).await;
    let error = missing.unwrap_err().to_string();
    assert!(error.contains("ResourceNotFoundException"), "{error}");
    server.shutdown().await;
}
