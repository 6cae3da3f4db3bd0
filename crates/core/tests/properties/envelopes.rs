//! Envelopes: what was written is read the same, what is broken is refused with a reason, what is newer
//! is told apart, and nothing unknown is in the way.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;
use relay_core::body::{Body, Pointer, Sha256};
use relay_core::destination::{Method, Target};
use relay_core::envelope::{Envelope, EnvelopeError, VERSION, dead_letter_generation, queue_takes};
use relay_core::headers::Headers;
use relay_core::identity::{AcceptedId, CorrelationId, Generation, MessageId, RelayId, SenderId};
use relay_core::lifecycle::Life;
use relay_core::time::Timestamp;
use relay_core::trace::Trace;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, to_string};

use crate::mutation::mutated;
use crate::{config, more};

/// Deepest nesting that serde_json reads; what is deeper must be refused, not overflow the stack.
const DEPTH_READ: usize = 127;

fn life() -> impl Strategy<Value = Life> {
    (any::<[u8; 16]>(), any::<u32>(), any::<u64>(), any::<u64>()).prop_map(
        |(accepted, generation, started, expires)| Life {
            accepted_id: AcceptedId::from_random(accepted),
            generation: Generation(generation),
            generation_started_at: Timestamp::from_millis(started),
            expires_at: Timestamp::from_millis(expires),
        },
    )
}

/// Texts most of which are JSON, though not as anybody would write it.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,4})?",
        ".{0,20}".prop_map(|text| to_string(&text).unwrap()),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        (inner, "[ \t\r\n]{0,2}", prop::sample::select(vec![("[", "]"), ("{\"a\":", "}")]))
            .prop_map(|(inner, blank, (open, close))| format!("{open}{blank}{inner}{blank}{close}"))
    })
}

fn body() -> impl Strategy<Value = Body> {
    let stored = ("\\PC{0,20}", any::<[u8; 32]>(), any::<u64>()).prop_map(|(key, hash, bytes)| {
        let sha256 = Sha256::from_digest(hash);
        Body::Stored(Pointer { bucket: "bucket".to_owned(), key, sha256, bytes })
    });
    prop_oneof![
        any::<Vec<u8>>().prop_map(|bytes| Body::Inline(Bytes::from(bytes))),
        ".{0,80}".prop_map(|text| Body::Inline(Bytes::from(text))),
        json().prop_map(|text| Body::Inline(Bytes::from(text))),
        stored,
    ]
}

/// The trace of a request that brought some of it, or none.
fn trace() -> impl Strategy<Value = Option<Trace>> {
    let parent = "00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]";
    let xray = "Root=1-[0-9a-f]{8}-[0-9a-f]{24}(;Sampled=[01])?";
    prop::option::of((parent, "[a-z]{1,9}=[!-+]{1,9}", xray, any::<bool>())).prop_map(|given| {
        let (parent, state, xray, has_xray) = given?;
        Trace::read(Some(&parent), Some(&state), has_xray.then_some(xray.as_str()))
    })
}

/// Any envelope that the relay itself could write.
pub(crate) fn envelope() -> impl Strategy<Value = Envelope> {
    let names = ("[A-Za-z0-9_-]{1,64}", "[A-Za-z0-9._:@+-]{1,128}", "[!-~]{1,128}");
    let target = "[a-z0-9]{1,20}(/[ -~]{0,20}){0,3}";
    let headers = prop::collection::btree_map("x-[a-z0-9]{1,10}", "[!-~]([ -~]{0,20}[!-~])?", 0..5);
    let body = (body(), any::<bool>());
    (names, life(), target, 0..Method::ALL.len(), headers, trace(), body).prop_map(
        |(
            (sender, message, correlation),
            life,
            target,
            method,
            headers,
            trace,
            (body, retained),
        )| {
            let sender_id = SenderId::parse(&sender).unwrap();
            let message_id = MessageId::parse(&message).unwrap();
            let target = Target::parse(&format!("https://a.{target}"))
                .unwrap_or_else(|_| Target::parse("https://a.example/").unwrap());
            let pairs = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            Envelope {
                id: RelayId::of(&sender_id, &message_id),
                sender_id,
                message_id,
                life,
                target,
                method: Method::ALL[method],
                headers: Headers::parse(pairs).unwrap(),
                correlation_id: CorrelationId::parse(&correlation).unwrap(),
                trace,
                body,
                retained,
            }
        },
    )
}

/// The fields of an envelope, each as it was written.
type Fields = BTreeMap<String, Box<RawValue>>;

fn as_object(text: &str) -> Fields {
    serde_json::from_str(text).unwrap()
}

/// Fields of no version so far.
fn unknown_fields() -> impl Strategy<Value = Vec<(String, Box<RawValue>)>> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((".{0,8}", inner), 0..4)
                .prop_map(|members| members.into_iter().collect()),
        ]
    });
    let value = value.prop_map(|value| to_raw_value(&value).unwrap());
    prop::collection::vec(("new[a-zA-Z]{1,10}", value), 1..4)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn f37_what_is_written_is_read_the_same_and_the_queue_takes_it(envelope in envelope()) {
        let text = envelope.to_json();
        prop_assert!(text.chars().all(queue_takes));
        prop_assert_eq!(Envelope::from_json(&text), Ok(envelope.clone()));
        prop_assert_eq!(Envelope::identity_in(&text), Some((envelope.id.clone(), envelope.life.clone())));
        prop_assert!(envelope.queue_bytes() > text.len());
    }

    #[test]
    fn f32_unknown_fields_change_nothing_wherever_they_stand(
        envelope in envelope(), fields in unknown_fields(), first: bool
    ) {
        let known = as_object(&envelope.to_json());
        let new = fields.into_iter();
        let text = if first {
            // Text by text: a map would sort the members.
            let new: String = new.map(|(name, value)| format!("\"{name}\":{value},")).collect();
            let known = to_string(&known).unwrap();
            known.replacen('{', &format!("{{{new}"), 1)
        } else {
            let mut all = known;
            all.extend(new);
            to_string(&all).unwrap()
        };
        match Envelope::from_json(&text) {
            Ok(read) => prop_assert_eq!(read, envelope),
            Err(error) => prop_assert!(false, "{error}: {text}"),
        }
    }

    #[test]
    fn f15_any_newer_version_is_told_apart_whatever_else_it_holds(
        envelope in envelope(), version in VERSION + 1.., fields in unknown_fields()
    ) {
        let mut object = as_object(&envelope.to_json());
        object.extend(fields.clone());
        for mut object in [object, fields.into_iter().collect::<Fields>()] {
            object.insert("v".to_owned(), to_raw_value(&version).unwrap());
            let read = Envelope::from_json(&to_string(&object).unwrap());
            prop_assert_eq!(read, Err(EnvelopeError::UnknownVersion(version)));
        }
    }

    #[test]
    fn f14_without_any_one_field_it_is_no_envelope(envelope in envelope(), which: prop::sample::Index) {
        // But for what items had none of at first and need none of now.
        let first = Envelope { trace: None, retained: true, ..envelope.clone() };
        let mut object = as_object(&first.to_json());
        let name = which.get(&object.keys().cloned().collect::<Vec<_>>()).clone();
        object.remove(&name);
        let text = to_string(&object).unwrap();
        let read = Envelope::from_json(&text);
        prop_assert!(matches!(read, Err(EnvelopeError::Malformed(_))), "without {name}: {read:?}");
        let mut traced = as_object(&envelope.to_json());
        traced.retain(|name, _| !["traceparent", "tracestate", "xrayTrace"].contains(&name.as_str()));
        let read = Envelope::from_json(&to_string(&traced).unwrap());
        prop_assert_eq!(read, Ok(Envelope { trace: None, ..envelope }));
        let belongs_to_identity = ["id", "accepted_id", "generation", "generation_started_at", "expires_at"];
        prop_assert_eq!(Envelope::identity_in(&text).is_none(), belongs_to_identity.contains(&name.as_str()));
    }

    #[test]
    fn f14_no_text_makes_trouble(text in "\\PC{0,200}|[\\{\\}\\[\\]\":,a-z0-9]{0,60}") {
        prop_assert!(Envelope::from_json(&text).is_err());
        let _ = Envelope::identity_in(&text);
        let _ = dead_letter_generation(&text);
    }
}

proptest! {
    #![proptest_config(more(2))]

    /// What is still read after a change is an envelope like any other: it can be written and read again.
    #[test]
    fn f14_a_broken_envelope_is_refused_without_its_contents_or_is_one(
        text in envelope().prop_flat_map(|envelope| mutated(envelope.to_json()))
    ) {
        match Envelope::from_json(&text) {
            Ok(envelope) => {
                prop_assert_eq!(Envelope::from_json(&envelope.to_json()), Ok(envelope.clone()));
                prop_assert!(!envelope.attributes().is_empty());
                prop_assert!(envelope.target.port() > 0);
            }
            Err(EnvelopeError::UnknownVersion(version)) => prop_assert!(version > VERSION),
            Err(EnvelopeError::Malformed(reason)) => {
                // The reason is logged and kept as an attribute: nothing of the item is in it.
                let place = reason.replace(|digit: char| digit.is_ascii_digit(), "");
                let known = [
                    "line  column ",
                    "bodyBase is not base",
                    "bodyText is not text",
                    "there must be one body",
                ];
                prop_assert!(known.contains(&place.as_str()), "{reason}");
            }
        }
        let _ = Envelope::identity_in(&text);
    }
}

#[test]
fn nesting_without_end_is_refused_and_does_not_end_the_process() {
    for depth in [DEPTH_READ + 1, 100_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let deep = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            for text in [deep.clone(), format!("{{\"v\":1,\"new\":{deep}}}")] {
                assert!(Envelope::from_json(&text).is_err());
                assert_eq!(Envelope::identity_in(&text), None);
            }
        }
    }
}
