//! What is accepted was understood: the bytes that go on are those that were sent, in every spelling of
//! them, and whatever can be read in two ways is refused.

use std::cell::Cell;

use http::StatusCode;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use relay_ingest::JSON_DEPTH_MAX;
use relay_ingest::submission::FIELDS;
use serde_json::Value;

use crate::fuzz::{apply, change, config};
use crate::relay::{Answer, Relay};

/// Cases of each property.
const CASES: u32 = 500;
/// Limits so small that bodies of some hundred bytes go every way there is.
const SMALL: [(&str, &str); 2] =
    [("QUEUE_INLINE_BYTES_MAX", "1024"), ("TABLE_INLINE_BYTES_MAX", "64")];

/// A relay, a runtime to call it on, and names that are not taken.
struct Bench {
    relay: Relay,
    runtime: tokio::runtime::Runtime,
    posted: Cell<u32>,
}

impl Bench {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        Self { relay: Relay::with(&SMALL), runtime, posted: Cell::new(0) }
    }

    /// The fields that every message has, with an id that was not used before.
    fn usual(&self) -> String {
        self.posted.set(self.posted.get() + 1);
        format!(
            r#""messageId":"m{}","senderId":"s","targetUrl":"https://a.example/""#,
            self.posted.get()
        )
    }

    fn post(&self, request: impl Into<Vec<u8>>) -> Answer {
        self.runtime.block_on(self.relay.post_text("/message", request.into()))
    }

    /// The body of the one message in the queue, which then is gone.
    fn body_sent(&self) -> Vec<u8> {
        let mut envelopes = self.relay.drain();
        assert_eq!(envelopes.len(), 1);
        self.runtime.block_on(self.relay.body_of(&envelopes.remove(0)))
    }

    /// Whether the message can be shown, with its body, however odd that is.
    fn is_shown(&self, accepted: &Answer) -> bool {
        let id = accepted.json["id"].as_str().unwrap();
        let path = format!("/v1/messages/{id}?include=body");
        self.runtime.block_on(self.relay.get(&path)).status == StatusCode::OK
    }
}

fn check<T: std::fmt::Debug>(
    cases: impl Strategy<Value = T>,
    test: impl Fn(&Bench, T) -> Result<(), TestCaseError>,
) {
    let bench = Bench::new();
    TestRunner::new(config(CASES)).run(&cases, |case| test(&bench, case)).unwrap();
}

fn space() -> impl Strategy<Value = String> {
    "[ \\t\\r\\n]{0,3}"
}

/// The JSON text of a string, some of its characters escaped though they need not be.
fn string_text() -> impl Strategy<Value = String> {
    let plain = "[ !#-\\[\\]-~]|é|\u{7f}|\u{2028}|\u{fffe}|\u{1f600}";
    let escape = "\\\\(u[0-9a-fA-F]{4}|[\"\\\\/bfnrt])";
    let pieces = vec(prop_oneof![3 => plain.boxed(), 1 => escape.boxed()], 0..12);
    pieces.prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

/// The text of any JSON value, written in any way that JSON allows.
fn json_text() -> impl Strategy<Value = String> {
    let number = "-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,6})?";
    let literal = prop::sample::select(vec!["null", "true", "false", "[]", "{}", "-0", "1E400"]);
    let leaf = prop_oneof![number, string_text(), literal.prop_map(str::to_owned)];
    leaf.prop_recursive(5, 48, 5, |inner| {
        let spaced = (space(), inner, space());
        let spaced = spaced.prop_map(|(a, it, b)| format!("{a}{it}{b}")).boxed();
        let member = (space(), string_text(), space(), spaced.clone())
            .prop_map(|(a, name, b, value)| format!("{a}{name}{b}:{value}"));
        prop_oneof![
            vec(spaced, 1..5).prop_map(|items| format!("[{}]", items.join(","))),
            vec(member, 1..5).prop_map(|members| format!("{{{}}}", members.join(","))),
        ]
    })
}

/// A JSON string that means `text`, each character escaped or not by the bits of `escaped`.
fn spelled(text: &str, escaped: u64) -> String {
    let sign = |(at, character): (usize, char)| {
        let must = matches!(character, '"' | '\\' | '\0'..='\u{1f}');
        if must || (escaped >> (at % 64)) & 1 == 1 {
            let mut units = [0; 2];
            let units = character.encode_utf16(&mut units).iter();
            units.map(|unit| format!("\\u{unit:04x}")).collect()
        } else {
            character.to_string()
        }
    };
    format!("\"{}\"", text.chars().enumerate().map(sign).collect::<String>())
}

#[test]
fn a_json_body_goes_on_as_the_text_it_was() {
    check((json_text(), space(), space(), space()), |bench, (text, a, b, c)| {
        let request = format!("{a}{{{},{b}\"body\"{c}:{a}{text}{b}}}{c}", bench.usual());
        let answer = bench.post(request);
        prop_assert_eq!(answer.status, StatusCode::ACCEPTED, "{}: {}", text, answer.json);
        prop_assert_eq!(bench.body_sent(), text.as_bytes());
        prop_assert!(bench.is_shown(&answer), "{text}");
        Ok(())
    });
}

#[test]
fn a_text_and_its_escapes_go_on_as_its_utf_8() {
    check((".{0,300}|[\\x00-\\x7f]{0,80}", any::<u64>()), |bench, (text, escaped)| {
        let (usual, body) = (bench.usual(), spelled(&text, escaped));
        let answer = bench.post(format!("{{{usual},\"bodyEncoding\":\"text\",\"body\":{body}}}"));
        prop_assert_eq!(answer.status, StatusCode::ACCEPTED, "{}: {}", body, answer.json);
        prop_assert_eq!(bench.body_sent(), text.as_bytes());
        prop_assert!(bench.is_shown(&answer));
        Ok(())
    });
}

#[test]
fn base64_goes_on_as_its_bytes_and_has_one_spelling() {
    check(
        (vec(any::<u8>(), 0..1500), any::<u64>(), any::<u8>()),
        |bench, (bytes, escaped, sign)| {
            let good = data_encoding::BASE64.encode(&bytes);
            let post = |text: &str| {
                let (usual, body) = (bench.usual(), spelled(text, escaped));
                bench.post(format!("{{{usual},\"body\":{body},\"bodyEncoding\":\"base64\"}}"))
            };
            let answer = post(&good);
            prop_assert_eq!(answer.status, StatusCode::ACCEPTED);
            prop_assert_eq!(bench.body_sent(), bytes);
            prop_assert!(bench.is_shown(&answer));
            // Another last character either means other bytes or nothing.
            let other = format!("{}{}", good.trim_end_matches('='), char::from(sign % 0x80));
            if post(&other).status == StatusCode::ACCEPTED {
                prop_assert_eq!(data_encoding::BASE64.encode(&bench.body_sent()), other);
            }
            Ok(())
        },
    );
}

#[test]
fn a_changed_request_that_is_accepted_means_what_it_says() {
    let fields = (json_text(), vec(change(), 1..4));
    check(fields, |bench, (text, changes)| {
        let good = format!("{{{},\"headers\":{{\"x-a\":\"b\"}},\"body\": {text} }}", bench.usual());
        let request = apply(good.into_bytes(), &changes);
        let answer = bench.post(request.clone());
        prop_assert!(answer.status.as_u16() < 500, "{}", answer.status);
        for envelope in bench.relay.drain() {
            let body = bench.runtime.block_on(bench.relay.body_of(&envelope));
            // Another reader, which knows nothing of exact texts, sees the same message.
            let Ok(seen) = serde_json::from_slice::<Value>(&request) else { continue };
            prop_assert_eq!(&seen["messageId"], envelope.message_id.as_str());
            prop_assert_eq!(&seen["senderId"], envelope.sender_id.as_str());
            if seen.get("bodyEncoding").is_none() && seen.get("body").is_some() {
                let stands = request.windows(body.len().max(1)).any(|part| part == body);
                prop_assert!(stands, "{}", String::from_utf8_lossy(&body));
                prop_assert_eq!(
                    serde_json::from_slice::<Value>(&body).ok(),
                    Some(seen["body"].clone())
                );
            }
        }
        Ok(())
    });
}

#[test]
fn f44_a_field_given_twice_is_refused_however_its_name_is_spelled() {
    let cases = (0..FIELDS.len(), json_text(), any::<u64>(), any::<bool>());
    check(cases, |bench, (field, value, escaped, first)| {
        let name = FIELDS[field];
        let twice = format!("{}:{value}", spelled(name, escaped));
        let once = format!("\"{name}\":{value}");
        let usual = bench.usual();
        let has = usual.contains(&format!("\"{name}\""));
        let others = if has { usual } else { format!("{usual},{once}") };
        let text =
            if first { format!("{{{twice},{others}}}") } else { format!("{{{others},{twice}}}") };
        let answer = bench.post(text.clone());
        prop_assert_eq!(
            (answer.status, answer.code()),
            (StatusCode::BAD_REQUEST, "VALIDATION_ERROR")
        );
        let told = format!("/{name}: is given more than once");
        prop_assert!(answer.errors().contains(&told), "{text}: {:?}", answer.errors());
        Ok(())
    });
}

#[test]
fn a_field_of_another_kind_is_refused_by_name() {
    let wrong = prop_oneof![
        "-?[1-9][0-9]{0,400}".boxed(),
        "1e[0-9]{3,6}".boxed(),
        "-0|0\\.0{1,300}1".boxed(),
        prop::sample::select(vec!["null", "true", "[]", "[\"x\"]"]).prop_map(str::to_owned),
        // Half of a pair of surrogates: valid JSON, and no text.
        "\"[a-z]{0,3}\\\\ud[89ab][0-9a-f]{2}[a-z]{0,3}\"".boxed(),
        "\"\\\\ud[c-f][0-9a-f]{2}\\\\ud[89ab][0-9a-f]{2}\"".boxed(),
    ];
    check((0..FIELDS.len(), wrong), |bench, (field, value)| {
        let name = FIELDS[field];
        if name == "body" {
            return Ok(());
        }
        // Whatever it replaces is gone, so that nothing is there twice.
        let usual = bench.usual();
        let others = usual.split(',').filter(|it| !it.starts_with(&format!("\"{name}\"")));
        let others: Vec<_> = others.collect();
        let answer = bench.post(format!("{{\"{name}\":{value},{}}}", others.join(",")));
        prop_assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}: {}", name, value);
        let at = format!("/{name}: ");
        prop_assert!(answer.errors().iter().any(|it| it.starts_with(&at)), "{:?}", answer.errors());
        Ok(())
    });
}

#[test]
fn nesting_is_taken_to_its_limit_and_no_further() {
    let depths = prop_oneof![4 => 1..2 * JSON_DEPTH_MAX, 1 => Just(200_000_usize)];
    check((depths, 0..FIELDS.len(), any::<bool>()), |bench, (depth, field, objects)| {
        let (open, close) = if objects { ("{\"a\":", "}") } else { ("[", "]") };
        let name = FIELDS[field];
        let deep = format!("{}0{}", open.repeat(depth), close.repeat(depth));
        let answer = bench.post(format!("{{{},\"{name}\":{deep}}}", bench.usual()));
        // The braces of the request are one level.
        let fits = name == "body" && depth < JSON_DEPTH_MAX;
        let expected = if fits { StatusCode::ACCEPTED } else { StatusCode::BAD_REQUEST };
        prop_assert_eq!(answer.status, expected, "{} {}", name, depth);
        if fits {
            prop_assert_eq!(bench.body_sent(), deep.as_bytes());
            prop_assert!(bench.is_shown(&answer));
        }
        Ok(())
    });
}
