//! Traces: what is taken from a request, what is ignored, and what goes on to the target.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;

use super::*;
use crate::identity::{AcceptedId, Generation};
use crate::time::Timestamp;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const XRAY: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";

fn of(given: Given<'_>) -> Trace {
    Trace::of_request(given, [7; 16])
}

fn with_parent(text: &str) -> Trace {
    of(Given { traceparent: Some(text), ..Given::default() })
}

fn life(generation: u32) -> Life {
    Life {
        accepted_id: AcceptedId::from_random([1; 16]),
        generation: Generation(generation),
        generation_started_at: Timestamp::from_millis(1),
        expires_at: Timestamp::from_millis(2),
    }
}

#[test]
fn a_call_has_the_trace_of_the_request_and_a_place_of_its_own() {
    let trace = with_parent(PARENT);
    assert_eq!(trace.id(), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(trace.traceparent(), PARENT);
    let span = SpanId::from_random([0xab; 16]);
    assert_eq!(
        trace.traceparent_of(span),
        "00-4bf92f3577b34da6a3ce929d0e0e4736-abababababababab-01"
    );
    assert_ne!(SpanId::from_random([0; 16]).to_string(), "0".repeat(16));
}

#[test]
fn a_malformed_traceparent_is_as_none() {
    let id = "4bf92f3577b34da6a3ce929d0e0e4736";
    for malformed in [
        "",
        "00",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x",
        "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
        "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ü",
    ] {
        assert_ne!(with_parent(malformed).id(), id, "{malformed}");
    }
    let two = format!("{PARENT},{PARENT}");
    assert_ne!(with_parent(&two).id(), id, "which of the two counts nobody knows");
}

#[test]
fn a_later_version_is_read_as_far_as_it_is_known_and_unknown_flags_are_not_passed_on() {
    let later = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-09-more";
    assert_eq!(with_parent(later).traceparent(), PARENT);
    assert_eq!(
        with_parent(&PARENT.replace("-01", "-fe")).traceparent(),
        PARENT.replace("-01", "-00")
    );
}

#[test]
fn a_state_is_passed_on_whole_or_not_at_all() {
    let long = format!("a={}", "x".repeat(TRACESTATE_BYTES_MAX));
    let many: Vec<String> = (0..33).map(|number| format!("a{number}=1")).collect();
    for (state, passes) in [
        ("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", true),
        ("a=1, ,b=2\t", true),
        ("1a-_*/@sys=x y", true),
        (many[..32].join(",").as_str(), true),
        (many.join(",").as_str(), false),
        (long.as_str(), false),
        ("", false),
        (",", false),
        ("a", false),
        ("A=1", false),
        ("a=1,a=2", false),
        ("1a=1", false),
        ("a@=1", false),
        ("a@b@c=1", false),
        ("a=", false),
        ("a=1=2", false),
        ("a=ü", false),
        ("a=1\r\nx: y", false),
    ] {
        let given =
            Given { traceparent: Some(PARENT), tracestate: Some(state), ..Given::default() };
        assert_eq!(of(given).state(), passes.then_some(state), "{state:?}");
        // A state without its trace means nothing.
        let alone = Given { tracestate: Some(state), ..Given::default() };
        assert_eq!(of(alone).state(), None);
    }
}

#[test]
fn the_header_of_x_ray_is_kept_as_far_as_it_is_known() {
    let of = |text: &str| of(Given { xray: Some(text), ..Given::default() });
    let whole = of(XRAY);
    assert_eq!(whole.xray().as_deref(), Some(XRAY));
    assert_eq!(whole.xray_id().as_deref(), Some("1-5759e988-bd862e3fe1be46a994272793"));
    assert_eq!(whole.traceparent(), "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01");
    for (given, kept) in [
        (format!("Self=1; {XRAY};Lineage=a:1"), Some(XRAY)),
        ("Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=?".to_owned(), Some(&XRAY[..40])),
        ("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=x".to_owned(), Some(&XRAY[..40])),
        ("Parent=53995c3f42cd8ad8;Sampled=1".to_owned(), None),
        ("Root=2-5759e988-bd862e3fe1be46a994272793".to_owned(), None),
        ("Root=1-5759e98-8bd862e3fe1be46a994272793".to_owned(), None),
        ("Root=1-5759e988-bd862e3fe1be46a994272793-1".to_owned(), None),
        ("Root=1-00000000-000000000000000000000000".to_owned(), None),
        (format!("{XRAY};{}", "x".repeat(500)), None),
    ] {
        assert_eq!(of(&given).xray().as_deref(), kept, "{given}");
    }
}

#[test]
fn the_host_says_more_of_the_same_trace_and_nothing_of_another() {
    let root = "Root=1-5759e988-bd862e3fe1be46a994272793";
    let other = "Root=1-00000001-bd862e3fe1be46a994272793;Sampled=0";
    let of = |asked, host| of(Given { xray: asked, xray_of_host: host, ..Given::default() }).xray();
    assert_eq!(of(Some(root), Some(XRAY)).as_deref(), Some(XRAY));
    assert_eq!(of(None, Some(XRAY)).as_deref(), Some(XRAY));
    assert_eq!(of(Some(root), Some(other)).as_deref(), Some(root));
    assert_eq!(of(Some(root), Some("x")).as_deref(), Some(root));
}

#[test]
fn without_a_trace_one_begins_that_nobody_asked_to_record() {
    let fresh = of(Given::default());
    assert_eq!(fresh.id(), "07".repeat(16));
    assert!(fresh.traceparent().ends_with("-00"), "{}", fresh.traceparent());
    assert_eq!((fresh.state(), fresh.xray()), (None, None));
    assert_eq!(Trace::of_life(&life(0)), Trace::of_life(&life(0)));
    assert_ne!(Trace::of_life(&life(0)).id(), Trace::of_life(&life(1)).id());
}

proptest! {
    #[test]
    fn whatever_a_request_says_what_is_kept_is_read_again(
        parent in "\\PC{0,60}|[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-x)?",
        state in "\\PC{0,40}|([a-z]{1,3}=[!-+]{1,9},?){1,9}",
        xray in "\\PC{0,60}|Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=[01?]",
        random: [u8; 16],
    ) {
        let given = Given {
            traceparent: Some(&parent),
            tracestate: Some(&state),
            xray: Some(&xray),
            xray_of_host: None,
        };
        let trace = Trace::of_request(given, random);
        let (xray, written) = (trace.xray(), trace.traceparent());
        let read = Trace::read(Some(&written), trace.state(), xray.as_deref());
        prop_assert_eq!(read.as_ref(), Some(&trace));
        // Nothing in it could end a header.
        let whole = format!("{written}{}{}", trace.state().unwrap_or(""), xray.unwrap_or_default());
        prop_assert!(whole.bytes().all(|byte| (b' '..=b'~').contains(&byte) || byte == b'\t'));
    }
}
