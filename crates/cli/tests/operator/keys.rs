//! API keys made with nothing but the table and the master secret, and what the relay makes of them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use relay_core::access::ApiKey;
use relay_core::identity::RelayId;
use relay_core::signature::SigningSecret;
use serde_json::{Value, json};

use crate::stack::{Relay, Said, within_soon};

/// A whole key, which opens nothing.
fn whole_key() -> String {
    ApiKey::draw([1; 16], [[2; 16], [3; 16]]).reveal()
}

/// A message of this sender.
fn message(sender: &str, name: &str, relay: &Relay) -> String {
    let target = format!("{}/ok", relay.receiver.url());
    json!({"messageId": name, "senderId": sender, "targetUrl": target, "body": {}}).to_string()
}

/// Posts a body with this key and these headers; the status.
async fn post(relay: &Relay, key: &str, body: String, headers: &[(&str, String)]) -> u16 {
    let timeout = Duration::from_secs(40);
    let http = reqwest::Client::builder().no_proxy().timeout(timeout).build().unwrap();
    let url = format!("{}/message", relay.variables()["RELAY_URL"]);
    let mut request = http.post(url).header("content-type", "application/json");
    request = request.header("x-api-key", key).body(body);
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    request.send().await.unwrap().status().as_u16()
}

/// What a command that makes a key prints: the key and nothing else.
fn printed_key(said: &Said) -> String {
    assert_eq!(said.code, 0, "{said:?}");
    let key = said.out.strip_suffix('\n').unwrap().to_owned();
    assert!(ApiKey::parse(&key).is_some(), "{said:?}");
    assert!(!said.err.contains(&key), "told twice: {said:?}");
    key
}

fn id_of(key: &str) -> String {
    ApiKey::parse(key).unwrap().id().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn f33_a_key_is_made_used_rotated_and_revoked() {
    let relay = Relay::start(&[]).await;
    let create = ["keys", "create", "--name", "ci", "--sender", "tests", "--scope", "send"];
    let said = relay.relay(&create).await;
    let first = printed_key(&said);
    assert!(said.err.contains("whsec_") && said.err.contains("shown this once"), "{said:?}");
    let id = id_of(&first);
    assert_eq!(post(&relay, &first, message("tests", "m1", &relay), &[]).await, 202);
    assert_eq!(post(&relay, &first, message("other", "m1", &relay), &[]).await, 403);

    let listed = relay.relay(&["keys", "list", "--json"]).await.json();
    let listed = listed.iter().find(|key| key["id"] == json!(id)).unwrap();
    assert_eq!(listed["senders"], json!(["tests"]));
    assert_eq!((&listed["scopes"], &listed["state"]), (&json!(["send"]), &json!("active")));
    let table = relay.relay(&["keys", "list"]).await;
    assert!(
        table.out.lines().any(|row| row.starts_with(&id) && row.contains("active")),
        "{table:?}"
    );

    let second = printed_key(&relay.relay(&["keys", "rotate", &id]).await);
    assert_eq!((id_of(&second), first == second), (id.clone(), false));
    for (number, key) in [&first, &second].into_iter().enumerate() {
        let accepted = async || {
            post(&relay, key, message("tests", &format!("m2-{number}"), &relay), &[]).await < 300
        };
        assert!(within_soon(accepted).await, "{number}: both are valid");
    }
    let third = printed_key(&relay.relay(&["keys", "rotate", &id, "--grace-seconds", "0"]).await);
    let shown = relay.relay(&["keys", "show", &id, "--json"]).await;
    let shown: Value = serde_json::from_str(&shown.out).unwrap();
    assert_eq!(shown["versions"].as_array().unwrap().len(), 1, "{shown}");
    for key in [&first, &second] {
        let ended = async || post(&relay, key, message("tests", "m3", &relay), &[]).await == 401;
        assert!(within_soon(ended).await, "its grace is over");
    }
    let accepted = async || post(&relay, &third, message("tests", "m4", &relay), &[]).await < 300;
    assert!(within_soon(accepted).await);

    let said = relay.relay(&["keys", "revoke", &id]).await;
    assert_eq!(said.code, 0, "{said:?}");
    let ended = async || post(&relay, &third, message("tests", "m5", &relay), &[]).await == 401;
    assert!(within_soon(ended).await, "revoked");
    let said = relay.relay(&["keys", "rotate", &id]).await;
    assert_eq!((said.code, said.out.as_str()), (3, ""), "{said:?}");
    let unknown = relay.relay(&["keys", "show", "aaaaaaaaaaaaaaaa"]).await;
    assert_eq!(unknown.code, 3, "{unknown:?}");
    for secret in [first, second, third] {
        let part = secret.rsplit('_').next().unwrap();
        for said in [&table, &said, &unknown] {
            assert!(!said.out.contains(part) && !said.err.contains(part), "{said:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_administrators_key_needs_no_more_than_its_scope() {
    let relay = Relay::start(&[]).await;
    let said = relay.relay(&["keys", "create", "--scope", "admin"]).await;
    let key = printed_key(&said);
    // What was not said is told.
    let told = |name: &str, value: &str| {
        said.err.lines().any(|row| row.starts_with(name) && row.trim_end().ends_with(value))
    };
    assert!(told("name", "created by relay keys"), "{said:?}");
    assert!(told("senders", "*") && told("scopes", "admin"), "{said:?}");
    let shown = relay.relay(&["keys", "show", &id_of(&key), "--json"]).await;
    let shown: Value = serde_json::from_str(&shown.out).unwrap();
    assert_eq!((&shown["senders"], &shown["scopes"]), (&json!(["*"]), &json!(["admin"])));
    let sent = post(&relay, &key, message("tests", "m1", &relay), &[]).await;
    assert_eq!(sent, 403, "it manages keys and does nothing else");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_must_sign_signs_with_the_secret_it_was_made_with() {
    let relay = Relay::start(&[]).await;
    let create = [
        "keys",
        "create",
        "--name",
        "signs",
        "--sender",
        "*",
        "--scope",
        "send",
        "--require-signature",
        "--json",
    ];
    let said = relay.relay(&create).await;
    assert_eq!(said.code, 0, "{said:?}");
    let made: Value = serde_json::from_str(&said.out).unwrap();
    let key = made["key"].as_str().unwrap();
    let secret = SigningSecret::parse(made["signingSecret"].as_str().unwrap()).unwrap();
    let body = message("tests", "signed", &relay);
    assert_eq!(post(&relay, key, body.clone(), &[]).await, 401, "it is not signed");

    let id = RelayId::parse(&format!("msg_{}", "a".repeat(32))).unwrap();
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let mut signing = secret.begin(&id, relay_core::time::Timestamp::from_millis(seconds * 1000));
    signing.update(body.as_bytes());
    let headers = [
        ("webhook-id", id.to_string()),
        ("webhook-timestamp", seconds.to_string()),
        ("webhook-signature", signing.finish()),
    ];
    assert_eq!(post(&relay, key, body, &headers).await, 202);
    let other = message("tests", "other", &relay);
    assert_eq!(post(&relay, key, other, &headers).await, 401, "it is another body's");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_master_secret_a_key_says_how_to_get_its_signing_secret() {
    let relay = Relay::start(&[]).await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    for (name, value) in relay.variables() {
        if name != "MASTER_SECRET_ID" {
            std::io::Write::write_all(&mut file, format!("{name}='{value}'\n").as_bytes()).unwrap();
        }
    }
    let path = file.path().to_str().unwrap().to_owned();
    let run = async |arguments: &[&str]| {
        let mut process = std::process::Command::new(env!("CARGO_BIN_EXE_relay"));
        process.env_clear().args(arguments).args(["--env-file", &path]);
        let output = tokio::task::spawn_blocking(move || process.output()).await;
        Said::of(output.unwrap().unwrap())
    };
    let create = ["keys", "create", "--name", "a", "--sender", "*", "--scope", "read"];
    let said = run(&create).await;
    let key = printed_key(&said);
    assert!(said.err.contains("set MASTER_SECRET_ID") && !said.err.contains("whsec_"), "{said:?}");
    let must_sign = [&create[..], &["--require-signature"]].concat();
    let said = run(&must_sign).await;
    assert_eq!((said.code, said.out.as_str()), (2, ""), "{said:?}");

    // With it the next version has one, and no version after that goes without.
    let said = relay.relay(&["keys", "rotate", &id_of(&key)]).await;
    printed_key(&said);
    assert!(said.err.contains("whsec_"), "{said:?}");
    let said = run(&["keys", "rotate", &id_of(&key)]).await;
    assert_eq!((said.code, said.out.as_str()), (2, ""), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_is_told_without_a_look_at_the_table() {
    let run = async |arguments: &[&str]| {
        let mut process = std::process::Command::new(env!("CARGO_BIN_EXE_relay"));
        process.env_clear().args(arguments);
        let output = tokio::task::spawn_blocking(move || process.output()).await;
        Said::of(output.unwrap().unwrap())
    };
    let create = ["keys", "create", "--name", "a", "--sender", "*", "--scope", "read"];
    let unset = run(&create).await;
    assert!(unset.code == 2 && unset.err.contains("DYNAMODB_TABLE is not set"), "{unset:?}");
    let whole_key = whole_key();
    assert!(
        ApiKey::parse(&whole_key).is_some(),
        "a wrong one would not be the secret it must not show"
    );
    for arguments in [
        &["keys", "create", "--name", "a", "--scope", "read"][..],
        &["keys", "create", "--name", "a", "--sender", "*", "--scope", "everything"],
        &["keys", "rotate", "aaaaaaaaaaaaaaaa", "--grace-seconds", "604801"],
        &["keys", "create", "--scope", "admin", "--scope", "send"],
        &["keys", "show", &whole_key],
    ] {
        let said = run(arguments).await;
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{said:?}");
        assert!(!said.err.contains(&whole_key), "{said:?}");
    }
}
