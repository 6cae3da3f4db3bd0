//! What ingest counts: one request at a time, from the facts that its log lines tell.

use relay_core::metrics::{Metric, Recorder};
use relay_core::time::whole_millis;

use crate::codes::Code;
use crate::many::Many;
use crate::observe::Line;

/// Counts a request that was answered.
pub(crate) fn count(recorder: &Recorder, line: &Line<'_>) {
    recorder.count(Metric::Requests);
    if let Some(problem) = line.problem {
        recorder.count(of_code(problem.code));
        return;
    }
    // A client waits for its request, however many messages are in it.
    if line.facts.duplicate.is_some() || line.many.is_some_and(Many::has_accepted) {
        recorder.add(Metric::AcceptMilliseconds, whole_millis(line.duration));
    }
    line.facts.count(recorder);
    if let Some(many) = line.many {
        many.count(recorder);
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
