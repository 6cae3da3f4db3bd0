//! An upload as a client announces it: the fields of `POST /v1/uploads` and the rules on them.

use relay_core::body::Sha256;

use crate::codes::Code;
use crate::mistakes::Mistakes;
use crate::object::{Object, read_request};

/// The fields of `POST /v1/uploads`.
pub const FIELDS: [&str; 2] = ["bytes", "sha256"];

/// An upload that is about to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announcement {
    /// How many bytes it will have.
    pub bytes: u64,
    /// The hash it will have.
    pub sha256: Sha256,
}

impl Announcement {
    /// Reads the bytes of a request.
    ///
    /// # Errors
    /// Every wrong field.
    pub fn parse(bytes: &[u8], payload_bytes_max: u64) -> Result<Self, Mistakes> {
        let mut mistakes = Mistakes::default();
        let announcement = read_request(bytes, &FIELDS, &mut mistakes).and_then(|object| {
            let bytes = size(&object, payload_bytes_max, &mut mistakes);
            let expected = "must be 64 lower-case hexadecimal digits";
            let parse = |text: &str| Sha256::parse_hex(text).ok_or(expected);
            let sha256 = object.required("sha256", parse, &mut mistakes);
            Some(Self { bytes: bytes?, sha256: sha256? })
        });
        mistakes.or(announcement)
    }
}

fn size(object: &Object<'_>, max: u64, mistakes: &mut Mistakes) -> Option<u64> {
    let at = object.pointer("bytes");
    let Some(value) = object.get("bytes") else {
        mistakes.add(at, "is required");
        return None;
    };
    match serde_json::from_str::<u64>(value.get()) {
        Ok(bytes) if bytes > max => {
            mistakes.add_as(Code::PayloadTooLarge, at, format!("is {bytes}; the limit is {max}"));
            None
        }
        Ok(bytes) if bytes > 0 => Some(bytes),
        Ok(_) | Err(_) => {
            mistakes.add(at, format!("must be a whole number from 1 to {max}"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use expect_test::{Expect, expect};

    const HASH: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn check(text: &str, expected: Expect) {
        let mistakes = Announcement::parse(text.as_bytes(), 100).unwrap_err();
        let mut told = format!("{}\n", mistakes.code().as_str());
        for mistake in mistakes.listed() {
            told.push_str(&format!("{}: {}\n", mistake.pointer, mistake.detail));
        }
        expected.assert_eq(&told);
    }

    #[test]
    fn a_good_one_is_read() {
        let text = format!(r#"{{"bytes":100,"sha256":"{HASH}"}}"#);
        let announcement = Announcement::parse(text.as_bytes(), 100).unwrap();
        assert_eq!(announcement, Announcement { bytes: 100, sha256: Sha256::of(b"") });
    }

    #[test]
    fn every_wrong_field_is_told() {
        check(
            r#"{"size":1}"#,
            expect![[r#"
                VALIDATION_ERROR
                /size: is not a known field; known are bytes, sha256
                /bytes: is required
                /sha256: is required
            "#]],
        );
        for bytes in ["0", "-1", "1.0", "1e2", "\"1\"", "null", "99999999999999999999999"] {
            let text = format!(r#"{{"bytes":{bytes},"sha256":"{HASH}"}}"#);
            check(
                &text,
                expect![[r#"
                    VALIDATION_ERROR
                    /bytes: must be a whole number from 1 to 100
                "#]],
            );
        }
        check(
            r#"{"bytes":1,"sha256":"E3"}"#,
            expect![[r#"
                VALIDATION_ERROR
                /sha256: must be 64 lower-case hexadecimal digits
            "#]],
        );
    }

    #[test]
    fn one_that_is_too_large_is_told_so() {
        check(
            &format!(r#"{{"bytes":101,"sha256":"{HASH}"}}"#),
            expect![[r#"
                PAYLOAD_TOO_LARGE
                /bytes: is 101; the limit is 100
            "#]],
        );
    }
}
