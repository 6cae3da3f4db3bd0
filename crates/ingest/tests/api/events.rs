//! Events as the gateway hands them over, and as no gateway would: each is answered, or is no event.

use axum::body::Body;
use http::Request;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use relay_ingest::event::Event;
use serde_json::{Value, json};

use crate::fuzz::{apply, change, config};
use crate::relay::{Relay, message};

/// Cases of each property.
const CASES: u32 = 1000;

fn good() -> Value {
    json!({
        "version": "2.0", "routeKey": "POST /message", "rawPath": "/message", "rawQueryString": "",
        "headers": {"content-type": "application/json", "host": "a.example", "x-correlation-id": "c"},
        "requestContext": {
            "accountId": "1", "requestId": "r-1", "stage": "$default", "timeEpoch": 1,
            "http": {"method": "POST", "path": "/message", "sourceIp": "192.0.2.1"},
        },
        "body": message().to_string(), "isBase64Encoded": false,
    })
}

/// Answers of a relay to requests, on a runtime of their own.
fn check<T: std::fmt::Debug>(
    cases: impl Strategy<Value = T>,
    test: impl Fn(&dyn Fn(Request<Body>) -> u16, T) -> Result<(), TestCaseError>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let relay = Relay::new();
    let send = |request| runtime.block_on(relay.send(request)).status.as_u16();
    TestRunner::new(config(CASES)).run(&cases, |case| test(&send, case)).unwrap();
}

/// Every place in an event, as a JSON pointer.
fn places(value: &Value, at: &str) -> Vec<String> {
    let Value::Object(members) = value else { return vec![at.to_owned()] };
    let inner = members.iter().flat_map(|(name, value)| places(value, &format!("{at}/{name}")));
    inner.chain([at.to_owned()]).filter(|place| !place.is_empty()).collect()
}

#[test]
fn f44_a_changed_event_is_answered_or_is_no_event() {
    check(vec(change(), 1..6), |send, changes| {
        let text = apply(good().to_string().into_bytes(), &changes);
        match serde_json::from_slice::<Event>(&text) {
            Ok(event) => prop_assert!(send(event.into_request()) < 500),
            // Only what is not JSON, or has a member of another kind, ends here.
            Err(error) => prop_assert!(!error.is_io()),
        }
        Ok(())
    });
}

#[test]
fn f44_what_an_event_lacks_or_leaves_null_is_empty() {
    let all = places(&good(), "");
    let chosen = vec((prop::sample::select(all), any::<bool>()), 1..6);
    check(chosen, |send, chosen| {
        let mut event = good();
        for (place, is_null) in &chosen {
            let (parent, name) = place.rsplit_once('/').unwrap();
            match event.pointer_mut(parent) {
                Some(Value::Object(members)) if *is_null => {
                    members.insert(name.to_owned(), Value::Null);
                }
                Some(Value::Object(members)) => drop(members.remove(name)),
                _ => {}
            }
        }
        let read = serde_json::from_str::<Event>(&event.to_string());
        prop_assert!(read.is_ok(), "{event}: {:?}", read.err());
        prop_assert!(send(read.unwrap().into_request()) < 500, "{event}");
        Ok(())
    });
}

#[test]
fn f44_a_body_in_base64_is_the_body() {
    let bodies = prop_oneof![
        Just(message().to_string().into_bytes()),
        vec(change(), 0..4).prop_map(|changes| apply(message().to_string().into_bytes(), &changes)),
        vec(any::<u8>(), 0..200),
    ];
    check((bodies, ".{0,40}"), |send, (body, garbage)| {
        let answer = |body: Value, encoded: bool| {
            let mut event = good();
            (event["body"], event["isBase64Encoded"]) = (body, Value::Bool(encoded));
            send(serde_json::from_str::<Event>(&event.to_string()).unwrap().into_request())
        };
        let encoded = answer(data_encoding::BASE64.encode(&body).into(), true);
        prop_assert!(encoded < 500);
        if let Ok(text) = String::from_utf8(body) {
            let plain = answer(text.into(), false);
            // The second of two is a duplicate.
            prop_assert!(plain == encoded || [plain, encoded] == [200, 202], "{plain} {encoded}");
        }
        prop_assert!((400..500).contains(&answer(garbage.into(), true)));
        Ok(())
    });
}
