//! Target URLs: whatever is taken is read the same again, and one that names an address names a public one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use relay_core::destination::{AllowList, DestinationPolicy, Target, is_public};

fuzz_target!(|text: &str| {
    let _ = AllowList::parse(text);
    let Ok(target) = Target::parse(text) else { return };
    assert_eq!(Target::parse(target.as_str()).as_ref(), Ok(&target));
    assert!(target.as_str().is_ascii() && !target.host().is_empty() && target.port() > 0);
    if DestinationPolicy::default().judge_literal(&target).is_ok() {
        let address = target.host().parse().ok();
        assert!(address.is_none_or(is_public), "{target}");
        // What a resolver of the system would take for an address is never left to one.
        let last = target.host().trim_end_matches('.').rsplit('.').next().unwrap_or_default();
        let is_number = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
        assert!(!is_number || address.is_some(), "{target}");
    }
});
