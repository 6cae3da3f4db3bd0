//! Envelopes: old ones are read, new ones are told apart, and every body survives.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
use super::*;
use crate::identity::AcceptedId;
use crate::time::Timestamp;
use proptest::prelude::*;

fn envelope(body: Body) -> Envelope {
    let (sender, message) =
        (SenderId::parse("billing").unwrap(), MessageId::parse("order-1").unwrap());
    Envelope {
        id: RelayId::of(&sender, &message),
        sender_id: sender,
        message_id: message,
        life: Life {
            accepted_id: AcceptedId::from_random([1; 16]),
            generation: Generation(0),
            generation_started_at: Timestamp::from_millis(1),
            expires_at: Timestamp::from_millis(2),
        },
        target: Target::parse("https://example.com/hooks").unwrap(),
        method: Method::Post,
        headers: Headers::parse([("X-Order", "1")]).unwrap(),
        correlation_id: CorrelationId::parse("c").unwrap(),
        trace: None,
        body,
        retained: true,
    }
}

/// Written by the first version, which quoted JSON as well; every later worker must read it (F32).
const FIRST: &str = r#"{"v":1,"id":"msg_vvrnum5cqwoixwzydpk5a7icazyeai7a","senderId":"billing","messageId":"order-1","accepted_id":"01010101010101010101010101010101","generation":0,"generation_started_at":1,"expires_at":2,"target":"https://example.com/hooks","method":"POST","headers":{"x-order":"1"},"correlationId":"c","bodyText":"{\"a\": 1e400}"}"#;

/// What the second version makes of the body of [`FIRST`].
const SECOND_BODY: &str = r#""bodyJson":{"a": 1e400}}"#;

fn second() -> String {
    let (head, _) = FIRST.split_once("\"bodyText\"").unwrap();
    head.replace("\"v\":1", "\"v\":2") + SECOND_BODY
}

#[test]
fn f32_a_stored_envelope_is_read_and_written_the_same() {
    let now = envelope(Body::Inline(Bytes::from_static(b"{\"a\": 1e400}")));
    assert_eq!(now.to_json(), second());
    assert_eq!(Envelope::from_json(&second()), Ok(now.clone()));
    assert_eq!(Envelope::from_json(FIRST), Ok(now));
    let text = envelope(Body::Inline(Bytes::from_static(b"{\"a\": 1e400} ")));
    let first = FIRST.replace("}\"}", "} \"}");
    assert_eq!(text.to_json(), first);
    assert_eq!(Envelope::from_json(&first), Ok(text));
}

#[test]
fn json_travels_as_it_is_and_everything_else_as_text() {
    let deep = "[".repeat(5000) + &"]".repeat(5000);
    let json =
        ["{}", "[1, 2]", "\"\"", "0", "true", "{\"a\":\"\\ud800\"}", "{\n\t\"a\":{}\r\n}", &deep];
    // A field that is null is none, and blanks around a value belong to no value.
    let other = ["null", "", " {}", "{}\n", "{} {}", "{", "{a:1}", "plain", "{}\u{feff}"];
    for (texts, field) in [(&json[..], "\"bodyJson\":"), (&other[..], "\"bodyText\":")] {
        for text in texts {
            let sent = envelope(Body::Inline(Bytes::copy_from_slice(text.as_bytes())));
            let wire = sent.to_json();
            assert!(wire.contains(field), "{wire}");
            assert_eq!(Envelope::from_json(&wire), Ok(sent.clone()));
            assert_eq!(Envelope::within(&wire.as_str().into()), Ok(sent.clone()));
            assert_eq!(Envelope::identity_in(&wire), Some((sent.id, sent.life)));
        }
    }
}

#[test]
fn a_body_that_is_json_is_not_copied_out_of_its_item() {
    let body = Bytes::from_static(b"{\"a\":[1,2]}");
    let item = ByteString::from(envelope(Body::Inline(body.clone())).to_json());
    let Body::Inline(read) = Envelope::within(&item).unwrap().body else { panic!("no bytes") };
    assert_eq!(read, body);
    assert!(item.as_bytes().as_ptr_range().contains(&read.as_ptr()));
}

#[test]
fn unknown_fields_are_ignored() {
    let text = FIRST.replacen('{', r#"{"trace":{"x":1},"#, 1);
    assert!(Envelope::from_json(&text).is_ok());
}

#[test]
fn f32_a_trace_travels_along_and_one_that_cannot_be_read_hurts_nothing() {
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let xray = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1";
    let trace = Trace::read(Some(parent), Some("a=1"), Some(xray)).unwrap();
    let sent = envelope(Body::Inline(Bytes::from_static(b"1"))).traced(trace);
    let wire = sent.to_json();
    assert!(wire.contains(parent) && wire.contains(xray), "{wire}");
    assert_eq!(Envelope::from_json(&wire), Ok(sent.clone()));
    for odd in ["7", "null", r#"{"a":[1]}"#, "\"\"", "\"00-x\""] {
        let wire = wire.replace(&format!("\"{parent}\""), odd);
        let read = Envelope::from_json(&wire).unwrap();
        assert_eq!(read, Envelope { trace: None, ..sent.clone() }, "{odd}");
        assert_eq!(read.trace(), Trace::of_life(&sent.life));
    }
}

#[test]
fn f14_an_unreadable_item_may_still_say_whose_it_is() {
    let envelope = envelope(Body::Inline(Bytes::new()));
    let text = envelope.to_json().replace("bodyText", "bodyOfAnotherKind");
    assert!(Envelope::from_json(&text).is_err());
    assert_eq!(Envelope::identity_in(&text), Some((envelope.id, envelope.life)));
    assert_eq!(Envelope::identity_in(r#"{"v":1}"#), None);
}

#[test]
fn f15_a_newer_version_is_told_from_garbage() {
    assert_eq!(Envelope::from_json(r#"{"v":3}"#), Err(EnvelopeError::UnknownVersion(3)));
    for text in ["", "null", "[]", "{}", r#"{"v":1}"#, r#"{"v":-1}"#, "{\"v\":1"] {
        let read = Envelope::from_json(text);
        assert!(matches!(read, Err(EnvelopeError::Malformed(_))), "{text}: {read:?}");
    }
}

#[test]
fn f37_characters_that_the_queue_refuses_travel_as_base64() {
    for text in ["\u{fffe}", "\u{ffff}", "\0", "\u{1}"] {
        let wire = envelope(Body::Inline(Bytes::from(text))).to_json();
        assert!(wire.contains("bodyBase64"), "{wire}");
    }
}

#[test]
fn a_body_that_is_kept_nowhere_else_knows_where_it_goes() {
    let bytes = Bytes::from_static(b"1");
    let sent = envelope(Body::Inline(bytes.clone()));
    assert_eq!(sent.only_here("bucket"), None);
    let unretained = Envelope { retained: false, ..sent };
    let read = Envelope::from_json(&unretained.to_json()).unwrap();
    let pointer = Pointer::for_payload("bucket", &unretained.id, Sha256::of(b"1"), 1);
    assert_eq!(read.only_here("bucket"), Some((pointer.clone(), bytes)));
    let stored = Envelope { body: Body::Stored(pointer), ..unretained };
    assert_eq!(stored.only_here("bucket"), None);
}

#[test]
fn an_envelope_has_one_body() {
    let with = |field: &str| FIRST.replacen("\"bodyText\"", &format!("{field},\"bodyText\""), 1);
    for text in [
        with(r#""bodyBase64":"AA==""#),
        with(r#""bodyText":"x""#),
        with(r#""bodyJson":1"#),
        FIRST.replacen("\"bodyText\"", "\"body\"", 1),
        FIRST.replacen(r#""{\"a\": 1e400}""#, "null", 1),
        FIRST.replacen(r#""{\"a\": 1e400}""#, "{}", 1),
        FIRST.replacen(r#""{\"a\": 1e400}""#, r#""\ud800""#, 1),
    ] {
        let read = Envelope::from_json(&text);
        assert!(matches!(read, Err(EnvelopeError::Malformed(_))), "{text}: {read:?}");
    }
}

#[test]
fn a_stored_body_travels_as_its_pointer() {
    let pointer = Pointer {
        bucket: "b".to_owned(),
        key: "payloads/x/y".to_owned(),
        sha256: Sha256::of(b"x"),
        bytes: 1,
    };
    let sent = envelope(Body::Stored(pointer));
    assert_eq!(Envelope::from_json(&sent.to_json()), Ok(sent));
}

proptest! {
    #[test]
    fn f37_every_body_survives_and_the_queue_takes_it(body: Vec<u8>) {
        let sent = envelope(Body::Inline(Bytes::from(body)));
        let wire = sent.to_json();
        prop_assert!(wire.chars().all(queue_takes));
        prop_assert_eq!(Envelope::from_json(&wire), Ok(sent));
    }

    #[test]
    fn what_the_queue_takes_is_told_as_character_by_character(text in "[\0-\u{20}\u{7f}a\u{d7ff}\u{e000}\u{fffd}-\u{10002}]{0,3}|\\PC*") {
        prop_assert_eq!(queue_takes_all(&text), text.chars().all(queue_takes));
    }

    #[test]
    fn every_text_survives(body in "\\PC*|.*") {
        let sent = envelope(Body::Inline(Bytes::from(body)));
        let wire = sent.to_json();
        prop_assert!(wire.chars().all(queue_takes));
        prop_assert_eq!(Envelope::from_json(&wire), Ok(sent));
    }
}
