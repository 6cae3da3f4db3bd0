//! The hot path over canned answers: no sockets, one thread, a clock that stands still, so that what it does is the same
//! each time: calls, allocations, and, under callgrind, instructions. What continuous integration compares.

mod canned;
mod ingest;
mod worker;

use std::collections::BTreeMap;

use clap::ValueEnum;
use relay_core::ports::Ambient;
use relay_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use self::canned::Canned;
use crate::allocations;
use crate::error::BenchError;

/// When everything happens.
const NOW: Timestamp = Timestamp::from_millis(1_795_237_200_000);
/// Rounds before counting begins: connections, tables and caches have their size by then.
const WARM_UP: usize = 4;
/// Bytes of a payload.
const PAYLOAD_BYTES: usize = 1024;

/// A piece of the hot path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Case {
    /// `POST /message`, every step written.
    IngestSingleFull,
    /// `POST /message`, lean.
    IngestSingleLean,
    /// `POST /v1/messages/bulk` with 25 messages, lean.
    IngestBulkLean,
    /// A batch of 10, every step written.
    WorkerFull,
    /// A batch of 10, lean.
    WorkerLean,
}

impl Case {
    /// Messages of one round.
    #[must_use]
    pub const fn messages(self) -> usize {
        match self {
            Self::IngestSingleFull | Self::IngestSingleLean => 1,
            Self::IngestBulkLean => 25,
            Self::WorkerFull | Self::WorkerLean => 10,
        }
    }
}

/// What to run.
#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    /// Which piece
    pub case: Case,
    /// How often, besides the rounds that warm it up
    #[arg(long, default_value_t = 20)]
    pub rounds: usize,
}

/// What the counted rounds came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// Calls by operation.
    pub calls: BTreeMap<String, u64>,
    /// Allocations.
    pub allocations: u64,
}

/// Time that stands still, and chance that follows from a counter.
#[derive(Debug, Default)]
struct Fixed(std::sync::atomic::AtomicU64);

impl Ambient for Fixed {
    fn now(&self) -> Timestamp {
        NOW
    }

    fn unit(&self) -> f64 {
        0.5
    }

    fn bits(&self) -> [u8; 16] {
        let next = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut bits = [7; 16];
        bits[8..].copy_from_slice(&next.to_be_bytes());
        bits
    }
}

/// Runs a case and prints what it came to.
///
/// # Errors
/// When a message is not accepted or not delivered.
pub async fn run(arguments: &Arguments) -> Result<(), BenchError> {
    let counted = match arguments.case {
        Case::IngestSingleFull | Case::IngestSingleLean | Case::IngestBulkLean => {
            ingest::run(arguments).await?
        }
        Case::WorkerFull | Case::WorkerLean => worker::run(arguments).await?,
    };
    println!("{}", serde_json::to_string(&counted).unwrap_or_default());
    Ok(())
}

/// Goes round, and counts all rounds but the first ones.
async fn count<R>(
    canned: &Canned,
    rounds: usize,
    mut round: impl FnMut(usize) -> R,
) -> Result<Counted, BenchError>
where
    R: Future<Output = Result<(), BenchError>>,
{
    for number in 0..WARM_UP {
        round(number).await?;
    }
    let (calls_before, before) = (canned.calls(), allocations::so_far().0);
    for number in WARM_UP..WARM_UP + rounds {
        round(number).await?;
    }
    let after = allocations::so_far().0;
    let since = |(name, count): (String, u64)| {
        let count = count - calls_before.get(&name).copied().unwrap_or_default();
        (count > 0).then_some((name, count))
    };
    let calls = canned.calls().into_iter().filter_map(since).collect();
    Ok(Counted { calls, allocations: after - before })
}

/// The variables of both functions.
fn lookup(name: &str, is_lean: bool) -> Option<String> {
    let value = match name {
        "DYNAMODB_TABLE" => "messages",
        "SQS_QUEUE_URL" => "https://sqs.us-east-1.amazonaws.com/1/queue",
        "SQS_DLQ_URL" => "https://sqs.us-east-1.amazonaws.com/1/dead",
        "S3_BUCKET" => "bodies",
        "MASTER_SECRET_ID" => "master",
        "AUTHENTICATION" => "off",
        "LOG_LEVEL" => "warn",
        "STATUS_TRACKING" if is_lean => "lean",
        "RETAIN_BODIES" if is_lean => "false",
        _ => return None,
    };
    Some(value.to_owned())
}
