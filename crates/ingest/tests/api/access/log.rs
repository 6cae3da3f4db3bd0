//! What the log says of keys: which was used and why one was refused, and never the key.

use std::io::Write;
use std::sync::{Arc, Mutex};

use relay_core::access::{ApiKey, KeyRules};
use relay_testkit::lines::judge_for_all_threads;
use serde_json::Value;

use super::holder::{Ask, guarded, numbered, post_key, rules, signing_secret};
use crate::relay::{Relay, message};

/// What was written to the log.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Lines {
    /// Begins to write down everything that this thread logs.
    pub(crate) fn kept() -> (Self, tracing::subscriber::DefaultGuard) {
        judge_for_all_threads();
        let lines = Self::default();
        let written = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(move || written.clone())
            .finish();
        (lines, tracing::subscriber::set_default(subscriber))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The fields of every line that says this.
    pub(crate) fn saying(&self, message: &str) -> Vec<Value> {
        let text = self.text();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let fields = lines.map(|line| line["fields"].clone());
        fields.filter(|fields| fields["message"] == message).collect()
    }

    /// The fields of the last request's line.
    fn last(&self) -> Value {
        let text = self.text();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut requests = lines.filter(|line| line["fields"]["message"] == "request");
        requests.next_back().unwrap()["fields"].clone()
    }
}

async fn cause(relay: &Relay, lines: &Lines, ask: Ask) -> (Value, Value) {
    ask.of(relay).await;
    let line = lines.last();
    (line["cause"].clone(), line["key_id"].clone())
}

#[tokio::test]
async fn the_reason_of_a_refusal_is_in_the_log() {
    let (lines, _guard) = Lines::kept();
    let relay = guarded(&[]);
    let key = relay.key(1, rules());
    let revoked = relay.key(2, rules());
    relay.keys.put(relay.record(&revoked, rules()).revoked(relay.clock.now(), "x".to_owned()));
    let narrow = relay.key(3, KeyRules { scopes: [].into(), ..rules() });
    let wrong = ApiKey::of(key.id().clone(), [[7; 16], [7; 16]]);
    let path = "/v1/destinations/a.example";
    for (presented, expected) in [
        (numbered(9), "no such key"),
        (wrong, "a wrong secret"),
        (revoked, "a revoked key"),
        (narrow, "a missing scope"),
    ] {
        let id = presented.id().to_string();
        let told = cause(&relay, &lines, Ask::get(path).key(&presented)).await;
        assert_eq!(told, (expected.into(), id.into()));
    }
    let (told, id) = cause(&relay, &lines, Ask::get(path).key(&key)).await;
    assert_eq!((told, id), (Value::Null, key.id().to_string().into()));
    let (told, id) = cause(&relay, &lines, Ask::get(path)).await;
    assert_eq!((told, id), ("no key".into(), Value::Null));
}

/// A client chooses its correlation id, and not these.
#[tokio::test]
async fn every_line_tells_where_the_request_came_from_and_the_gateways_id_of_it() {
    let (lines, _guard) = Lines::kept();
    let relay = guarded(&[]);
    let key = relay.key(1, rules());
    for (source, expected) in [
        ("192.0.2.7", "192.0.2.7".into()),
        ("::ffff:192.0.2.7", "192.0.2.7".into()),
        ("", Value::Null),
    ] {
        for (ask, cause) in [
            (Ask::get("/health/ready").key(&key), Value::Null),
            (Ask::get("/health/ready").key(&numbered(9)), "no such key".into()),
            (Ask::get("/health"), Value::Null),
        ] {
            let forged =
                ask.header("x-correlation-id", "chosen").header("x-forwarded-for", "192.0.2.9");
            forged.from(source).of(&relay).await;
            let line = lines.last();
            assert_eq!((&line["source"], &line["cause"]), (&expected, &cause));
            assert_eq!(
                (&line["request_id"], &line["correlation_id"]),
                (&"request-1".into(), &"chosen".into())
            );
        }
    }
}

#[tokio::test]
async fn no_secret_is_in_the_log_however_much_is_logged() {
    let (lines, _guard) = Lines::kept();
    let relay = guarded(&[("AUTHENTICATION_FAILURES_MAX", "4")]);
    let admin = relay.key(1, rules());
    let secret = signing_secret(&admin, 1);
    let mut secrets = vec![admin.reveal(), secret.reveal()];
    let made = post_key(&relay, &admin, r#"{"name":"a","senders":["a"],"scopes":["send"]}"#).await;
    let rotate = format!("/v1/api-keys/{}/rotate", made.json["id"].as_str().unwrap());
    let rotated = Ask::post(&rotate, "{}").key(&admin).of(&relay).await;
    let signing =
        Ask::post("/v1/signing-secrets", r#"{"senderId":"a"}"#).key(&admin).of(&relay).await;
    for (answer, field) in [
        (&made, "key"),
        (&made, "signingSecret"),
        (&rotated, "key"),
        (&rotated, "signingSecret"),
        (&signing, "signingSecret"),
    ] {
        secrets.push(answer.json[field].as_str().unwrap().to_owned());
    }
    let shown = "/v1/signing-secrets/a?include=secret";
    Ask::get(shown).key(&admin).of(&relay).await;
    let seconds = relay.clock.now().as_seconds();
    let signed =
        Ask::post("/message", message().to_string()).key(&admin).signed(&secret, "a", seconds);
    secrets.push(signed.value("webhook-signature").to_owned());
    signed.of(&relay).await;
    let guess = numbered(9);
    secrets.push(guess.reveal());
    for _ in 0..8 {
        Ask::get(shown).key(&guess).from("192.0.2.77").of(&relay).await;
        Ask::get(shown).header("x-api-key", &guess.reveal()[1..]).of(&relay).await;
    }
    let text = lines.text();
    for (words, times) in [
        ("an API key was made", 1),
        ("an API key was rotated", 1),
        ("a signing secret was made", 1),
    ] {
        assert_eq!(text.matches(words).count(), times, "{words}");
    }
    for secret in &secrets {
        // The part of a key behind its id, which is none.
        let hidden = secret.rsplit_once('_').map_or(secret.as_str(), |(_, hidden)| hidden);
        assert!(hidden.len() > 20 && !text.contains(hidden), "a secret is in the log");
    }
    assert!(!text.contains("rk_") && !text.contains("whsec_"));
}
