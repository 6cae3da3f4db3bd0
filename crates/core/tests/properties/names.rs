//! Names, ids, hashes and times: each has one form, and what is read is written back the same.

use proptest::prelude::*;
use relay_core::body::Sha256;
use relay_core::identity::{CorrelationId, MessageId, RelayId, SenderId};
use relay_core::time::Timestamp;
use relay_core::upload::UploadId;

use crate::more;
use crate::mutation::mutated;

/// Milliseconds of the last point in time that RFC 3339 can write.
const LAST_MILLIS: u64 = 253_402_207_200_999;

/// Texts near the alphabets and lengths of names.
fn near_a_name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Za-z0-9._:@+-]{0,130}",
        "[!-~]{0,140}",
        "[ -~]{0,20}",
        ".{0,20}",
        "[a-z]{1,10}[ \\n\\x00/é\u{2024}]",
    ]
}

proptest! {
    #![proptest_config(more(2))]

    #[test]
    fn names_are_their_alphabet_and_length(text in near_a_name()) {
        let of = |most: usize, signs: &str| {
            let fits = |sign: char| sign.is_ascii_alphanumeric() || signs.contains(sign);
            (1..=most).contains(&text.chars().count()) && text.chars().all(fits)
        };
        let visible = (1..=128).contains(&text.len()) && text.chars().all(|sign| ('!'..='~').contains(&sign));
        prop_assert_eq!(MessageId::parse(&text).is_ok(), of(128, "._:@+-"));
        prop_assert_eq!(SenderId::parse(&text).is_ok(), of(64, "_-"));
        prop_assert_eq!(CorrelationId::parse(&text).is_ok(), visible);
        // What is stored is judged by the same rule when it is read.
        let stored = serde_json::to_string(&text).unwrap();
        prop_assert_eq!(serde_json::from_str::<MessageId>(&stored).ok(), MessageId::parse(&text).ok());
        prop_assert_eq!(serde_json::from_str::<RelayId>(&stored).ok(), RelayId::parse(&text).ok());
    }

    #[test]
    fn every_pair_of_ids_has_a_relay_id_of_its_own(
        sender in "[ab_-]{1,4}", message in "[ab._:@+-]{1,4}", other_sender in "[ab_-]{1,4}", other_message in "[ab._:@+-]{1,4}"
    ) {
        let of = |sender: &str, message: &str| {
            RelayId::of(&SenderId::parse(sender).unwrap(), &MessageId::parse(message).unwrap())
        };
        let id = of(&sender, &message);
        prop_assert_eq!(RelayId::parse(id.as_str()), Ok(id.clone()));
        let same = (&sender, &message) == (&other_sender, &other_message);
        prop_assert_eq!(id == of(&other_sender, &other_message), same);
    }

    #[test]
    fn an_upload_id_says_what_was_announced(random: [u8; 16], hash: [u8; 32], bytes: u64) {
        let announced = UploadId::announce(random, Sha256::from_digest(hash), bytes);
        let text = announced.to_string();
        let read = UploadId::parse(&text).unwrap();
        prop_assert_eq!((read.bytes(), read.sha256()), (bytes, Sha256::from_digest(hash)));
        prop_assert_eq!(read.key(), format!("uploads/{text}"));
        prop_assert_eq!(read, announced);
    }

    /// Two texts that name one upload would be two keys of one body.
    #[test]
    fn an_upload_id_has_one_spelling(
        text in (any::<[u8; 16]>(), any::<[u8; 32]>(), any::<u64>()).prop_flat_map(|(random, hash, bytes)| {
            mutated(UploadId::announce(random, Sha256::from_digest(hash), bytes).to_string())
        })
    ) {
        if let Some(read) = UploadId::parse(&text) {
            prop_assert_eq!(read.to_string(), text.clone());
            prop_assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
        }
    }

    #[test]
    fn a_last_character_with_bits_to_spare_is_no_other_spelling(bytes: u64, letter in "[a-z2-7]") {
        let text = UploadId::announce([1; 16], Sha256::of(b""), bytes).to_string();
        let other = format!("{}{letter}", &text[..text.len() - 1]);
        if let Some(read) = UploadId::parse(&other) {
            prop_assert_eq!(read.to_string(), other);
        }
    }

    #[test]
    fn no_text_but_its_own_is_an_upload_id_or_a_hash(text in "(upl_)?[a-z2-7A-Z]{0,95}|.{0,100}|[0-9a-fA-F]{60,68}") {
        if let Some(read) = UploadId::parse(&text) {
            prop_assert_eq!(read.to_string(), text.clone());
        }
        if let Some(hash) = Sha256::parse_hex(&text) {
            prop_assert_eq!(hash.to_string(), text);
        }
    }

    #[test]
    fn a_time_is_read_as_it_is_written(millis in 0..=LAST_MILLIS) {
        let point = Timestamp::from_millis(millis);
        prop_assert_eq!(Timestamp::parse_rfc3339(&point.to_string()), Ok(point));
    }

    #[test]
    fn a_time_with_an_offset_is_the_same_point(millis in 86_400_000..=LAST_MILLIS / 2, minutes in -23 * 60 - 59..=23 * 60 + 59_i64) {
        let local = Timestamp::from_millis(millis.checked_add_signed(minutes * 60_000).unwrap());
        let sign = if minutes < 0 { '-' } else { '+' };
        let (hours, rest) = (minutes.abs() / 60, minutes.abs() % 60);
        let text = format!("{}{sign}{hours:02}:{rest:02}", local.to_string().trim_end_matches('Z'));
        prop_assert_eq!(Timestamp::parse_rfc3339(&text), Ok(Timestamp::from_millis(millis)), "{}", text);
    }

    #[test]
    fn no_text_makes_a_clock_stumble(
        text in prop_oneof![
            (0..=LAST_MILLIS).prop_flat_map(|millis| mutated(Timestamp::from_millis(millis).to_string())),
            "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,10})?(Z|[+-][0-9]{2}:[0-9]{2})".boxed(),
        ],
        millis: u64
    ) {
        if let Ok(point) = Timestamp::parse_rfc3339(&text) {
            prop_assert_eq!(Timestamp::parse_rfc3339(&point.to_string()), Ok(point));
        }
        prop_assert!(!Timestamp::from_millis(millis).to_string().is_empty());
    }
}
