//! What is kept of attempts, and what an attempt sends: bounded, in order, and nothing of the relay's own
//! twice.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use relay_core::attempt;
use relay_core::identity::Generation;
use relay_core::outcome::{
    ANSWER_KEPT_BYTES, AttemptRecord, ErrorKind, OUTCOMES_KEPT, Outcome, with_attempt,
};
use relay_core::time::Timestamp;
use relay_core::trace::SpanId;

use crate::envelopes::envelope;
use crate::more;

fn outcome(result: Result<u16, ErrorKind>, answer: String) -> Outcome {
    let started_at = Timestamp::from_millis(1);
    Outcome { result, retry_after: None, answer, started_at, duration_millis: 1 }
}

/// A step of a record's life: how many attempts were lost before the next outcome, and whether somebody
/// set the message going again first.
fn steps() -> impl Strategy<Value = Vec<(u32, bool)>> {
    vec((prop_oneof![6 => 0..3_u32, 1 => 0..100_u32], prop::bool::weighted(0.1)), 0..60)
}

proptest! {
    #![proptest_config(more(2))]

    #[test]
    fn f28_the_last_attempts_are_kept_in_order_and_none_is_left_out(steps in steps()) {
        let (mut kept, mut generation, mut last) = (Vec::new(), Generation::default(), 0);
        let mut all = Vec::new();
        for (lost, again) in steps {
            if again {
                (generation, last) = (generation.next(), 0);
            }
            let number = last + lost + 1;
            all.extend((last + 1..=number).map(|attempt| (generation, attempt, attempt == number)));
            last = number;
            let next = AttemptRecord::of(generation, number, &outcome(Ok(503), String::new()));
            kept = with_attempt(kept, next.clone());
            prop_assert_eq!(kept.last(), Some(&next));
            prop_assert!(kept.len() <= OUTCOMES_KEPT);
        }
        let told: Vec<_> = kept.iter().map(|kept| (kept.generation, kept.attempt, kept.status.is_some())).collect();
        prop_assert_eq!(&told[..], &all[all.len().saturating_sub(OUTCOMES_KEPT)..]);
        // What has no outcome is unknown, not blank.
        prop_assert!(kept.iter().all(|kept| kept.status.is_some() != kept.error.is_some()));
    }

    #[test]
    fn f28_an_attempt_number_of_any_size_makes_no_trouble(first in 1..u32::MAX, second: u32) {
        let record = |number| AttemptRecord::of(Generation::default(), number, &outcome(Err(ErrorKind::Dns), String::new()));
        let kept = with_attempt(with_attempt(Vec::new(), record(first)), record(second));
        prop_assert!(kept.len() <= OUTCOMES_KEPT);
        prop_assert_eq!(kept.last(), Some(&record(second)));
    }

    #[test]
    fn f28_an_answer_is_cut_between_characters_and_is_read_as_it_is_stored(answer in "\\PC{0,300}|(é|\u{1f600}|a){0,300}", status in prop::option::of(any::<u16>())) {
        let result = status.ok_or(ErrorKind::Timeout);
        let record = AttemptRecord::of(Generation(1), 7, &outcome(result, answer.clone()));
        prop_assert!(record.answer.len() <= ANSWER_KEPT_BYTES && answer.starts_with(&record.answer));
        prop_assert!(answer.len() <= ANSWER_KEPT_BYTES || record.answer.len() > ANSWER_KEPT_BYTES - 4);
        let stored = serde_json::to_string(&record).unwrap();
        prop_assert_eq!(serde_json::from_str::<AttemptRecord>(&stored).unwrap(), record.clone());
        prop_assert!(record.summary().is_ascii());
    }
}

proptest! {
    #![proptest_config(more(2))]

    #[test]
    fn every_header_is_sent_once_and_those_of_the_relay_are_the_relays(
        envelope in envelope(), number: u32, at: u64, span: [u8; 16], signature in prop::option::of("v1,[A-Za-z0-9+/]{43}=")
    ) {
        let headers = attempt::headers(&envelope, number, Timestamp::from_millis(at), SpanId::from_random(span), signature.clone());
        let names: BTreeSet<_> = headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
        prop_assert_eq!(names.len(), headers.len());
        let value = |name: &str| headers.iter().find(|(it, _)| it == name).map(|(_, value)| value.to_string());
        prop_assert_eq!(value("webhook-id"), Some(envelope.id.to_string()));
        prop_assert_eq!(value("webhook-attempt"), Some(number.to_string()));
        prop_assert_eq!(value("webhook-timestamp"), Some((at / 1000).to_string()));
        prop_assert_eq!(value("webhook-signature"), signature);
        prop_assert!(value("user-agent").is_some() && value("host").is_none());
        for (name, given) in envelope.headers.iter() {
            prop_assert_eq!(value(name), Some(given.to_owned()));
        }
        // The state of a trace goes with its parent, and neither beside one of the client's.
        let is_traced = ["traceparent", "tracestate"].iter().any(|name| envelope.headers.get(name).is_some());
        let trace = envelope.trace();
        if !is_traced {
            prop_assert_eq!(value("traceparent"), Some(trace.traceparent_of(SpanId::from_random(span))));
            prop_assert_eq!(value("tracestate"), trace.state().map(str::to_owned));
        }
    }

    #[test]
    fn a_timeout_grows_with_the_body_and_never_ends_the_process(bytes: u64, more: u64, rate: u64) {
        let of = |bytes| attempt::timeout(Duration::from_secs(10), bytes, rate);
        prop_assert!(Duration::from_secs(10) <= of(bytes) && of(bytes) <= of(bytes.saturating_add(more)));
    }
}
