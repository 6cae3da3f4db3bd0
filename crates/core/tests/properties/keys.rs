//! API keys and request signatures: whatever text comes in a header is read or refused, no mistyped key is a key, and
//! nothing of a secret is shown.

use data_encoding::BASE64;
use proptest::prelude::*;
use relay_core::access::{AllowedIps, ApiKey, KeyId, MasterSecrets};
use relay_core::signature::{BadSignature, Claimed, SigningSecret, TOLERANCE};
use relay_core::time::Timestamp;

use crate::more;
use crate::mutation::mutated;

fn key() -> impl Strategy<Value = ApiKey> {
    any::<([u8; 16], [[u8; 16]; 2])>().prop_map(|(id, secret)| ApiKey::draw(id, secret))
}

/// The signature of a body, computed as the standard says and not by the code under test.
fn signature(key: &[u8], id: &str, seconds: u64, body: &[u8]) -> String {
    use hmac::{Hmac, KeyInit, Mac};
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key).unwrap();
    mac.update(&[format!("{id}.{seconds}.").as_bytes(), body].concat());
    format!("v1,{}", BASE64.encode(&mac.finalize().into_bytes()))
}

proptest! {
    #![proptest_config(more(4))]

    #[test]
    fn every_key_reads_back_and_shows_nothing(key in key()) {
        let text = key.reveal();
        let read = ApiKey::parse(&text).unwrap();
        prop_assert_eq!((read.id(), read.hash()), (key.id(), key.hash()));
        prop_assert_eq!(read.reveal(), text.clone());
        let secret = text.rsplit('_').next().unwrap();
        let shown = format!("{key:?} {:?} {}", key.hash(), key.id());
        prop_assert!(!shown.contains(&secret[..8]), "{shown}");
    }

    #[test]
    fn a_changed_key_is_none(
        (text, changed) in key().prop_flat_map(|key| { let text = key.reveal(); (Just(text.clone()), mutated(text)) })
    ) {
        prop_assert_eq!(ApiKey::parse(&changed).is_some(), changed == text, "{}", changed);
    }

    #[test]
    fn whatever_stands_where_a_key_or_a_block_should_is_read_or_refused(
        text in "\\PC{0,90}|rk_[a-z2-7]{16}_[a-z2-7]{58}|[a-z2-7]{14,18}|[0-9a-f:./]{0,45}"
    ) {
        // A random text has the right checksum once in four thousand million.
        prop_assert!(ApiKey::parse(&text).is_none());
        if let Ok(id) = KeyId::parse(&text) {
            prop_assert_eq!(id.as_str(), text.as_str());
        }
        if let Some(block) = AllowedIps::parse_block(&text) {
            let ips = AllowedIps::new([block]);
            prop_assert!(ips.allow(Some(block.network())), "{block} has its own first address");
            prop_assert!(ips.allow(Some(block.broadcast())), "{block} has its own last address");
            // What is stored is what was read.
            let stored = serde_json::to_string(&ips).unwrap();
            prop_assert_eq!(serde_json::from_str::<AllowedIps>(&stored).unwrap(), ips);
        }
        let _ = MasterSecrets::parse(&text);
    }

    #[test]
    fn whatever_is_signed_is_verified_and_nothing_else(
        key in prop::collection::vec(any::<u8>(), 24..=64), id in "[ -~]{0,60}", seconds in 0..4_000_000_000_u64,
        body: Vec<u8>, off in -600..600_i64, bit: prop::sample::Index
    ) {
        let secret = SigningSecret::parse(&format!("whsec_{}", BASE64.encode(&key))).unwrap();
        let (signatures, timestamp) = (signature(&key, &id, seconds, &body), seconds.to_string());
        let claimed = Claimed { id: &id, timestamp: &timestamp, signatures: &signatures };
        let now = Timestamp::from_millis(seconds.saturating_add_signed(off) * 1000);
        let is_near = now.as_seconds().abs_diff(seconds) <= TOLERANCE.as_secs();
        let expected = if is_near { Ok(()) } else { Err(BadSignature::WrongTime) };
        prop_assert_eq!(claimed.verify(&secret, &body, now), expected);
        let now = Timestamp::from_millis(seconds * 1000);
        let mut changed = body.clone();
        changed.push(0);
        prop_assert_eq!(claimed.verify(&secret, &changed, now), Err(BadSignature::Wrong));
        let mut other = key.clone();
        other[bit.index(key.len())] ^= 1 << bit.index(8);
        let other = SigningSecret::parse(&format!("whsec_{}", BASE64.encode(&other))).unwrap();
        prop_assert_eq!(claimed.verify(&other, &body, now), Err(BadSignature::Wrong));
    }

    #[test]
    fn a_changed_signature_is_none_and_no_header_is_too_odd(
        (right, signatures) in Just(signature(&[7; 32], "id", 1000, b"body")).prop_flat_map(|right| (Just(right.clone()), mutated(right))),
        id in "\\PC{0,20}", timestamp in "\\PC{0,20}|[0-9]{0,22}"
    ) {
        let secret = SigningSecret::from_bytes([7; 32]);
        let now = Timestamp::from_millis(1_000_000);
        let claimed = Claimed { id: "id", timestamp: "1000", signatures: &signatures };
        let is_right = signatures.split(' ').any(|signature| signature == right);
        prop_assert_eq!(claimed.verify(&secret, b"body", now).is_ok(), is_right, "{}", signatures);
        let odd = Claimed { id: &id, timestamp: &timestamp, signatures: &right };
        let is_same = id == "id" && timestamp.parse() == Ok(1000);
        prop_assert_eq!(odd.verify(&secret, b"body", now).is_ok(), is_same);
    }
}
