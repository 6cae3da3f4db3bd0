//! Signatures of deliveries: Standard Webhooks 1.0, symmetric scheme `v1`. The body may come in
//! pieces, so that a large one is never held whole.

use std::fmt;

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};

use crate::identity::RelayId;
use crate::time::Timestamp;

const SECRET_PREFIX: &str = "whsec_";
/// Shortest and longest secret, in bytes (Standard Webhooks 1.0, "Signature scheme").
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// A signing secret. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret(Vec<u8>);

impl fmt::Debug for SigningSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SigningSecret(…)")
    }
}

impl SigningSecret {
    /// Reads `whsec_` and the base64 of 24 to 64 bytes; nothing for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let secret = BASE64.decode(text.strip_prefix(SECRET_PREFIX)?.as_bytes()).ok()?;
        SECRET_BYTES.contains(&secret.len()).then_some(Self(secret))
    }

    /// Begins the signature of one attempt: id and time are signed before the body.
    pub fn begin(&self, id: &RelayId, at: Timestamp) -> Signing {
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&self.0)
            .unwrap_or_else(|_| unreachable!("HMAC takes keys of every length"));
        mac.update(format!("{id}.{}.", at.as_seconds()).as_bytes());
        Signing(mac)
    }
}

/// A signature in the making.
pub struct Signing(Hmac<sha2::Sha256>);

impl Signing {
    /// Signs the next piece of the body.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// The value of the `webhook-signature` header.
    pub fn finish(self) -> String {
        format!("v1,{}", BASE64.encode(&self.0.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    /// The value was computed by another program.
    #[test]
    fn a_body_in_pieces_has_the_signature_of_the_whole() {
        let secret = SigningSecret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").unwrap();
        let id = RelayId::parse("msg_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa").unwrap();
        let at = Timestamp::from_millis(1_649_367_553_999);
        let body = br#"{"email":"test@example.com","username":"test_user"}"#;
        let mut whole = secret.begin(&id, at);
        whole.update(body);
        let mut pieces = secret.begin(&id, at);
        body.chunks(7).for_each(|piece| pieces.update(piece));
        let signature = whole.finish();
        assert_eq!(pieces.finish(), signature);
        expect_test::expect!["v1,rjaSxD2cTkqyPOjsAiLQRfhtTTVw28ayaj6XcyZ4BYY="]
            .assert_eq(&signature);
    }

    #[test]
    fn secrets_of_another_form_are_refused_and_none_is_shown() {
        let short = format!("whsec_{}", BASE64.encode(&[1; 23]));
        let long = format!("whsec_{}", BASE64.encode(&[1; 65]));
        for text in ["", "whsec_", "C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "whsec_!", &short, &long] {
            assert_eq!(SigningSecret::parse(text), None, "{text}");
        }
        let secret = SigningSecret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").unwrap();
        assert_eq!(format!("{secret:?}"), "SigningSecret(…)");
    }
}
