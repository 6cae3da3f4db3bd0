//! Whatever a client sends, it is answered: no panic, nothing above 499.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};

use crate::relay::{Relay, message};

/// Requests of each kind that are tried.
const REQUESTS: u32 = 1000;
/// What requests are drawn from, unless `PROPTEST_RNG_SEED` says otherwise: the same in every run.
const SEED: u64 = 20_261_121;
/// Changes made to a good request.
const CHANGES_MAX: usize = 8;

/// As many cases, or as many as `PROPTEST_CASES` asks for, and no file written when one fails.
pub(crate) fn config(cases: u32) -> Config {
    let given = Config::default();
    let cases = std::env::var_os("PROPTEST_CASES").map_or(cases, |_| given.cases);
    let rng_seed = match given.rng_seed {
        RngSeed::Random => RngSeed::Fixed(SEED),
        chosen @ RngSeed::Fixed(_) => chosen,
    };
    Config { cases, rng_seed, failure_persistence: None, ..given }
}

/// A change of some bytes.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Replace(usize, u8),
    Insert(usize, String),
    Cut(usize, usize),
    Double(usize, usize),
}

pub(crate) fn change() -> impl Strategy<Value = Change> {
    let pieces = prop::sample::select(vec![
        "\"",
        "\\",
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "null",
        "1e999",
        "\u{0}",
        "\\ud800",
        "\"body\":",
        "\"payload\":{\"uploadId\":\"upl_\"},",
        "\"bodyEncoding\":\"base64\",",
        "-",
        "\u{ffff}",
        "\"headers\":{\"a\":{}},",
        "\"senderId\":\"x\",",
        "http://127.0.0.1",
        "ftp:",
        "%00",
        "\r\n",
    ]);
    prop_oneof![
        (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Change::Replace(at, byte)),
        (any::<usize>(), pieces).prop_map(|(at, piece)| Change::Insert(at, piece.to_owned())),
        (any::<usize>(), 0..40_usize).prop_map(|(at, bytes)| Change::Cut(at, bytes)),
        (any::<usize>(), 0..40_usize).prop_map(|(at, bytes)| Change::Double(at, bytes)),
    ]
}

pub(crate) fn apply(mut request: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        let at = |at: &usize| at % (request.len() + 1);
        match change {
            Change::Replace(place, byte) => {
                let place = at(place);
                if let Some(old) = request.get_mut(place) {
                    *old = *byte;
                }
            }
            Change::Insert(place, piece) => {
                let place = at(place);
                request.splice(place..place, piece.bytes());
            }
            Change::Cut(place, bytes) => {
                let place = at(place);
                request.drain(place..request.len().min(place + bytes));
            }
            Change::Double(place, bytes) => {
                let place = at(place);
                let piece = request[place..request.len().min(place + bytes)].to_vec();
                request.splice(place..place, piece);
            }
        }
    }
    request
}

/// Sends each to every route that reads a body.
fn never_above_499(requests: impl Strategy<Value = Vec<u8>>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let relay = Relay::new();
    let outcome = TestRunner::new(config(REQUESTS)).run(&requests, |request| {
        for path in ["/message", "/v1/uploads", "/v1/messages/bulk", "/v1/messages/bulk/redrive"] {
            let answer = runtime.block_on(relay.post_text(path, request.clone()));
            prop_assert!(answer.status.as_u16() < 500, "{path}: {}", answer.status);
            prop_assert!(answer.json.is_object());
        }
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn mutated_requests_are_answered() {
    let good = message().to_string().into_bytes();
    never_above_499(
        vec(change(), 1..=CHANGES_MAX).prop_map(move |changes| apply(good.clone(), &changes)),
    );
}

#[test]
fn random_bytes_are_answered() {
    never_above_499(vec(any::<u8>(), 0..2000));
}

#[test]
fn random_json_is_answered() {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        ".{0,20}".prop_map(serde_json::Value::from),
    ];
    let names = prop::sample::select(vec![
        "messageId",
        "senderId",
        "timestamp",
        "targetUrl",
        "method",
        "headers",
        "body",
        "bodyEncoding",
        "payload",
        "uploadId",
        "bytes",
        "sha256",
        "messages",
        "ids",
        "other",
    ]);
    let value = leaf.prop_recursive(4, 64, 8, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..8).prop_map(serde_json::Value::from),
            vec((names.clone(), inner), 0..8).prop_map(|members| {
                members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            }),
        ]
    });
    never_above_499(value.prop_map(|value| value.to_string().into_bytes()));
}

#[test]
fn random_paths_and_headers_are_answered() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let relay = Relay::new();
    let parts = (".{0,60}", ".{0,60}", ".{0,20}", ".{0,200}", ".{0,100}", any::<bool>());
    let outcome = TestRunner::new(config(REQUESTS)).run(
        &parts,
        |(path, query, method, id, body, encoded)| {
            let event = serde_json::json!({
                "rawPath": format!("/v1/messages/{path}"), "rawQueryString": query, "body": body,
                "headers": {"x-correlation-id": id, "content-type": "application/json", (path): id},
                "isBase64Encoded": encoded,
                "requestContext": {"requestId": id, "http": {"method": method}},
            });
            let event: relay_ingest::event::Event =
                serde_json::from_str(&event.to_string()).unwrap();
            let answer = runtime.block_on(relay.send(event.into_request()));
            prop_assert!(answer.status.as_u16() < 500, "{}", answer.status);
            Ok(())
        },
    );
    outcome.unwrap();
}
