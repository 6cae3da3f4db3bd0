//! Signatures of deliveries and of requests: Standard Webhooks 1.0, symmetric scheme `v1`. The body of a delivery may
//! come in pieces, so that a large one is never held whole.

use std::fmt;
use std::time::Duration;

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

    /// A secret of these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes.to_vec())
    }

    /// The secret as text, `whsec_…`, for its holder's eyes only.
    pub fn reveal(&self) -> String {
        format!("{SECRET_PREFIX}{}", BASE64.encode(&self.0))
    }

    /// Begins the signature of one attempt: id and time are signed before the body.
    pub fn begin(&self, id: &RelayId, at: Timestamp) -> Signing {
        self.begin_any(id.as_str(), at.as_seconds())
    }

    fn begin_any(&self, id: &str, seconds: u64) -> Signing {
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&self.0)
            .unwrap_or_else(|_| unreachable!("HMAC takes keys of every length"));
        mac.update(format!("{id}.{seconds}.").as_bytes());
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

/// The signatures of one body by several secrets, all made in one pass.
pub struct Signings(Vec<Signing>);

impl Signings {
    /// Begins a signature by each secret, in their order.
    pub fn begin<'a>(
        secrets: impl IntoIterator<Item = &'a SigningSecret>,
        id: &RelayId,
        at: Timestamp,
    ) -> Self {
        Self(secrets.into_iter().map(|secret| secret.begin(id, at)).collect())
    }

    /// Signs the next piece of the body.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.iter_mut().for_each(|signing| signing.update(piece));
    }

    /// The value of the `webhook-signature` header; nothing if there is no secret.
    pub fn finish(self) -> Option<String> {
        let signatures: Vec<String> = self.0.into_iter().map(Signing::finish).collect();
        (!signatures.is_empty()).then(|| signatures.join(" "))
    }
}

/// How far the time of a signature may be from the present (Standard Webhooks 1.0 asks for a tolerance and leaves it
/// open; its libraries take five minutes).
pub const TOLERANCE: Duration = Duration::from_secs(300);
/// Most digits of a time: seconds have ten until the year 2286.
const TIME_DIGITS_MAX: usize = 10;
/// Most signatures that are looked at in one header.
const SIGNATURES_MAX: usize = 16;

/// Why a signature does not count. The words may be told to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    /// The time is not whole seconds since the epoch, in up to ten digits without zeros before them.
    #[error("webhook-timestamp is not a whole number of seconds since 1970, as plain digits")]
    MalformedTime,
    /// The time is too far from the present.
    #[error("webhook-timestamp is more than five minutes from the present")]
    WrongTime,
    /// None of the signatures is right.
    #[error("no signature in webhook-signature is right for this id, time and body")]
    Wrong,
}

/// What a request says of its signature: the values of `webhook-id`, `webhook-timestamp` and `webhook-signature`.
#[derive(Debug, Clone, Copy)]
pub struct Claimed<'a> {
    /// What the signature is for.
    pub id: &'a str,
    /// When it was made, in seconds since the epoch.
    pub timestamp: &'a str,
    /// One or more signatures with their versions, separated by spaces.
    pub signatures: &'a str,
}

impl Claimed<'_> {
    /// When the signature is said to have been made. A time has one spelling alone, so that what was seen once is
    /// recognised.
    ///
    /// # Errors
    /// When it is no time, or another spelling of one.
    pub fn at(&self) -> Result<Timestamp, BadSignature> {
        let is_plain = (1..=TIME_DIGITS_MAX).contains(&self.timestamp.len())
            && self.timestamp.bytes().all(|byte| byte.is_ascii_digit())
            && !(self.timestamp.len() > 1 && self.timestamp.starts_with('0'));
        let seconds = is_plain.then(|| self.timestamp.parse::<u64>());
        let Some(Ok(seconds)) = seconds else { return Err(BadSignature::MalformedTime) };
        Ok(Timestamp::from_millis(seconds.saturating_mul(1000)))
    }

    /// Checks the signature of `body`. The time it takes does not depend on how much of a signature is right.
    ///
    /// # Errors
    /// When it does not count.
    pub fn verify(
        &self,
        secret: &SigningSecret,
        body: &[u8],
        now: Timestamp,
    ) -> Result<(), BadSignature> {
        let seconds = self.at()?.as_seconds();
        if now.as_seconds().abs_diff(seconds) > TOLERANCE.as_secs() {
            return Err(BadSignature::WrongTime);
        }
        let mut expected = secret.begin_any(self.id, seconds);
        expected.update(body);
        let is_right = |signature: &str| {
            let bytes = signature.strip_prefix("v1,").map(|text| BASE64.decode(text.as_bytes()));
            let Some(Ok(bytes)) = bytes else { return false };
            expected.0.clone().verify_slice(&bytes).is_ok()
        };
        // Signatures of other versions are passed over (Standard Webhooks 1.0, "Signature scheme").
        if self.signatures.split(' ').take(SIGNATURES_MAX).any(is_right) {
            return Ok(());
        }
        Err(BadSignature::Wrong)
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
    fn several_secrets_sign_in_their_order_and_none_signs_nothing() {
        let secrets = [1, 2].map(|byte| SigningSecret::from_bytes([byte; 32]));
        let id = RelayId::parse("msg_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa").unwrap();
        let at = Timestamp::from_millis(1_649_367_553_999);
        let alone = secrets.each_ref().map(|secret| {
            let mut signing = secret.begin(&id, at);
            signing.update(b"the whole body");
            signing.finish()
        });
        let mut all = Signings::begin(&secrets, &id, at);
        all.update(b"the whole");
        all.update(b" body");
        let signatures = all.finish().unwrap();
        assert_eq!(signatures, alone.join(" "));
        for secret in &secrets {
            let claimed =
                Claimed { id: id.as_str(), timestamp: "1649367553", signatures: &signatures };
            assert_eq!(claimed.verify(secret, b"the whole body", at), Ok(()));
        }
        assert_eq!(Signings::begin([], &id, at).finish(), None);
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

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const SECONDS: u64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    /// The example that the libraries of the standard are tested with; computed once more by Python's `hmac`.
    const RIGHT: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn verified(
        id: &str,
        timestamp: &str,
        signatures: &str,
        body: &[u8],
        now: u64,
    ) -> Result<(), BadSignature> {
        let secret = SigningSecret::parse(SECRET).unwrap();
        let now = Timestamp::from_millis(now * 1000 + 999);
        Claimed { id, timestamp, signatures }.verify(&secret, body, now)
    }

    #[test]
    fn a_signature_counts_within_five_minutes_and_no_longer() {
        let time = SECONDS.to_string();
        for (now, expected) in [
            (SECONDS, Ok(())),
            (SECONDS + 300, Ok(())),
            (SECONDS - 300, Ok(())),
            (SECONDS + 301, Err(BadSignature::WrongTime)),
            (SECONDS - 301, Err(BadSignature::WrongTime)),
            (0, Err(BadSignature::WrongTime)),
        ] {
            assert_eq!(verified(ID, &time, RIGHT, BODY, now), expected, "{now}");
        }
        for time in [
            "",
            " ",
            "-1614265330",
            "+1614265330",
            " 1614265330",
            "1614265330.0",
            "1e9",
            "now",
            "٣",
            "01614265330",
            "001614265330",
            "00",
            "16142653300",
            "99999999999999999999",
        ] {
            assert_eq!(
                verified(ID, time, RIGHT, BODY, SECONDS),
                Err(BadSignature::MalformedTime),
                "{time}"
            );
        }
    }

    #[test]
    fn one_right_signature_of_several_is_enough_and_none_is_not() {
        let time = SECONDS.to_string();
        let wrong = format!("v1,{}", BASE64.encode(&[7; 32]));
        let many = |count: usize| [vec![wrong.as_str(); count], vec![RIGHT]].concat().join(" ");
        let short = &RIGHT[..RIGHT.len() - 4];
        for (signatures, is_right) in [
            (RIGHT.to_owned(), true),
            (many(1), true),
            (format!("{RIGHT} {wrong}"), true),
            (format!("v1a,xxxx v2,{} {RIGHT}", &RIGHT[3..]), true),
            (many(SIGNATURES_MAX - 1), true),
            // What is beyond the limit is not looked at.
            (many(SIGNATURES_MAX), false),
            (wrong.clone(), false),
            (String::new(), false),
            (RIGHT[3..].to_owned(), false),
            (RIGHT.replace("v1,", "v2,"), false),
            (RIGHT.replace("v1,", "V1,"), false),
            (RIGHT.replace("v1,", "v1"), false),
            (RIGHT.to_lowercase(), false),
            (short.to_owned(), false),
            (format!("{RIGHT}="), false),
            (format!("{RIGHT},{RIGHT}"), false),
            ("v1,".to_owned(), false),
            ("v1,!".to_owned(), false),
        ] {
            let expected = if is_right { Ok(()) } else { Err(BadSignature::Wrong) };
            assert_eq!(verified(ID, &time, &signatures, BODY, SECONDS), expected, "{signatures}");
        }
    }

    #[test]
    fn a_signature_is_for_its_id_its_time_and_its_body_alone() {
        let (time, later) = (SECONDS.to_string(), (SECONDS + 1).to_string());
        for (id, time, body) in [
            ("msg_p5jXN8AQM9LWM0D4loKWxJel", time.as_str(), BODY),
            ("", &time, BODY),
            (ID, &later, BODY),
            (ID, &time, br#"{"test":2432232314}"#),
            (ID, &time, b""),
        ] {
            assert_eq!(
                verified(id, time, RIGHT, body, SECONDS),
                Err(BadSignature::Wrong),
                "{id} {time}"
            );
        }
    }
}
