//! What is answered when everything works: in order, each in the words of the single answers.

use http::StatusCode;
use relay_core::body::Body;
use relay_core::envelope::Envelope;
use relay_core::lifecycle::Status;
use serde_json::json;

use super::{counts, messages, post, told};
use crate::relay::{Relay, message_with};
use crate::uploads::{announce, naming, upload};

#[tokio::test]
async fn a_hundred_messages_are_accepted_and_each_is_in_the_queue_once() {
    let relay = Relay::new();
    let answer = post(&relay, &messages(100)).await;
    assert_eq!(told(&answer), vec!["202 QUEUED"; 100]);
    assert_eq!(counts(&answer), [100, 0, 0, 0]);
    assert_eq!(answer.json["correlationId"], answer.headers["x-correlation-id"].to_str().unwrap());
    let sent = relay.drain();
    assert_eq!(sent.len(), 100);
    for (number, (result, envelope)) in
        answer.json["results"].as_array().unwrap().iter().zip(&sent).enumerate()
    {
        assert_eq!(result["messageId"], format!("m-{number}"));
        assert_eq!(result["id"], envelope.id.as_str());
        let found = relay.found(envelope.id.as_str()).await;
        assert_eq!(found.state.phase.status(), Status::Queued);
        assert_eq!(found.message.first_life(), envelope.life);
        assert_eq!(relay.body_of(envelope).await, br#"{"any":"json"}"#);
    }
}

#[tokio::test]
async fn one_message_is_a_bulk_too_and_its_result_says_this() {
    let relay = Relay::new();
    let answer = post(&relay, &messages(1)).await;
    let id = relay.store.ids()[0].to_string();
    let expected = json!({"status": 202, "id": id, "messageId": "m-0", "messageStatus": "QUEUED", "duplicate": false});
    assert_eq!(answer.json["results"], json!([expected]));
}

#[tokio::test]
async fn what_one_message_comes_to_says_nothing_about_the_others() {
    let relay = Relay::new();
    relay.post(&message_with(json!({"messageId": "known"}))).await;
    relay.drain();
    let with = |fields| message_with(fields);
    let answer = post(
        &relay,
        &[
            with(json!({"messageId": "good"})),
            with(json!({"messageId": "no target", "targetUrl": null})),
            json!("no object"),
            with(json!({"messageId": "known"})),
            with(json!({"messageId": "known", "body": 2})),
            with(json!({"messageId": "private", "targetUrl": "http://127.0.0.1/"})),
            with(json!({"messageId": "a b", "method": "BREW", "typo": 1})),
            with(json!({"messageId": "last"})),
        ],
    )
    .await;
    expect_test::expect![[r#"
        202 QUEUED
        400 VALIDATION_ERROR
        400 VALIDATION_ERROR
        200 QUEUED duplicate
        422 MESSAGE_ID_REUSED
        422 TARGET_REFUSED
        400 VALIDATION_ERROR
        202 QUEUED"#]]
    .assert_eq(&told(&answer).join("\n"));
    assert_eq!(counts(&answer), [2, 1, 5, 0]);
    assert!(!answer.headers.contains_key("retry-after"));
    let results = answer.json["results"].as_array().unwrap();
    let errors: Vec<String> = results
        .iter()
        .flat_map(|result| result["problem"]["errors"].as_array().cloned().unwrap_or_default())
        .map(|error| error["pointer"].as_str().unwrap().to_owned())
        .collect();
    expect_test::expect![[r#"
        /messages/1/messageId
        /messages/1/targetUrl
        /messages/2
        /messages/4/body
        /messages/5/targetUrl
        /messages/6/typo
        /messages/6/messageId
        /messages/6/method"#]]
    .assert_eq(&errors.join("\n"));
    assert_eq!(results[4]["messageId"], "known");
    assert_eq!(results[1].get("id"), None);
    let sent: Vec<_> = relay.drain().into_iter().map(|sent| sent.message_id.to_string()).collect();
    assert_eq!(sent, ["good", "last"]);
}

#[tokio::test]
async fn f03_f04_the_same_id_twice_in_one_request_is_one_message() {
    let relay = Relay::new();
    let (first, other) = (message_with(json!({})), message_with(json!({"body": 2})));
    let answer = post(&relay, &[first.clone(), other.clone(), first.clone(), other.clone()]).await;
    let expected =
        ["202 QUEUED", "422 MESSAGE_ID_REUSED", "200 QUEUED duplicate", "422 MESSAGE_ID_REUSED"];
    assert_eq!(told(&answer), expected);
    assert_eq!(answer.json["results"][3]["problem"]["errors"][0]["pointer"], "/messages/3/body");
    assert_eq!(relay.drain().len(), 1);
    // Whatever the first is refused for, another content under its id is judged by what is recorded.
    let again = post(&relay, &[other.clone(), first, other]).await;
    let expected = ["422 MESSAGE_ID_REUSED", "200 QUEUED duplicate", "422 MESSAGE_ID_REUSED"];
    assert_eq!(told(&again), expected);
    assert!(relay.drain().is_empty());
}

#[tokio::test]
async fn bodies_go_where_they_would_go_by_themselves() {
    let relay = Relay::new();
    let announced = announce(&relay).await;
    upload(&relay, &announced);
    let missing = announce(&relay).await;
    let sized = |id: &str, bytes| message_with(json!({"messageId": id, "body": "x".repeat(bytes)}));
    let named = |id: &str, announced| {
        let mut message = naming(announced);
        message["messageId"] = json!(id);
        message
    };
    let answer = post(
        &relay,
        &[
            sized("small", 10),
            sized("middling", 20_000),
            sized("large", 300_000),
            named("uploaded", &announced),
            named("missing", &missing),
        ],
    )
    .await;
    let accepted = "202 QUEUED";
    assert_eq!(told(&answer), [accepted, accepted, accepted, accepted, "400 VALIDATION_ERROR"]);
    let error = &answer.json["results"][4]["problem"]["errors"][0];
    assert_eq!(error["pointer"], "/messages/4/payload/uploadId");
    let sent = relay.drain();
    let carries = |sent: &Envelope| matches!(sent.body, Body::Inline(_));
    let mut carried: Vec<_> =
        sent.iter().map(|sent| (sent.message_id.as_str(), carries(sent))).collect();
    carried.sort_unstable();
    let expected = [("large", false), ("middling", true), ("small", true), ("uploaded", false)];
    assert_eq!(carried, expected);
    for envelope in &sent {
        let found = relay.found(envelope.id.as_str()).await;
        assert_eq!(relay.body_of(envelope).await.len() as u64, found.message.body.bytes());
        if let Body::Stored(pointer) = &found.message.body {
            assert!(relay.stored(pointer).await.is_some(), "{}", envelope.message_id);
        }
    }
    let again = post(&relay, &[named("uploaded", &announced)]).await;
    assert_eq!(told(&again), ["200 QUEUED duplicate"]);
}

#[tokio::test]
async fn a_request_that_cannot_be_read_is_refused_as_a_whole() {
    let relay = Relay::new();
    for (body, error) in [
        ("", ": must be a JSON object; the request has no body"),
        ("[]", ": must be a JSON object"),
        ("{}", "/messages: is required"),
        (r#"{"messages":{}}"#, "/messages: must be a list of 1 to 100 messages"),
        (r#"{"messages":[]}"#, "/messages: must be a list of 1 to 100 messages"),
        (r#"{"messages":[{}],"atomic":true}"#, "/atomic: is not a known field; known are messages"),
        (r#"{"messages":[{}"#, ": is not JSON: EOF while parsing a list at line 1 column 15"),
    ] {
        let answer = relay.post_text(super::PATH, body).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::BAD_REQUEST, "VALIDATION_ERROR"));
        assert_eq!(answer.errors(), [error]);
    }
    for many in [101, 1000, 1001, 300_000] {
        let body = format!(r#"{{"messages":[{}1]}}"#, "1,".repeat(many - 1));
        let answer = relay.post_text(super::PATH, body).await;
        assert_eq!(answer.errors(), ["/messages: must be a list of 1 to 100 messages"]);
    }
    assert!(relay.store.ids().is_empty());
}

#[tokio::test]
async fn f44_a_message_that_is_nested_too_deep_is_refused_alone() {
    let relay = Relay::new();
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let text = |id: &str, levels| {
        format!(
            r#"{{"messageId":"{id}","senderId":"s","targetUrl":"https://a.example/","body":{}}}"#,
            nested(levels)
        )
    };
    let body = format!(r#"{{"messages":[{},{}]}}"#, text("deep", 128), text("fine", 127));
    let answer = relay.post_text(super::PATH, body).await;
    assert_eq!(told(&answer), ["400 VALIDATION_ERROR", "202 QUEUED"]);
    let error = &answer.json["results"][0]["problem"]["errors"][0];
    assert_eq!(error["detail"], "must not be nested deeper than 128 levels");
}

#[tokio::test]
async fn the_answer_about_a_hundred_wrong_messages_fits_an_answer() {
    let relay = Relay::new();
    let fields: serde_json::Map<_, _> =
        (0..20).map(|field| (format!("{}{field}", "\u{1}".repeat(200)), json!(1))).collect();
    let wrong = json!(fields);
    let answer = post(&relay, &vec![wrong; 100]).await;
    assert_eq!(counts(&answer), [0, 0, 100, 0]);
    assert!(answer.json.to_string().len() < 6_000_000);
    let problem = &answer.json["results"][99]["problem"];
    assert_eq!(problem["detail"], "23 fields are wrong, the first 10 are listed");
}

#[tokio::test]
async fn f04_a_hundred_contents_of_one_id_are_judged_by_what_is_recorded() {
    let relay = Relay::new();
    let numbered = |number| message_with(json!({"body": number}));
    relay.post(&numbered(70)).await;
    relay.faults.calls();
    let all: Vec<_> = (0..100).map(numbered).collect();
    let answer = post(&relay, &all).await;
    assert_eq!(counts(&answer), [0, 1, 99, 0]);
    assert_eq!(told(&answer)[70], "200 QUEUED duplicate");
    let calls = relay.faults.calls();
    assert_eq!(calls, ["record", "find", "record", "find"], "of the first, and of the same");
}

#[tokio::test]
async fn many_missing_uploads_for_one_id_take_no_more_than_a_few_rounds() {
    let relay = Relay::new();
    let mut all = Vec::new();
    for _ in 0..20 {
        all.push(naming(&announce(&relay).await));
    }
    relay.faults.calls();
    let answer = post(&relay, &all).await;
    assert_eq!(counts(&answer)[..2], [0, 0]);
    assert!(relay.faults.calls().len() <= 6, "two calls a round");
}
