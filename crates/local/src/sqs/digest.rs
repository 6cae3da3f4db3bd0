//! Message attributes as they are on the wire, and the MD5 digests that the SDKs compare.
//! Checks nothing: see `message`.

use std::collections::BTreeMap;

use data_encoding::{BASE64, HEXLOWER};
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

/// A message attribute as it is on the wire; binary values stay base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AttributeValue {
    pub(super) data_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) string_value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) binary_value: Option<String>,
}

/// Message attributes by name. Sorted, because the digest is taken in that order.
pub(super) type Attributes = BTreeMap<String, AttributeValue>;

/// MD5 of a body, in lower-case hexadecimal.
pub(super) fn digest_of_body(body: &str) -> String {
    HEXLOWER.encode(&Md5::digest(body.as_bytes()))
}

/// MD5 over names, types and values, each with its length before it, in order of name.
pub(super) fn digest_of_attributes(attributes: &Attributes) -> String {
    const TEXT: u8 = 1;
    const BINARY: u8 = 2;
    let mut digest = Md5::new();
    for (name, value) in attributes {
        update_with_length(&mut digest, name.as_bytes());
        update_with_length(&mut digest, value.data_type.as_bytes());
        match (&value.string_value, &value.binary_value) {
            (Some(text), _) => {
                digest.update([TEXT]);
                update_with_length(&mut digest, text.as_bytes());
            }
            (None, binary) => {
                digest.update([BINARY]);
                update_with_length(&mut digest, &decode(binary.as_deref()));
            }
        }
    }
    HEXLOWER.encode(&digest.finalize())
}

fn update_with_length(digest: &mut Md5, bytes: &[u8]) {
    digest.update(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    digest.update(bytes);
}

/// The bytes of a binary value that passed the checks of a message.
pub(super) fn decode(base64: Option<&str>) -> Vec<u8> {
    BASE64.decode(base64.unwrap_or_default().as_bytes()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_attribute_digest_is_the_one_of_the_documented_algorithm() {
        // Computed by hand from the developer guide: 4-byte lengths, type byte, value.
        let attributes = Attributes::from([(
            "a".to_owned(),
            AttributeValue {
                data_type: "String".to_owned(),
                string_value: Some("b".to_owned()),
                binary_value: None,
            },
        )]);
        let encoded = b"\0\0\0\x01a\0\0\0\x06String\x01\0\0\0\x01b";
        assert_eq!(digest_of_attributes(&attributes), HEXLOWER.encode(&Md5::digest(encoded)));
    }
}
