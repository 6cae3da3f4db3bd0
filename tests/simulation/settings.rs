//! The settings that worlds have: what they all share, and what is drawn.

use std::time::Duration;

use relay_core::breaker;
use relay_core::retry::RetryPolicy;
use relay_core::settings::{IngestSettings, Tracking};
use relay_worker::Rules;

use crate::dice::Dice;
use crate::plan::pick_size;

pub(crate) fn rules() -> Rules {
    Rules {
        retry: RetryPolicy {
            attempts_max: 3,
            base: Duration::from_secs(10),
            factor: 3.0,
            delay_max: Duration::from_secs(900),
        },
        timeout: Duration::from_secs(10),
        bytes_per_second_min: 4 << 20,
        lease: Duration::from_secs(90),
        concurrency: 10,
        concurrency_per_destination: 10,
        breaker: breaker::Rules {
            failures_max: 10,
            failure_percent: 60,
            open: Duration::from_secs(30),
            open_max: Duration::from_secs(300),
            step: Duration::from_secs(10),
        },
        deadline: Duration::from_secs(72 * 3600),
        visibility_max: Duration::from_secs(900),
        tracking: Tracking::Full,
    }
}

/// Bodies go to the record, beside it or to the store at sizes of hundreds of bytes, so that small worlds have all.
pub(crate) fn settings() -> IngestSettings {
    let lookup = |name: &str| {
        let value = match name {
            "DYNAMODB_TABLE" | "SQS_QUEUE_URL" | "S3_BUCKET" | "MASTER_SECRET_ID" => "x",
            "MESSAGE_TTL_DAYS" => "1",
            // Who is let in is not what these worlds are about.
            "AUTHENTICATION" => "off",
            "TABLE_INLINE_BYTES_MAX" => "100",
            "QUEUE_INLINE_BYTES_MAX" => "1900",
            _ => return None,
        };
        Some(value.to_owned())
    };
    IngestSettings::read(&lookup).unwrap()
}

pub(crate) fn drawn_rules(dice: &Dice, timeout: Duration, lease: Duration) -> Rules {
    let quiet = rules();
    let deadline = *dice.pick(&[60, 600, 3600, 3600 * 72]);
    Rules {
        retry: RetryPolicy {
            attempts_max: u32::try_from(dice.between(1, 5)).unwrap(),
            base: dice.millis(1000, 20_000),
            ..quiet.retry
        },
        timeout,
        lease,
        concurrency: pick_size(dice, 10),
        concurrency_per_destination: pick_size(dice, 10),
        breaker: breaker::Rules {
            failures_max: *dice.pick(&[0, 0, 2, 5]),
            open: dice.millis(5000, 120_000),
            step: dice.millis(1000, 60_000),
            ..quiet.breaker
        },
        deadline: Duration::from_secs(deadline),
        visibility_max: Duration::from_secs(*dice.pick(&[5, 60, 900])),
        ..quiet
    }
}
