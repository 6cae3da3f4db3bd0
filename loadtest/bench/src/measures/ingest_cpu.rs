//! Measure 5: processor time of accepting a message, beside the SDK making the same calls from inputs that are ready.

use super::{Effort, floor, fresh_ids, ingest, post, post_all};
use crate::error::BenchError;
use crate::events::payload;
use crate::function::Function;
use crate::report::{Bar, Row};
use crate::settings::Profile;
use crate::statistics::{Sample, ratios};
use crate::stub::Stub;

/// Bytes of the payload.
const PAYLOAD_BYTES: usize = 1024;
/// Messages of a large request.
const BULK: usize = 100;

/// Microseconds for each message, of each variant, measured one after the other.
#[derive(Default)]
struct Times {
    relay: Vec<f64>,
    bare: Vec<f64>,
    bare_function: Vec<f64>,
    system_shares: Vec<f64>,
}

/// Processor time for each accepted message.
pub async fn measure(effort: Effort) -> Vec<Row> {
    let full = of_single(Profile::Full, effort).await;
    let lean = of_single(Profile::Lean, effort).await;
    let bulk = of_bulk(effort).await;
    let bar = Bar::AtMost(1.15);
    let row = |what: &str, bar| Row::new(5, what, "1.0", bar);
    let mut rows = vec![
        told(row("ingest CPU / bare SDK loop, single, full", bar), &full),
        told(row("ingest CPU / bare SDK loop, single, lean", bar), &lean),
        told(row("ingest CPU / bare SDK loop, bulk 100, lean", Bar::AtMost(1.25)), &bulk),
    ];
    let row = row("CPU/message: single-call SDK loop / bulk 100, lean", Bar::AtLeast(5.0));
    rows.push(match (&lean, &bulk) {
        (Ok(lean), Ok(bulk)) => row.measured(&ratios(&lean.bare, &bulk.relay)),
        (Err(error), _) | (_, Err(error)) => row.noting(error.to_string()),
    });
    rows
}

fn told(row: Row, times: &Result<Times, BenchError>) -> Row {
    let times = match times {
        Ok(times) => times,
        Err(error) => return row.noting(error.to_string()),
    };
    let median = |values: &[f64]| Sample::of(values).median;
    let note = format!(
        "{:.0} us a message ({:.0} % in the kernel), bare loop {:.0} us; over the same calls in a bare Lambda function: {:.2}",
        median(&times.relay),
        100.0 * median(&times.system_shares),
        median(&times.bare),
        median(&ratios(&times.relay, &times.bare_function)),
    );
    row.measured(&ratios(&times.relay, &times.bare)).noting(note)
}

/// The floors of what `function` was captured doing.
struct Floors {
    bare: Function,
    bare_function: Function,
}

impl Floors {
    async fn start(stub: &Stub, calls: &floor::Calls) -> Result<Self, BenchError> {
        let bare = floor::in_loop(stub, calls).await?;
        Ok(Self { bare, bare_function: floor::in_function(stub, calls).await? })
    }

    /// Has both go round so often, each time for so many messages.
    async fn measure(
        &mut self,
        times: &mut Times,
        rounds: usize,
        messages: usize,
    ) -> Result<(), BenchError> {
        let before = self.bare.usage()?;
        self.bare.go_round(rounds).await?;
        times.bare.push(self.bare.usage()?.since(before).micros_each(messages));
        let before = self.bare_function.usage()?;
        floor::invoke(&mut self.bare_function, rounds).await?;
        times.bare_function.push(self.bare_function.usage()?.since(before).micros_each(messages));
        Ok(())
    }
}

async fn of_single(profile: Profile, effort: Effort) -> Result<Times, BenchError> {
    let stub = Stub::start().await?;
    stub.with_table(crate::stub::Table::can);
    let mut function = ingest(&stub, profile).await?;
    let payload = payload(PAYLOAD_BYTES);
    post(&mut function, &fresh_ids(1)[0], &payload).await?;
    stub.capture();
    post(&mut function, &fresh_ids(1)[0], &payload).await?;
    let mut floors = Floors::start(&stub, &stub.captured()).await?;
    let mut times = Times::default();
    // The first round is thrown away: it warms everybody up.
    for _ in 0..=effort.repeats {
        let before = function.usage()?;
        for id in fresh_ids(effort.messages) {
            post(&mut function, &id, &payload).await?;
        }
        let used = function.usage()?.since(before);
        times.relay.push(used.micros_each(effort.messages));
        times.system_shares.push(used.system_share());
        floors.measure(&mut times, effort.messages, effort.messages).await?;
        let _ = stub.take_sent();
    }
    times.forget_first();
    Ok(times)
}

async fn of_bulk(effort: Effort) -> Result<Times, BenchError> {
    let stub = Stub::start().await?;
    stub.with_table(crate::stub::Table::can);
    let mut function = ingest(&stub, Profile::Lean).await?;
    let payload = payload(PAYLOAD_BYTES);
    post_all(&mut function, &fresh_ids(BULK), &payload).await?;
    stub.capture();
    post_all(&mut function, &fresh_ids(BULK), &payload).await?;
    let mut floors = Floors::start(&stub, &stub.captured()).await?;
    let rounds = (effort.messages / 10).max(10);
    let messages = rounds * BULK;
    let mut times = Times::default();
    for _ in 0..=effort.repeats {
        let before = function.usage()?;
        for _ in 0..rounds {
            post_all(&mut function, &fresh_ids(BULK), &payload).await?;
        }
        let used = function.usage()?.since(before);
        times.relay.push(used.micros_each(messages));
        times.system_shares.push(used.system_share());
        floors.measure(&mut times, rounds, messages).await?;
        let _ = stub.take_sent();
    }
    times.forget_first();
    Ok(times)
}

impl Times {
    fn forget_first(&mut self) {
        for times in
            [&mut self.relay, &mut self.bare, &mut self.bare_function, &mut self.system_shares]
        {
            times.remove(0);
        }
    }
}
