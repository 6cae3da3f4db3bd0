//! The settings of circuit breakers.

use super::reader::Reader;
use crate::breaker::Rules;

/// Reads them. A breaker is open for at least three seconds: environments look at it every two, and one
/// that closed unseen would have stopped nobody.
pub(super) fn breaker(reader: &mut Reader<'_>) -> Rules {
    let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let open = reader.seconds("BREAKER_OPEN_SECONDS", 3.0..=3600.0);
    Rules {
        failures_max: small(reader.whole("BREAKER_FAILURES_MAX", 0..=1000)),
        failure_percent: small(reader.whole("BREAKER_FAILURE_PERCENT", 1..=100)),
        open,
        open_max: reader.seconds("BREAKER_OPEN_SECONDS_MAX", 3.0..=3600.0).max(open),
        step: reader.seconds("BREAKER_RAMP_STEP_SECONDS", 1.0..=300.0),
    }
}
