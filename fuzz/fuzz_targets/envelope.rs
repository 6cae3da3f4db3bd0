//! Queue items: whatever is read as an envelope can be written, and is read the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use relay_core::envelope::{Envelope, queue_takes};

fuzz_target!(|text: &str| {
    let _ = Envelope::identity_in(text);
    if let Ok(envelope) = Envelope::from_json(text) {
        let written = envelope.to_json();
        assert_eq!(Envelope::from_json(&written).as_ref(), Ok(&envelope));
        assert!(Envelope::identity_in(&written).is_some());
        // Headers come back as they were stored, so what the queue refuses must have stood in them.
        let headers_fit = envelope
            .headers
            .iter()
            .all(|(name, value)| name.chars().chain(value.chars()).all(queue_takes));
        assert!(!headers_fit || written.chars().all(queue_takes) || !text.chars().all(queue_takes));
    }
});
