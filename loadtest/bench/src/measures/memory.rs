//! Measure 10: the most memory a worker has held, by the size of what it delivers.

use bytes::Bytes;
use relay_core::body::{Pointer, Sha256};
use relay_core::identity::{MessageId, RelayId, SenderId};

use super::{BATCH, Effort, deliver_all, fresh_ids};
use crate::error::BenchError;
use crate::events::{self, Content, SENDER, payload};
use crate::function::{Function, Program};
use crate::report::{Bar, Row};
use crate::settings::{Profile, variables};
use crate::stub::{Stub, Table};
use crate::target::{Target, TargetOptions};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
/// Largest payload that travels in the queue here, in bytes.
const INLINE_MAX: usize = 200 * KIB;

/// Peak memory.
pub async fn measure(effort: Effort) -> Vec<Row> {
    let largest = if effort.is_quick { 20 * MIB } else { 100 * MIB };
    let name = format!("{} MiB", largest / MIB);
    let mut rows = Vec::new();
    for (in_flight, bar) in [(1, 16.0), (BATCH, 64.0)] {
        let small = peak(KIB, in_flight).await;
        for (size, name) in [(INLINE_MAX, "200 KiB"), (5 * MIB, "5 MiB"), (largest, name.as_str())]
        {
            let what = format!("peak memory, {name} - 1 KiB, {in_flight} in flight, MiB");
            let bar = if size == largest { Bar::AtMost(bar) } else { Bar::None };
            let row = Row::new(10, what, "0", bar);
            rows.push(match (&small, peak(size, in_flight).await) {
                (Ok(small), Ok(large)) => row.counted(large - small).noting(format!(
                    "{large:.1} MiB in all, of the 256 MiB of the smallest function"
                )),
                (Err(error), _) => row.noting(error.to_string()),
                (_, Err(error)) => row.noting(error.to_string()),
            });
        }
        if in_flight == 1 {
            let row = Row::new(
                10,
                "peak memory after one delivery of 1 KiB, MiB",
                "-",
                Bar::AtMost(25.0),
            );
            rows.push(match small {
                Ok(small) => row.counted(small),
                Err(error) => row.noting(error.to_string()),
            });
        }
    }
    rows
}

/// MiB at most, of a process that has delivered one batch of so many messages of so many bytes, each to a host of its
/// own.
async fn peak(bytes: usize, in_flight: usize) -> Result<f64, BenchError> {
    let stub = Stub::start().await?;
    stub.with_table(Table::can);
    let hosts = u8::try_from(in_flight).unwrap_or(u8::MAX);
    let target = Target::start(TargetOptions { hosts, ..TargetOptions::default() }).await?;
    let settings = variables(&stub, Profile::Lean);
    let mut function = Function::start(&Program::beside("worker"), &settings).await?;
    let body = if bytes > INLINE_MAX { "x".repeat(bytes) } else { payload(bytes) };
    let (body, digest) = (Bytes::from(body.clone()), Sha256::of(body.as_bytes()));
    stub.set_object(body.clone());
    let mut envelopes = Vec::new();
    for (id, host) in fresh_ids(in_flight).iter().zip(1..) {
        let content = if bytes > INLINE_MAX {
            Content::Stored(pointer(id, digest, body.len())?)
        } else {
            Content::Inline(body.clone())
        };
        envelopes.push(events::envelope(id, &target.url(host, "/hooks"), &content)?);
    }
    deliver_all(&mut function, events::batch(&envelopes)).await?;
    let peak = function.peak_kibibytes()? as f64 / KIB as f64;
    function.end().await;
    Ok(peak)
}

fn pointer(id: &str, digest: Sha256, bytes: usize) -> Result<Pointer, BenchError> {
    let wrong = |_| BenchError::Unexpected(format!("{id} is no message id"));
    let sender = SenderId::parse(SENDER).map_err(|_| wrong(()))?;
    let message = MessageId::parse(id).map_err(|_| wrong(()))?;
    let id = RelayId::of(&sender, &message);
    Ok(Pointer::for_payload("bodies", &id, digest, bytes as u64))
}
