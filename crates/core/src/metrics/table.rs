//! The table of metrics. docs/METRICS.md has the same rows; a test compares them.

use crate::outcome::{Class, DeadReason, ErrorKind, classify};

/// What a value is measured in, by the names of CloudWatch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// How many.
    Count,
    /// Time.
    Milliseconds,
    /// Size.
    Bytes,
}

impl Unit {
    /// The unit as CloudWatch writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Milliseconds => "Milliseconds",
            Self::Bytes => "Bytes",
        }
    }
}

/// How values of a metric belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// They are added up.
    Counter,
    /// Each counts by itself, for percentiles.
    Distribution,
}

/// Which functions record a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recording {
    /// The function that accepts messages.
    Ingest,
    /// The function that delivers them.
    Worker,
    /// The function that makes records and dead letters agree.
    Reconciler,
    /// Ingest, and the worker for letters moved by the queue's own tools.
    IngestAndWorker,
    /// The worker, and the reconciler for what the queue gave up on its own.
    WorkerAndReconciler,
    /// Every function.
    All,
}

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Definition {
    /// What CloudWatch calls it.
    pub name: &'static str,
    /// What it is measured in.
    pub unit: Unit,
    /// Sum or distribution.
    pub kind: Kind,
    /// Who records it.
    pub by: Recording,
    /// What one value means.
    pub meaning: &'static str,
}

macro_rules! metrics {
    ($($(#[doc = $meaning:literal])+ $name:ident: $unit:ident $kind:ident by $by:ident;)+) => {
        /// Something that is counted or measured.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Metric {
            $($(#[doc = $meaning])+ $name,)+
        }

        impl Metric {
            /// Every metric, in the order the documents list them.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// Its row.
            pub const fn definition(self) -> Definition {
                match self {
                    $(Self::$name => Definition {
                        name: stringify!($name),
                        unit: Unit::$unit,
                        kind: Kind::$kind,
                        by: Recording::$by,
                        meaning: concat!($($meaning),+).trim_ascii(),
                    },)+
                }
            }
        }
    };
}

metrics! {
    /// Requests answered, whatever the route and the answer.
    Requests: Count Counter by Ingest;
    /// Messages accepted for the first time.
    Accepted: Count Counter by Ingest;
    /// Posts of a message that had been accepted before.
    Duplicates: Count Counter by Ingest;
    /// Accepted messages whose body went to S3 because it does not fit the queue.
    Offloaded: Count Counter by Ingest;
    /// Time from a request's arrival to its answer, of posts that were accepted, duplicates included.
    AcceptMilliseconds: Milliseconds Distribution by Ingest;
    /// Size of the body of a message accepted for the first time.
    PayloadBytes: Bytes Distribution by Ingest;
    /// Requests answered with VALIDATION_ERROR.
    RefusedValidationError: Count Counter by Ingest;
    /// Requests answered with PAYLOAD_TOO_LARGE.
    RefusedPayloadTooLarge: Count Counter by Ingest;
    /// Requests answered with UNSUPPORTED_MEDIA_TYPE.
    RefusedUnsupportedMediaType: Count Counter by Ingest;
    /// Requests answered with MESSAGE_ID_REUSED.
    RefusedMessageIdReused: Count Counter by Ingest;
    /// Requests answered with TARGET_REFUSED.
    RefusedTargetRefused: Count Counter by Ingest;
    /// Requests answered with UNAUTHENTICATED.
    RefusedUnauthenticated: Count Counter by Ingest;
    /// Requests answered with FORBIDDEN.
    RefusedForbidden: Count Counter by Ingest;
    /// Requests answered with NOT_FOUND.
    RefusedNotFound: Count Counter by Ingest;
    /// Requests answered with METHOD_NOT_ALLOWED.
    RefusedMethodNotAllowed: Count Counter by Ingest;
    /// Requests answered with STATE_CONFLICT.
    RefusedStateConflict: Count Counter by Ingest;
    /// Requests answered with RATE_LIMITED.
    RefusedRateLimited: Count Counter by Ingest;
    /// Requests answered with SYSTEM_ERROR, as a whole or about one of many messages: the relay could not do its part.
    RefusedSystemError: Count Counter by Ingest;
    /// Requests whose rate limit was kept by one environment alone, because the table did not answer in time.
    UnsharedLimits: Count Counter by Ingest;
    /// Dead letters set going again through the API or by the queue's own tools; the command line's are not counted.
    Redriven: Count Counter by IngestAndWorker;
    /// Ended messages sent once more on request.
    Resent: Count Counter by Ingest;
    /// Messages cancelled on request.
    Cancelled: Count Counter by Ingest;
    /// Queue items in one invocation.
    BatchSize: Count Distribution by Worker;
    /// Time from when an item could be received to its first receipt.
    QueueWaitMilliseconds: Milliseconds Distribution by Worker;
    /// Attempts that the target answered with 2xx.
    AttemptsDelivered: Count Counter by Worker;
    /// Attempts that the target answered with 3xx, or with a 4xx that ends the message.
    AttemptsRejected: Count Counter by Worker;
    /// Attempts that the target answered with 429.
    AttemptsThrottled: Count Counter by Worker;
    /// Attempts that the target answered with 5xx, or with another status that is tried again.
    AttemptsTargetError: Count Counter by Worker;
    /// Attempts that took longer than their timeout.
    AttemptsTimedOut: Count Counter by Worker;
    /// Attempts that found no host, no connection or no TLS, or whose connection broke.
    AttemptsUnreachable: Count Counter by Worker;
    /// Attempts not made because the address is one the relay does not send to.
    AttemptsAddressRefused: Count Counter by Worker;
    /// Attempts not made because the stored body is missing, cannot be read or is not the accepted one.
    AttemptsBodyUnavailable: Count Counter by Worker;
    /// Time an attempt took, whatever came of it: the target's answer, an error or the timeout.
    AttemptMilliseconds: Milliseconds Distribution by Worker;
    /// Messages delivered.
    Delivered: Count Counter by Worker;
    /// Time from a message's acceptance, redrive or resend to its delivery.
    EndToEndMilliseconds: Milliseconds Distribution by Worker;
    /// Number of the attempt that delivered a message.
    AttemptsAtDelivery: Count Distribution by Worker;
    /// Attempts after which the message is to be tried again.
    Retries: Count Counter by Worker;
    /// Times that an item was put off without an attempt: its destination's breaker is open, or how to sign is not known.
    Deferrals: Count Counter by Worker;
    /// Times that an item found no room or time in its invocation.
    Unstarted: Count Counter by Worker;
    /// Times that an item was handed back because a service of AWS did not do its part.
    Setbacks: Count Counter by Worker;
    /// Times that an item was handed back because it, or its record, is not what this version can read.
    Unreadable: Count Counter by Worker;
    /// Messages given up, whatever the reason.
    Dead: Count Counter by WorkerAndReconciler;
    /// Messages given up: every attempt was made and none succeeded.
    DeadAttemptsExhausted: Count Counter by Worker;
    /// Messages given up: the delivery deadline passed first.
    DeadDeadlinePassed: Count Counter by Worker;
    /// Messages given up: the target answered with a redirect.
    DeadRedirected: Count Counter by Worker;
    /// Messages given up: the target answered 410.
    DeadGone: Count Counter by Worker;
    /// Messages given up: the target answered with another 4xx.
    DeadRejected: Count Counter by Worker;
    /// Messages given up: the target's address is one the relay does not send to.
    DeadTargetRefused: Count Counter by Worker;
    /// Messages given up: the stored body is not the one that was accepted.
    DeadBodyCorrupt: Count Counter by Worker;
    /// Queue items given up: they could not be read.
    DeadMalformed: Count Counter by Worker;
    /// Messages given up by the queue itself, after too many receipts.
    DeadReceiveCountExceeded: Count Counter by Reconciler;
    /// Circuit breakers that opened.
    BreakersOpened: Count Counter by Worker;
    /// Circuit breakers that closed.
    BreakersClosed: Count Counter by Worker;
    /// Records and dead letters that did not agree and do now.
    ReconcilerRepairs: Count Counter by Reconciler;
    /// Records and dead letters that could not be read or repaired.
    ReconcilerFailures: Count Counter by Reconciler;
    /// Environments that answered their first invocation.
    ColdStarts: Count Counter by All;
}

impl Metric {
    /// What CloudWatch calls it.
    pub const fn name(self) -> &'static str {
        self.definition().name
    }

    /// The counter of attempts that end like this.
    pub fn of_attempt(result: Result<u16, ErrorKind>) -> Self {
        match result {
            Ok(429) => Self::AttemptsThrottled,
            Ok(_) => match classify(result) {
                Class::Delivered => Self::AttemptsDelivered,
                Class::Transient => Self::AttemptsTargetError,
                Class::Permanent(_) => Self::AttemptsRejected,
            },
            Err(ErrorKind::Timeout) => Self::AttemptsTimedOut,
            Err(
                ErrorKind::Dns
                | ErrorKind::Connect
                | ErrorKind::Tls
                | ErrorKind::Network
                // No attempt is recorded like this while a worker lives to record it.
                | ErrorKind::Unknown,
            ) => Self::AttemptsUnreachable,
            Err(ErrorKind::AddressRefused) => Self::AttemptsAddressRefused,
            Err(
                ErrorKind::BodyMissing | ErrorKind::BodyUnavailable | ErrorKind::BodyCorrupt,
            ) => Self::AttemptsBodyUnavailable,
        }
    }

    /// The counter of messages given up for this reason.
    pub const fn of_death(reason: DeadReason) -> Self {
        match reason {
            DeadReason::AttemptsExhausted => Self::DeadAttemptsExhausted,
            DeadReason::DeadlinePassed => Self::DeadDeadlinePassed,
            DeadReason::Redirected => Self::DeadRedirected,
            DeadReason::Gone => Self::DeadGone,
            DeadReason::Rejected => Self::DeadRejected,
            DeadReason::TargetRefused => Self::DeadTargetRefused,
            DeadReason::BodyCorrupt => Self::DeadBodyCorrupt,
            DeadReason::Malformed => Self::DeadMalformed,
            DeadReason::ReceiveCountExceeded => Self::DeadReceiveCountExceeded,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_row_says_what_it_means_and_no_name_comes_twice() {
        let names: BTreeSet<_> = Metric::ALL.iter().map(|metric| metric.name()).collect();
        assert_eq!(names.len(), Metric::ALL.len());
        for metric in Metric::ALL {
            let Definition { name, unit, kind, meaning, .. } = metric.definition();
            assert!(meaning.ends_with('.') && !meaning.starts_with(' '), "{name}: {meaning:?}");
            let suffix = match unit {
                Unit::Milliseconds => "Milliseconds",
                Unit::Bytes => "Bytes",
                Unit::Count => "",
            };
            assert!(name.ends_with(suffix), "{name} is measured in {suffix}");
            assert!(unit == Unit::Count || kind == Kind::Distribution, "{name}");
        }
    }

    #[test]
    fn every_end_of_an_attempt_has_its_counter() {
        let mut table = String::new();
        for status in [200, 299, 301, 400, 408, 410, 429, 499, 500, 599] {
            table.push_str(&format!("{status}: {}\n", Metric::of_attempt(Ok(status)).name()));
        }
        for kind in ErrorKind::ALL {
            let name = Metric::of_attempt(Err(kind)).name();
            table.push_str(&format!("{}: {name}\n", kind.as_str()));
        }
        expect_test::expect![[r#"
            200: AttemptsDelivered
            299: AttemptsDelivered
            301: AttemptsRejected
            400: AttemptsRejected
            408: AttemptsTargetError
            410: AttemptsRejected
            429: AttemptsThrottled
            499: AttemptsRejected
            500: AttemptsTargetError
            599: AttemptsTargetError
            dns: AttemptsUnreachable
            connect: AttemptsUnreachable
            tls: AttemptsUnreachable
            timeout: AttemptsTimedOut
            network: AttemptsUnreachable
            address_refused: AttemptsAddressRefused
            body_missing: AttemptsBodyUnavailable
            body_unavailable: AttemptsBodyUnavailable
            body_corrupt: AttemptsBodyUnavailable
            unknown: AttemptsUnreachable
        "#]]
        .assert_eq(&table);
    }

    #[test]
    fn the_counter_of_a_death_is_named_after_its_reason() {
        for reason in DeadReason::ALL {
            let words = reason.as_str().split('_');
            let camel: String = words.map(|word| word[..1].to_uppercase() + &word[1..]).collect();
            assert_eq!(Metric::of_death(reason).name(), format!("Dead{camel}"));
        }
    }
}
