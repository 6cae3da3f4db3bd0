//! The settings of who may do what.

use std::time::Duration;

use super::reader::Reader;
use crate::access::{BURST_MAX, RATE_PER_SECOND_MAX, RateLimit};

/// Who is let in, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// Whether requests need an API key.
    pub required: bool,
    /// How long what was read of a key counts: a revoked one is refused after this at the latest.
    pub cache: Duration,
    /// How often a key may be used unless its record says otherwise; nothing for no limit.
    pub rate: Option<RateLimit>,
    /// How often one source address may fail to authenticate; nothing for no limit.
    pub failures: Option<RateLimit>,
}

pub(super) fn access(reader: &mut Reader<'_>) -> Access {
    let required = |text: &str| match text {
        "keys" => Some(true),
        "off" => Some(false),
        _ => None,
    };
    let mut number = |name, least: u64, most: u32| {
        u32::try_from(reader.whole(name, least..=u64::from(most))).unwrap_or(most)
    };
    let cache = number("AUTHENTICATION_CACHE_SECONDS", 1, 60);
    let failures = number("AUTHENTICATION_FAILURES_MAX", 0, BURST_MAX);
    let per_second = number("RATE_LIMIT_PER_SECOND", 0, RATE_PER_SECOND_MAX);
    let burst = number("RATE_LIMIT_BURST", 1, BURST_MAX);
    Access {
        required: reader.parsed("AUTHENTICATION", required, true),
        cache: Duration::from_secs(u64::from(cache)),
        rate: (per_second > 0).then_some(RateLimit { per_second, burst }),
        failures: (failures > 0).then_some(RateLimit { per_second: 1, burst: failures }),
    }
}
