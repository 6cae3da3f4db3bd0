//! What ingest counts: one request at a time, from the facts that its log line tells.

use relay_core::metrics::{Metric, Recorder};
use relay_core::time::whole_millis;

use crate::codes::Code;
use crate::observe::{Facts, Line};

/// Counts a request that was answered.
pub(crate) fn count(recorder: &Recorder, line: &Line<'_>) {
    recorder.count(Metric::Requests);
    if let Some(problem) = line.problem {
        recorder.count(of_code(problem.code));
        return;
    }
    let Facts { duplicate: Some(duplicate), payload_bytes, offloaded, .. } = line.facts else {
        return;
    };
    recorder.add(Metric::AcceptMilliseconds, whole_millis(line.duration));
    if duplicate {
        recorder.count(Metric::Duplicates);
        return;
    }
    recorder.count(Metric::Accepted);
    if let Some(bytes) = payload_bytes {
        recorder.add(Metric::PayloadBytes, bytes);
    }
    if offloaded {
        recorder.count(Metric::Offloaded);
    }
}

/// The counter of requests answered with this code.
const fn of_code(code: Code) -> Metric {
    match code {
        Code::ValidationError => Metric::RefusedValidationError,
        Code::PayloadTooLarge => Metric::RefusedPayloadTooLarge,
        Code::UnsupportedMediaType => Metric::RefusedUnsupportedMediaType,
        Code::MessageIdReused => Metric::RefusedMessageIdReused,
        Code::TargetRefused => Metric::RefusedTargetRefused,
        Code::Unauthenticated => Metric::RefusedUnauthenticated,
        Code::Forbidden => Metric::RefusedForbidden,
        Code::NotFound => Metric::RefusedNotFound,
        Code::MethodNotAllowed => Metric::RefusedMethodNotAllowed,
        Code::StateConflict => Metric::RefusedStateConflict,
        Code::RateLimited => Metric::RefusedRateLimited,
        Code::SystemError => Metric::RefusedSystemError,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_own_counter_which_says_its_name() {
        for code in Code::ALL {
            let counter = of_code(code);
            let words = code.as_str().split('_');
            let camel: String =
                words.map(|word| word[..1].to_owned() + &word[1..].to_ascii_lowercase()).collect();
            assert_eq!(counter.name(), format!("Refused{camel}"));
            assert!(counter.definition().meaning.contains(code.as_str()));
        }
    }
}
