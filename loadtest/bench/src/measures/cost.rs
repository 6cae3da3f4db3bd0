//! Measure 3: modelled dollars a million, from units that were counted here.
//!
//! Counted: calls, write and read units, queue units, log bytes, metric calls. Modelled: durations, egress, the event
//! source's own calls, what Lambda and the API log of their own, and what the assumed retries add: every call here succeeds.
//! Storage is left out, as the bars have it.

use std::collections::BTreeMap;

use bytes::Bytes;
use relay_cost::{
    AIMS, Aim, Assumptions, Bill, NAIVE_TIMES, PriceList, Prices, Pricing, Setup,
    TABLE_UTILISATION, Tracking, Units,
};

use super::{BATCH, Effort, batch_to, deliver_all, fresh_ids, post, post_all};
use crate::error::BenchError;
use crate::events::payload;
use crate::function::{Function, Program};
use crate::report::{Bar, Row};
use crate::settings::{Profile, variables};
use crate::stub::{Counts, Stub, Table};
use crate::target::{Target, TargetOptions};

/// Bytes of the payload.
const PAYLOAD_BYTES: usize = 1024;
/// What CloudWatch adds to each log event, in bytes.
const LOG_EVENT_BYTES: f64 = 26.0;
/// Write units of one more attempt: its claim and its settlement, a kilobyte at most each.
const UNITS_OF_A_RETRY: f64 = 2.0;

/// Modelled dollars a million.
pub async fn measure(effort: Effort) -> Vec<Row> {
    let (assume, prices) = match (Assumptions::load(), PriceList::load()) {
        (Ok(assume), Ok(list)) => (assume, list.prices),
        (Err(error), _) | (_, Err(error)) => {
            let row = Row::new(3, "modelled $/M", "-", Bar::AtMost(0.0));
            return vec![row.noting(error.to_string())];
        }
    };
    let bill =
        |units: &Units, setup: &Setup, pricing| Bill::of(units, setup, pricing, &prices, &assume);
    let mut rows = Vec::new();
    let mut cheapest = f64::INFINITY;
    for aim in &AIMS {
        let setup = Setup::steady(aim.tracking, aim.retained, aim.bulk);
        let units = counted(aim, &setup, &assume, effort).await;
        let provisioned = Pricing::Provisioned { utilisation: TABLE_UTILISATION };
        let ways = [
            ("on demand", Some(aim.on_demand), Pricing::OnDemand),
            ("provisioned", aim.provisioned, provisioned),
        ];
        for (way, bar, pricing) in ways {
            let Some(bar) = bar else { continue };
            let row =
                Row::new(3, format!("modelled $/M, {}, {way}", aim.name), "1.10", Bar::AtMost(bar));
            rows.push(match &units {
                Ok(units) => {
                    let bill = bill(units, &setup, pricing);
                    if pricing == Pricing::OnDemand {
                        cheapest = cheapest.min(bill.flow());
                    }
                    let dear: Vec<_> = bill
                        .largest(3)
                        .iter()
                        .map(|(item, dollars)| format!("{item:?} {dollars:.2}"))
                        .collect();
                    row.counted(bill.flow()).noting(format!(
                        "{}; {:.2} WCU, {:.0} log bytes",
                        dear.join(", "),
                        units.write_units,
                        units.log_bytes
                    ))
                }
                Err(error) => row.noting(error.to_string()),
            });
        }
    }
    rows.push(naive_row(cheapest, &prices, &assume).await);
    rows
}

/// What the naive flow costs, beside the cheapest bulk that pays in the same way.
async fn naive_row(cheapest: f64, prices: &Prices, assume: &Assumptions) -> Row {
    let setup = Setup::naive();
    let row = Row::new(3, "naive / cheapest bulk, both on demand", "-", Bar::AtLeast(NAIVE_TIMES));
    match naive(&setup, assume).await {
        Ok(units) => {
            let bill = Bill::of(&units, &setup, Pricing::OnDemand, prices, assume).flow();
            row.counted(bill / cheapest).noting(format!(
                "naive {bill:.2} $/M: {:.1} writes, {:.1} metric calls, {:.0} log bytes a message",
                units.write_units, units.metric_calls, units.log_bytes
            ))
        }
        Err(error) => row.noting(error.to_string()),
    }
}

/// The units of one message, as the functions used them.
async fn counted(
    aim: &Aim,
    setup: &Setup,
    assume: &Assumptions,
    effort: Effort,
) -> Result<Units, BenchError> {
    let modelled = relay_cost::units(setup, assume);
    let modelled = modelled.map_err(|error| BenchError::Unexpected(error.to_string()))?;
    let stub = Stub::start().await?;
    let profile = match aim.tracking {
        Tracking::Full => Profile::Full,
        Tracking::Lean | Tracking::Naive => Profile::Lean,
    };
    let mut settings = variables(&stub, profile);
    settings.extend(logging(setup));
    settings.insert("RETAIN_BODIES".to_owned(), aim.retained.to_string());
    let bulk = usize::try_from(aim.bulk).unwrap_or(1);
    let requests = effort.messages.div_ceil(bulk).max(10);
    let (ingest, ingest_logs) = accept(&stub, &settings, bulk, requests).await?;
    let accepted = (requests * bulk) as f64;
    stub.with_table(Table::forget);
    let batches = effort.messages.div_ceil(BATCH);
    let (worker, worker_logs) = work(&stub, &settings, batches).await?;
    let delivered = (batches * BATCH) as f64;
    let metric = |counts: &Counts| counts.of("PutMetricData") as f64;
    let retries = assume.retry_share.value;
    let ingest_invocations = requests as f64 / accepted;
    let worker_invocations = batches as f64 / delivered * (1.0 + retries);
    let own_lines = if setup.platform_lines { assume.platform_lines_bytes.value } else { 0.0 };
    let unseen_log_bytes = own_lines * (ingest_invocations + worker_invocations)
        + assume.access_line_bytes.value * ingest_invocations
        + assume.attempt_line_bytes.value * 2.0 * retries;
    Ok(Units {
        ingest_invocations,
        worker_invocations,
        write_units: ingest.write_units / accepted
            + worker.write_units / delivered
            + UNITS_OF_A_RETRY * retries,
        read_units: ingest.read_units / accepted + worker.read_units / delivered,
        queue_sends: ingest.queue_units / accepted,
        queue_visibility: worker.of("ChangeMessageVisibility") as f64 / delivered + retries,
        object_puts: ingest.of("PutObject") as f64 / accepted,
        object_gets: worker.of("GetObject") as f64 / delivered,
        log_bytes: ingest_logs / accepted + worker_logs / delivered + unseen_log_bytes,
        metric_calls: metric(&ingest) / accepted + metric(&worker) / delivered,
        ..modelled
    })
}

/// As the setup has it: one success in a hundred is logged.
fn logging(setup: &Setup) -> BTreeMap<String, String> {
    let percent = format!("{:.0}", setup.log_success_percent);
    [("LOG_LEVEL", "info".to_owned()), ("LOG_SUCCESS_PERCENT", percent)]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
}

async fn accept(
    stub: &Stub,
    settings: &BTreeMap<String, String>,
    bulk: usize,
    requests: usize,
) -> Result<(Counts, f64), BenchError> {
    let mut function = Function::start(&Program::beside("ingest"), settings).await?;
    let payload = payload(PAYLOAD_BYTES);
    post(&mut function, &fresh_ids(1)[0], &payload).await?;
    let _ = stub.take_counts();
    let before = function.log_bytes();
    for _ in 0..requests {
        if bulk == 1 {
            post(&mut function, &fresh_ids(1)[0], &payload).await?;
        } else {
            post_all(&mut function, &fresh_ids(bulk), &payload).await?;
        }
    }
    let logs = function.log_bytes_settled().await - before;
    function.end().await;
    Ok((stub.take_counts(), logs as f64 + LOG_EVENT_BYTES * requests as f64))
}

async fn work(
    stub: &Stub,
    settings: &BTreeMap<String, String>,
    batches: usize,
) -> Result<(Counts, f64), BenchError> {
    let target = Target::start(TargetOptions::default()).await?;
    let mut function = Function::start(&Program::beside("worker"), settings).await?;
    let (payload, urls) =
        (Bytes::from(payload(PAYLOAD_BYTES)), vec![target.url(1, "/hooks"); BATCH]);
    deliver_all(&mut function, batch_to(&urls, &payload)?).await?;
    let _ = stub.take_counts();
    let before = function.log_bytes();
    for _ in 0..batches {
        deliver_all(&mut function, batch_to(&urls, &payload)?).await?;
    }
    let logs = function.log_bytes_settled().await - before;
    function.end().await;
    Ok((stub.take_counts(), logs as f64 + LOG_EVENT_BYTES * batches as f64))
}

/// The units of one message of the naive flow.
async fn naive(setup: &Setup, assume: &Assumptions) -> Result<Units, BenchError> {
    /// Whole batches of it.
    const MESSAGES: usize = 100;
    let modelled = relay_cost::units(setup, assume);
    let modelled = modelled.map_err(|error| BenchError::Unexpected(error.to_string()))?;
    let stub = Stub::start().await?;
    stub.with_table(Table::can);
    let program = Program::own(&["naive", &PAYLOAD_BYTES.to_string()]);
    let mut function = Function::start_loop(&program, &variables(&stub, Profile::Full)).await?;
    function.go_round(MESSAGES).await?;
    let logs = function.log_bytes_settled().await as f64;
    let counts = stub.take_counts();
    let each = |value: f64| value / MESSAGES as f64;
    Ok(Units {
        write_units: each(counts.write_units),
        queue_sends: each(counts.queue_units),
        metric_calls: each(counts.of("PutMetricData") as f64),
        log_bytes: each(logs) + 2.0 * LOG_EVENT_BYTES,
        ..modelled
    })
}
