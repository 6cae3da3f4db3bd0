//! The smaller texts: headers, names, ids, times, waits, keys, signatures, secrets. The first byte says which.
#![no_main]

use libfuzzer_sys::fuzz_target;
use relay_core::access::{AllowedIps, ApiKey, MasterSecrets};
use relay_core::body::Sha256;
use relay_core::headers::Headers;
use relay_core::identity::{CorrelationId, MessageId, RelayId, SenderId};
use relay_core::retry::retry_after;
use relay_core::signature::{Claimed, SigningSecret};
use relay_core::time::Timestamp;
use relay_core::upload::UploadId;

/// Some point in 2025.
const NOW: Timestamp = Timestamp::from_millis(1_763_700_000_000);

fuzz_target!(|input: (u8, &str)| {
    let (kind, text) = input;
    match kind % 8 {
        0 => {
            let pairs = text.lines().filter_map(|line| line.split_once(':'));
            if let Ok(headers) = Headers::parse(pairs) {
                assert_eq!(Headers::parse(headers.iter()).as_ref(), Ok(&headers));
            }
        }
        1 => {
            let _ = retry_after(text, NOW);
        }
        2 => {
            if let Ok(point) = Timestamp::parse_rfc3339(text) {
                assert_eq!(Timestamp::parse_rfc3339(&point.to_string()), Ok(point));
            }
        }
        3 => {
            if let Some(upload) = UploadId::parse(text) {
                assert_eq!(upload.to_string(), text);
            }
            if let Some(hash) = Sha256::parse_hex(text) {
                assert_eq!(hash.to_string(), text);
            }
        }
        4 => {
            if let Some(key) = ApiKey::parse(text) {
                assert_eq!(key.reveal(), text);
            }
        }
        5 => {
            let mut parts = text.splitn(3, '\n');
            let mut part = || parts.next().unwrap_or_default();
            let claimed = Claimed { id: part(), timestamp: part(), signatures: part() };
            let secret = SigningSecret::from_bytes([7; 32]);
            // Nobody guesses a signature.
            assert!(claimed.verify(&secret, b"{}", NOW).is_err());
        }
        6 => {
            let _ = MasterSecrets::parse(text);
            let _ = AllowedIps::new(AllowedIps::parse_block(text)).allow(None);
        }
        _ => {
            let _ = (MessageId::parse(text), SenderId::parse(text));
            let _ = (CorrelationId::parse(text), RelayId::parse(text));
        }
    }
});
