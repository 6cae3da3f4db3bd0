//! Headers: what is taken can be sent as it is, and what cannot be sent is named.

use proptest::collection::vec;
use proptest::prelude::*;
use relay_core::headers::{
    HEADER_VALUE_BYTES_MAX, HEADERS_BYTES_MAX, HEADERS_MAX, HeaderError, Headers,
};

use crate::more;

/// Names of every kind: good, reserved, of odd characters.
fn name() -> impl Strategy<Value = String> {
    let known = [
        "Host",
        "content-length",
        "Transfer-Encoding",
        "Connection",
        "TE",
        "Upgrade",
        "Webhook-Id",
        "WEBHOOK-",
        "x-correlation-id",
        "Trailer",
        "Expect",
        "Content-Type",
        "Authorization",
        "Accept",
    ];
    prop_oneof![
        4 => "[A-Za-z][A-Za-z0-9-]{0,12}",
        2 => prop::sample::select(known.to_vec()).prop_map(str::to_owned),
        1 => "[!#$%&'*+.^_`|~0-9a-zA-Z-]{1,130}",
        1 => ".{0,12}",
        1 => "[a-z]{1,4}[\\r\\n: \\x00]{1,2}[a-z]{1,4}",
    ]
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[!-~]([ -~\\t]{0,30}[!-~])?",
        1 => Just(String::new()),
        1 => ".{0,20}",
        1 => "[a-z]{0,5}[\\r\\n\\x00-\\x1f\\x7f]{1,2}[a-z: ]{0,9}",
        1 => " [a-z]{0,5}|[a-z]{0,5}\\t",
        1 => (HEADER_VALUE_BYTES_MAX - 2..HEADER_VALUE_BYTES_MAX + 2).prop_map(|bytes| "v".repeat(bytes)),
    ]
}

/// Whether HTTP can carry it (RFC 9110 sections 5.1 and 5.5), judged apart from the code.
fn can_be_sent(name: &str, value: &str) -> bool {
    let in_name = |sign: char| sign.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(sign);
    let in_value = |sign: char| matches!(sign, ' '..='~' | '\t');
    !name.is_empty()
        && name.chars().all(in_name)
        && value.chars().all(in_value)
        && value.trim_ascii() == value
}

fn of_the_relay(lower_name: &str) -> bool {
    let framing = ["host", "content-length", "transfer-encoding", "connection", "te", "upgrade"];
    lower_name.starts_with("webhook-")
        || lower_name == "x-correlation-id"
        || framing.contains(&lower_name)
}

fn bad() -> impl Strategy<Value = (String, String)> {
    (name(), value()).prop_map(|(name, value)| {
        let is_bad = !can_be_sent(&name, &value) || of_the_relay(&name.to_ascii_lowercase());
        if is_bad { (name, value) } else { (name, format!("{value}\n")) }
    })
}

proptest! {
    #![proptest_config(more(2))]

    #[test]
    fn what_is_taken_can_be_sent_and_what_is_refused_is_named(pairs in vec((name(), value()), 0..8)) {
        let given = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        match Headers::parse(given) {
            Ok(headers) => {
                prop_assert_eq!(headers.iter().count(), pairs.len());
                for (name, value) in &pairs {
                    let lower = name.to_ascii_lowercase();
                    prop_assert!(can_be_sent(name, value), "{name:?}: {value:?}");
                    prop_assert!(!of_the_relay(&lower), "{name:?}");
                    prop_assert_eq!(headers.get(&lower), Some(value.as_str()));
                }
                let again = Headers::parse(headers.iter());
                prop_assert_eq!(again.as_ref(), Ok(&headers));
                let stored = serde_json::to_string(&headers).unwrap();
                prop_assert_eq!(serde_json::from_str::<Headers>(&stored).unwrap(), headers);
            }
            Err(mistakes) => {
                prop_assert!(!mistakes.is_empty());
                for (name, mistake) in mistakes {
                    match name {
                        Some(name) => prop_assert!(pairs.iter().any(|(given, _)| *given == name)),
                        None => prop_assert_eq!(mistake, HeaderError::TooLarge),
                    }
                }
            }
        }
    }

    #[test]
    fn one_bad_header_refuses_all_and_is_the_only_one_named(
        good in prop::collection::btree_map("x-[a-z0-9]{1,8}", "[!-~]{1,20}", 0..5), (name, value) in bad()
    ) {
        let pairs = good.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let mistakes = Headers::parse(pairs.chain([(name.as_str(), value.as_str())])).unwrap_err();
        let named: Vec<_> = mistakes.iter().filter_map(|(name, _)| name.as_deref()).collect();
        prop_assert_eq!(named, [name.as_str()]);
    }

    #[test]
    fn the_same_name_in_other_letters_is_twice(name in "x-[a-z]{1,12}", upper in any::<u16>()) {
        let other: String = name
            .chars()
            .enumerate()
            .map(|(at, sign)| if upper >> (at % 16) & 1 == 1 { sign.to_ascii_uppercase() } else { sign })
            .collect();
        let mistakes = Headers::parse([(name.as_str(), "1"), (other.as_str(), "2")]).unwrap_err();
        prop_assert_eq!(mistakes, [(Some(other), HeaderError::Twice)]);
    }

    #[test]
    fn numbers_and_bytes_of_headers_are_bounded(count in 0..=HEADERS_MAX + 5, bytes in 1..400_usize) {
        let pairs: Vec<_> = (0..count).map(|at| (format!("x-{at:03}"), "v".repeat(bytes))).collect();
        let all = pairs.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        let given = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let fits = count <= HEADERS_MAX && all <= HEADERS_BYTES_MAX;
        prop_assert_eq!(Headers::parse(given).is_ok(), fits, "{} headers, {} bytes", count, all);
    }
}
