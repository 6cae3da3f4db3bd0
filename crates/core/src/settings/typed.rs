//! The settings as each function uses them, and the rules between them.

use std::time::Duration;

use super::access::{Access, access};
use super::breaker::breaker as read_breaker;
use super::reader::{Reader, SettingsErrors};
use crate::attempt;
use crate::breaker;
use crate::destination::AllowList;
use crate::retry::RetryPolicy;

/// Largest queue message: what SQS takes (1 MiB), less the attributes of a copy in the dead-letter
/// queue, which must fit too.
const QUEUE_BYTES_MAX: u64 = (1 << 20) - 4096;

/// How metrics leave the functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Metrics {
    /// One log line per invocation, in the Embedded Metric Format.
    #[default]
    Emf,
    /// Aggregated in the process and sent to CloudWatch.
    Cloudwatch,
    /// Not at all.
    Off,
}

/// How much is logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logging {
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
    /// Share of messages whose plain success is written, from 0 to 100.
    pub success_percent: u8,
    /// How metrics leave the function.
    pub metrics: Metrics,
}

/// Where bodies go by their size, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest queue message, attributes included.
    pub queue_inline_bytes_max: usize,
    /// Largest body kept in the table.
    pub table_inline_bytes_max: usize,
    /// Largest body of all.
    pub payload_bytes_max: u64,
}

/// The settings of the ingest function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngestSettings {
    /// The table of messages.
    pub table: String,
    /// The queue.
    pub queue_url: String,
    /// The bucket.
    pub bucket: String,
    /// How long a message is kept.
    pub message_ttl: Duration,
    /// Where bodies go.
    pub limits: Limits,
    /// Whether a body that fits the queue is kept beside it.
    pub retain_bodies: bool,
    /// Which steps of a message's life are written down.
    pub tracking: Tracking,
    /// What the queue shares its workers out by; the name of the setting's value.
    pub fairness: Fairness,
    /// What targets are opened although they are not public.
    pub destination_allow: AllowList,
    /// Who is let in, and how often.
    pub access: Access,
    /// The secret that signing secrets are derived from.
    pub master_secret_id: String,
    /// Logs and metrics.
    pub logging: Logging,
}

/// Which steps of a message's life are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tracking {
    /// All: acceptance, QUEUED, PROCESSING, and what came of it.
    #[default]
    Full,
    /// Acceptance and what came of it. A first attempt is not claimed.
    Lean,
}

/// What the queue shares its workers out by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fairness {
    /// Nothing: first come, first served.
    #[default]
    Off,
    /// The sender.
    Sender,
    /// The target's scheme, host and port.
    Destination,
}

/// The settings of the worker function.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkerSettings {
    /// The table of messages.
    pub table: String,
    /// The queue.
    pub queue_url: String,
    /// The queue of dead letters.
    pub dead_letter_queue_url: String,
    /// The bucket.
    pub bucket: String,
    /// When and how often a message is tried.
    pub retry: RetryPolicy,
    /// How long an attempt may take, besides the time its body needs.
    pub timeout: Duration,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// Slowest rate for a body, in bytes a second.
    pub bytes_per_second_min: u64,
    /// How long a worker holds a message.
    pub lease: Duration,
    /// Messages of one batch delivered at the same time.
    pub concurrency: usize,
    /// Those of them that may go to the same destination.
    pub concurrency_per_destination: usize,
    /// When the breaker of a destination opens, and for how long.
    pub breaker: breaker::Rules,
    /// How long a message may wait for its delivery.
    pub deadline: Duration,
    /// Longest wait that a received item spends hidden in the queue.
    pub visibility_max: Duration,
    /// Which steps of a message's life are written down.
    pub tracking: Tracking,
    /// What the queue shares its workers out by.
    pub fairness: Fairness,
    /// What targets are opened although they are not public.
    pub destination_allow: AllowList,
    /// The secret that signing secrets are derived from.
    pub master_secret_id: String,
    /// Logs and metrics.
    pub logging: Logging,
}

pub(super) fn logging(reader: &mut Reader<'_>) -> Logging {
    let metrics = |text: &str| match text {
        "emf" => Some(Metrics::Emf),
        "cloudwatch" => Some(Metrics::Cloudwatch),
        "off" => Some(Metrics::Off),
        _ => None,
    };
    let level = |text: &str| {
        let level = text.to_ascii_lowercase();
        ["error", "warn", "info", "debug", "trace"].contains(&level.as_str()).then_some(level)
    };
    Logging {
        level: reader.parsed("LOG_LEVEL", level, String::new()),
        success_percent: u8::try_from(reader.whole("LOG_SUCCESS_PERCENT", 0..=100)).unwrap_or(100),
        metrics: reader.parsed("METRICS", metrics, Metrics::Off),
    }
}

fn allow(reader: &mut Reader<'_>) -> AllowList {
    let parse = |text: &str| AllowList::parse(text).ok();
    reader.parsed("DESTINATION_ALLOW", parse, AllowList::default())
}

fn tracking(reader: &mut Reader<'_>) -> Tracking {
    let parse = |text: &str| match text {
        "full" => Some(Tracking::Full),
        "lean" => Some(Tracking::Lean),
        _ => None,
    };
    reader.parsed("STATUS_TRACKING", parse, Tracking::Full)
}

pub(super) fn fairness(reader: &mut Reader<'_>) -> Fairness {
    let parse = |text: &str| match text {
        "off" => Some(Fairness::Off),
        "sender" => Some(Fairness::Sender),
        "destination" => Some(Fairness::Destination),
        _ => None,
    };
    reader.parsed("FAIRNESS_KEY", parse, Fairness::Off)
}

fn payload_bytes_max(reader: &mut Reader<'_>) -> u64 {
    reader.whole("PAYLOAD_BYTES_MAX", 1024..=100 << 20)
}

impl IngestSettings {
    /// Reads the settings of the ingest function.
    ///
    /// # Errors
    /// Every setting that cannot be used.
    pub fn read(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, SettingsErrors> {
        let mut reader = Reader::new(lookup);
        let days = reader.whole("MESSAGE_TTL_DAYS", 1..=365);
        let inline = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let settings = Self {
            table: reader.text("DYNAMODB_TABLE"),
            queue_url: reader.text("SQS_QUEUE_URL"),
            bucket: reader.text("S3_BUCKET"),
            message_ttl: Duration::from_secs(days * 24 * 3600),
            limits: Limits {
                queue_inline_bytes_max: inline(
                    reader.whole("QUEUE_INLINE_BYTES_MAX", 1024..=QUEUE_BYTES_MAX),
                ),
                table_inline_bytes_max: inline(
                    reader.whole("TABLE_INLINE_BYTES_MAX", 0..=256 << 10),
                ),
                payload_bytes_max: payload_bytes_max(&mut reader),
            },
            retain_bodies: reader.parsed("RETAIN_BODIES", |text| text.parse().ok(), true),
            tracking: tracking(&mut reader),
            fairness: fairness(&mut reader),
            destination_allow: allow(&mut reader),
            access: access(&mut reader),
            master_secret_id: reader.text("MASTER_SECRET_ID"),
            logging: logging(&mut reader),
        };
        reader.finish(settings)
    }
}

impl WorkerSettings {
    /// Reads the settings of the worker function.
    ///
    /// # Errors
    /// Every setting that cannot be used, those included that contradict each other.
    pub fn read(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, SettingsErrors> {
        let mut reader = Reader::new(lookup);
        let hours = reader.whole("DELIVERY_DEADLINE_HOURS", 1..=312);
        let visibility_max = reader.whole("RETRY_VISIBILITY_SECONDS_MAX", 1..=900);
        let payload_bytes_max = payload_bytes_max(&mut reader);
        let attempts_max = reader.whole("RETRY_ATTEMPTS_MAX", 1..=100);
        let small = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let concurrency = reader.whole("DELIVERY_CONCURRENCY", 1..=100);
        let per_destination = reader.whole("DELIVERY_CONCURRENCY_PER_DESTINATION", 1..=100);
        let timeout = reader.seconds("DELIVERY_TIMEOUT_SECONDS", 0.1..=60.0);
        let connect_timeout = reader.seconds("DELIVERY_CONNECT_TIMEOUT_SECONDS", 0.1..=60.0);
        let settings = Self {
            table: reader.text("DYNAMODB_TABLE"),
            queue_url: reader.text("SQS_QUEUE_URL"),
            dead_letter_queue_url: reader.text("SQS_DLQ_URL"),
            bucket: reader.text("S3_BUCKET"),
            retry: RetryPolicy {
                attempts_max: u32::try_from(attempts_max).unwrap_or(u32::MAX),
                base: reader.seconds("RETRY_BASE_SECONDS", 0.1..=900.0),
                factor: reader.number("RETRY_FACTOR", 1.0..=10.0),
                delay_max: reader.seconds("RETRY_DELAY_SECONDS_MAX", 0.1..=86_400.0),
            },
            timeout,
            connect_timeout: connect_timeout.min(timeout),
            bytes_per_second_min: reader.whole("DELIVERY_BYTES_PER_SECOND_MIN", 65_536..=1 << 30),
            lease: Duration::from_secs(reader.whole("DELIVERY_LEASE_SECONDS", 1..=900)),
            concurrency: small(concurrency),
            concurrency_per_destination: small(per_destination),
            breaker: read_breaker(&mut reader),
            deadline: Duration::from_secs(hours * 3600),
            visibility_max: Duration::from_secs(visibility_max),
            tracking: tracking(&mut reader),
            fairness: fairness(&mut reader),
            destination_allow: allow(&mut reader),
            master_secret_id: reader.text("MASTER_SECRET_ID"),
            logging: logging(&mut reader),
        };
        settings.check(&mut reader, payload_bytes_max);
        reader.finish(settings)
    }

    fn check(&self, reader: &mut Reader<'_>, payload_bytes_max: u64) {
        let longest = self.longest_attempt(payload_bytes_max) + attempt::SETTLE_TIME;
        reader.require(
            "DELIVERY_LEASE_SECONDS",
            longest <= self.lease,
            &format!("must be at least {} s: the longest attempt and its write", longest.as_secs()),
        );
    }

    /// How long the attempt with the largest body may take: it is read once to be verified and once to
    /// be sent, and both are bounded by the same rate.
    pub fn longest_attempt(&self, payload_bytes_max: u64) -> Duration {
        attempt::timeout(
            self.timeout,
            payload_bytes_max.saturating_mul(2),
            self.bytes_per_second_min,
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::settings::ALL;
    use expect_test::expect;

    fn environment<'a>(extra: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |name| {
            let given = extra.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
            let usual = match name {
                "DYNAMODB_TABLE" => Some("t"),
                "SQS_QUEUE_URL" | "SQS_DLQ_URL" => Some("q"),
                "S3_BUCKET" => Some("b"),
                "MASTER_SECRET_ID" => Some("m"),
                _ => None,
            };
            given.or(usual).map(str::to_owned)
        }
    }

    #[test]
    fn the_defaults_are_usable() {
        let worker = WorkerSettings::read(&environment(&[])).unwrap();
        assert_eq!(worker.retry.attempts_max, 3);
        assert_eq!(worker.longest_attempt(100 << 20), Duration::from_secs(60));
        let ingest = IngestSettings::read(&environment(&[])).unwrap();
        assert_eq!(ingest.message_ttl, Duration::from_secs(30 * 24 * 3600));
        assert_eq!(ingest.limits.queue_inline_bytes_max, 256 << 10);
    }

    #[test]
    fn f31_every_mistake_is_told_at_once() {
        let given = [
            ("DYNAMODB_TABLE", ""),
            ("RETRY_ATTEMPTS_MAX", "0"),
            ("RETRY_FACTOR", "NaN"),
            ("DESTINATION_ALLOW", "10.0.0.0/99"),
            ("LOG_LEVEL", "loud"),
        ];
        let mistakes = WorkerSettings::read(&environment(&given)).unwrap_err();
        expect![[r#"
            settings that cannot be used:
              RETRY_ATTEMPTS_MAX is "0"; expected a whole number from 1 to 100
              DYNAMODB_TABLE is not set; expected a table name
              RETRY_FACTOR is "NaN"; expected a number from 1 to 10
              DESTINATION_ALLOW is "10.0.0.0/99"; expected a comma-separated list of hosts, addresses or CIDR blocks, each with an optional :port
              LOG_LEVEL is "loud"; expected error, warn, info, debug or trace"#]]
        .assert_eq(&mistakes.to_string());
    }

    #[test]
    fn f12_settings_that_contradict_each_other_are_refused() {
        let given = [("DELIVERY_LEASE_SECONDS", "67")];
        let mistakes = WorkerSettings::read(&environment(&given)).unwrap_err();
        expect!["DELIVERY_LEASE_SECONDS must be at least 68 s: the longest attempt and its write"]
            .assert_eq(&mistakes.0[0].to_string());
    }

    #[test]
    fn every_setting_is_read_by_a_function() {
        let asked = std::cell::RefCell::new(std::collections::BTreeSet::new());
        let lookup = |name: &str| {
            asked.borrow_mut().insert(name.to_owned());
            environment(&[])(name)
        };
        IngestSettings::read(&lookup).unwrap();
        WorkerSettings::read(&lookup).unwrap();
        let table: std::collections::BTreeSet<String> =
            ALL.iter().map(|setting| setting.name.to_owned()).collect();
        assert_eq!(asked.into_inner(), table);
    }
}
