//! Measure 7: TLS connections that are opened for each delivery.

use std::time::Duration;

use bytes::Bytes;

use super::{BATCH, Effort, batch_to, deliver};
use crate::error::BenchError;
use crate::events::payload;
use crate::function::{Function, Program};
use crate::report::{Bar, Row};
use crate::settings::{Profile, variables};
use crate::stub::{Stub, Table};
use crate::target::{Target, TargetOptions};

/// Hosts, of which a few get most of the traffic.
const HOSTS: u8 = 100;
/// How uneven: the exponent of Zipf's law.
const EXPONENT: f64 = 1.1;
/// Invocations of one process; the first ones open the pools.
const INVOCATIONS: usize = 1000;
/// A pause between two invocations.
const GAP: Duration = Duration::from_secs(4);
/// After so long, targets close connections that are idle: within the pause.
const IDLE_KEPT: Duration = Duration::from_secs(3);
/// Pauses.
const GAPS: usize = 6;

/// What came of some deliveries.
struct Outcome {
    connections: u64,
    delivered: u64,
    failed: usize,
}

/// Connections for each delivery, and those that were stale.
pub async fn measure(_effort: Effort) -> Vec<Row> {
    let each = |row: Row, outcome: &Result<Outcome, BenchError>| match outcome {
        Ok(outcome) => {
            row.counted(outcome.connections as f64 / outcome.delivered.max(1) as f64).noting(
                format!("{} connections, {} deliveries", outcome.connections, outcome.delivered),
            )
        }
        Err(error) => row.noting(error.to_string()),
    };
    let one = run(1, INVOCATIONS, None).await;
    let many = run(HOSTS, INVOCATIONS, None).await;
    let gaps = run(1, GAPS, Some(GAP)).await;
    let stale =
        Row::new(7, "failures by stale connections, idle gaps of 4 s", "0", Bar::AtMost(0.0));
    vec![
        each(Row::new(7, "handshakes/delivery, 1 host", "pool/n", Bar::AtMost(0.002)), &one),
        each(Row::new(7, "handshakes/delivery, 100 hosts", "pool/n", Bar::AtMost(0.03)), &many),
        match &gaps {
            Ok(outcome) => stale.counted(outcome.failed as f64).noting(format!(
                "{} connections for {GAPS} batches; the target closes what is idle for 3 s",
                outcome.connections
            )),
            Err(error) => stale.noting(error.to_string()),
        },
    ]
}

async fn run(hosts: u8, invocations: usize, gap: Option<Duration>) -> Result<Outcome, BenchError> {
    let stub = Stub::start().await?;
    stub.with_table(Table::can);
    let idle_kept = gap.map(|_| IDLE_KEPT);
    let target = Target::start(TargetOptions { hosts, has_tls: true, idle_kept }).await?;
    let mut settings = variables(&stub, Profile::Lean);
    if let Some(authority) = &target.authority {
        settings.insert("SSL_CERT_FILE".to_owned(), authority.display().to_string());
    }
    let mut function = Function::start(&Program::beside("worker"), &settings).await?;
    let payload = Bytes::from(payload(1024));
    let mut zipf = Zipf::new(hosts);
    let mut failed = 0;
    for _ in 0..invocations {
        let urls: Vec<_> = (0..BATCH).map(|_| target.url(zipf.next(), "/hooks")).collect();
        failed += deliver(&mut function, batch_to(&urls, &payload)?).await?;
        if let Some(gap) = gap {
            tokio::time::sleep(gap).await;
        }
    }
    let count =
        |value: &std::sync::atomic::AtomicU64| value.load(std::sync::atomic::Ordering::SeqCst);
    let seen = &target.seen;
    Ok(Outcome { connections: count(&seen.connections), delivered: count(&seen.delivered), failed })
}

/// Hosts from 1 on, drawn by Zipf's law, the same each time.
struct Zipf {
    shares: Vec<f64>,
    state: u64,
}

impl Zipf {
    fn new(hosts: u8) -> Self {
        let weights: Vec<f64> = (1..=hosts).map(|rank| f64::from(rank).powf(-EXPONENT)).collect();
        let whole: f64 = weights.iter().sum();
        let mut sum = 0.0;
        let share = |weight: &f64| {
            sum += weight / whole;
            sum
        };
        Self { shares: weights.iter().map(share).collect(), state: 1 }
    }

    fn next(&mut self) -> u8 {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(99_991);
        let drawn = (self.state >> 11) as f64 / (1_u64 << 53) as f64;
        let place = self.shares.partition_point(|share| *share < drawn);
        u8::try_from(place.min(self.shares.len() - 1) + 1).unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_host_gets_the_most_and_all_get_something() {
        let mut zipf = Zipf::new(HOSTS);
        let mut counts = [0_u32; HOSTS as usize + 1];
        for _ in 0..100_000 {
            counts[usize::from(zipf.next())] += 1;
        }
        assert_eq!(
            counts.iter().enumerate().max_by_key(|(_, count)| **count).map(|(host, _)| host),
            Some(1)
        );
        assert!(counts[1..].iter().all(|count| *count > 0));
    }
}
