//! Waits, when nothing is broken any more, until the relay has come to rest.

use futures::{StreamExt, stream};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::arguments::RunArguments;
use crate::bench::Bench;
use crate::client::{Client, Posted, Shown};
use crate::queues::{Queues, QueuesError};
use crate::report::Report;
use crate::run::{RunError, Sent};

/// How many records are looked at at the same time.
const LOOKS_AT_ONCE: usize = 8;
/// How often to look.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Runs of the reconciler that may be needed: one leaves alone what another has in hand.
const RECONCILIATIONS_MAX: usize = 5;

/// Looks at the records of `sent` that are not final yet in `records`, until all are or the time is over.
/// Both are in the same order.
pub(crate) async fn settle(
    arguments: &RunArguments,
    client: &Client,
    sent: &[Sent],
    records: &mut [Option<Shown>],
) -> Result<(), RunError> {
    let end = Instant::now() + Duration::from_secs(arguments.settle_seconds);
    loop {
        let open: Vec<usize> = (0..sent.len())
            .filter(|place| !records[*place].as_ref().is_some_and(Shown::is_final))
            .collect();
        let mut looks = stream::iter(open)
            .map(|place| async move { (place, client.show(&sent[place].message.id).await) })
            .buffer_unordered(LOOKS_AT_ONCE);
        let mut waits = false;
        while let Some((place, shown)) = looks.next().await {
            let shown = shown?;
            let is_final = shown.as_ref().is_some_and(Shown::is_final);
            waits |= !is_final && sent[place].posted == Posted::Accepted;
            records[place] = shown;
        }
        if !waits || Instant::now() >= end {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Waits until the main queue is empty, lets the reconciler do what is its to do, and compares dead
/// letters with dead messages.
pub(crate) async fn compare_queues(
    arguments: &RunArguments,
    bench: &Bench,
    client: &Client,
    ids_of_dead: &BTreeSet<String>,
    report: &mut Report,
) -> Result<(), RunError> {
    let queues = bench.queues()?;
    let end = Instant::now() + Duration::from_secs(arguments.settle_seconds);
    report.left_in_queue = queues.waiting().await?;
    while report.left_in_queue > 0 && Instant::now() < end {
        tokio::time::sleep(LOOK_EVERY).await;
        report.left_in_queue = queues.waiting().await?;
    }
    for _ in 0..RECONCILIATIONS_MAX {
        // It passes by what is hidden: what its own schedule, or the look below, has in hand.
        until_nobody_has_a_dead_letter(&queues, end).await?;
        client.reconcile().await?;
        until_nobody_has_a_dead_letter(&queues, end).await?;
        let buried = queues.dead_letters().await?;
        report.unburied = ids_of_dead.difference(&buried).count() as u64;
        report.wrongly_buried = buried.difference(ids_of_dead).count() as u64;
        if report.unburied + report.wrongly_buried == 0 {
            break;
        }
    }
    Ok(())
}

async fn until_nobody_has_a_dead_letter(queues: &Queues, end: Instant) -> Result<(), QueuesError> {
    while queues.dead_in_hand().await? > 0 && Instant::now() < end {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}
