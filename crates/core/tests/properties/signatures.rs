//! Signatures: the same however the body is cut, another one for whatever else is signed; and secrets
//! that are read or refused, and never shown.

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use proptest::prelude::*;
use relay_core::identity::{MessageId, RelayId, SenderId};
use relay_core::signature::SigningSecret;
use relay_core::time::Timestamp;

use crate::more;
use crate::mutation::mutated;

fn secret() -> impl Strategy<Value = String> {
    prop::collection::vec(any::<u8>(), 24..=64)
        .prop_map(|bytes| format!("whsec_{}", BASE64.encode(&bytes)))
}

fn id(name: &str) -> RelayId {
    RelayId::of(&SenderId::parse("s").unwrap(), &MessageId::parse(name).unwrap())
}

fn sign(secret: &str, name: &str, at: u64, pieces: &[&[u8]]) -> String {
    let secret = SigningSecret::parse(secret).unwrap();
    let mut signing = secret.begin(&id(name), Timestamp::from_millis(at));
    pieces.iter().for_each(|piece| signing.update(piece));
    signing.finish()
}

proptest! {
    #![proptest_config(more(2))]

    #[test]
    fn a_signature_is_the_scheme_s_however_the_body_is_cut(
        secret in secret(), at: u64, body: Vec<u8>, cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..5)
    ) {
        let mut places: Vec<_> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
        places.extend([0, body.len()]);
        places.sort_unstable();
        let pieces: Vec<_> = places.windows(2).map(|ends| &body[ends[0]..ends[1]]).collect();
        let key = BASE64.decode(secret.trim_start_matches("whsec_").as_bytes()).unwrap();
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&key).unwrap();
        mac.update(&[format!("{}.{}.", id("a"), at / 1000).as_bytes(), &body].concat());
        let expected = format!("v1,{}", BASE64.encode(&mac.finalize().into_bytes()));
        prop_assert_eq!(sign(&secret, "a", at, &pieces), expected);
    }

    #[test]
    fn whatever_is_signed_changes_the_signature(
        secret in secret(), other in secret(), at in 0..u64::MAX / 2, body: Vec<u8>, bit: prop::sample::Index
    ) {
        let signature = sign(&secret, "a", at, &[&body]);
        prop_assert_ne!(&sign(&secret, "b", at, &[&body]), &signature);
        prop_assert_ne!(&sign(&secret, "a", at + 1000, &[&body]), &signature);
        prop_assert_ne!(&sign(&secret, "a", at, &[&body, b"\0"]), &signature);
        prop_assert!(secret == other || sign(&other, "a", at, &[&body]) != signature);
        if !body.is_empty() {
            let mut changed = body.clone();
            changed[bit.index(body.len())] ^= 1 << bit.index(8);
            prop_assert_ne!(&sign(&secret, "a", at, &[&changed]), &signature);
        }
    }

    #[test]
    fn a_secret_is_read_or_refused_and_never_shown(text in secret().prop_flat_map(mutated), garbage in "\\PC{0,80}|whsec_[ -~]{0,90}") {
        for text in [text, garbage] {
            if let Some(secret) = SigningSecret::parse(&text) {
                prop_assert_eq!(format!("{:?}", secret), "SigningSecret(…)");
                let bytes = BASE64.decode(text.trim_start_matches("whsec_").as_bytes()).unwrap().len();
                prop_assert!((24..=64).contains(&bytes), "{bytes} bytes");
            }
        }
    }
}
