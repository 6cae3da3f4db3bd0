//! The guard: under services that fail, lose answers and carry out but a part, nothing that was accepted is lost, and
//! no id is accepted twice. A client that is refused tries again, as a real one does.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

use super::{BATCH, Effort, bulk_summary, fresh_ids, ingest, status_of};
use crate::error::BenchError;
use crate::events::{self, Content, payload};
use crate::function::{Function, Program};
use crate::report::{Bar, Row};
use crate::settings::{Profile, variables};
use crate::stub::{Faults, Stub};
use crate::target::{Target, TargetOptions};

/// So many of a hundred calls fail.
const FAULT_PERCENT: u64 = 20;
/// Messages of a large request.
const BULK: usize = 25;
/// Tries of one message, after which the relay is taken to be stuck.
const TRIES_MAX: usize = 40;

/// What became of some messages.
struct Fate {
    lost: usize,
    twice: usize,
    tries: usize,
    messages: usize,
}

/// Losses and double acceptances.
pub async fn measure(effort: Effort) -> Vec<Row> {
    let count = effort.messages.min(300);
    let mut rows = Vec::new();
    for (what, fate) in [
        ("ingest, single, full", accept(Profile::Full, count, 1).await),
        ("ingest, bulk 25, lean", accept(Profile::Lean, count, BULK).await),
        ("worker, 10 at a time, lean", work(Profile::Lean, count).await),
        ("worker, 10 at a time, full", work(Profile::Full, count).await),
    ] {
        let row = |kind: &str| Row::new(0, format!("{kind}, {what}"), "0", Bar::AtMost(0.0));
        match fate {
            Ok(fate) => {
                let note = format!(
                    "{} messages, {} requests, {FAULT_PERCENT} % of calls fail",
                    fate.messages, fate.tries
                );
                rows.push(row("lost").counted(fate.lost as f64).noting(note));
                if what.starts_with("ingest") {
                    rows.push(row("accepted twice").counted(fate.twice as f64));
                }
            }
            Err(error) => rows.push(row("lost").noting(error.to_string())),
        }
    }
    rows
}

async fn accept(profile: Profile, count: usize, bulk: usize) -> Result<Fate, BenchError> {
    let stub = Stub::start().await?;
    let mut function = ingest(&stub, profile).await?;
    stub.set_faults(Faults::percent(FAULT_PERCENT, 7));
    let payload = payload(256);
    let (mut tries, mut messages, mut known) = (0, 0, BTreeSet::new());
    while messages < count {
        let mut open = fresh_ids(bulk);
        messages += bulk;
        for _ in 0..TRIES_MAX {
            tries += 1;
            open = post_open(&mut function, open, &payload, &mut known).await?;
            if open.is_empty() {
                break;
            }
        }
        if !open.is_empty() {
            return Err(BenchError::Unexpected(format!("{} was never accepted", open[0])));
        }
    }
    let mut queued: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for text in stub.take_sent() {
        let sent: Sent = serde_json::from_str(&text)
            .map_err(|error| BenchError::Unexpected(format!("a queue message: {error}")))?;
        queued.entry(sent.message_id).or_default().insert(sent.accepted_id);
    }
    let lost = known.iter().filter(|id| !queued.contains_key(*id)).count();
    let twice = queued.values().filter(|acceptances| acceptances.len() > 1).count();
    let inserted =
        stub.with_table(|table| table.inserted().values().filter(|all| all.len() > 1).count());
    Ok(Fate { lost, twice: twice + inserted, tries, messages })
}

/// What a queue message says of itself. Its body, which may be any JSON, is passed by.
#[derive(Deserialize)]
struct Sent {
    #[serde(rename = "messageId")]
    message_id: String,
    accepted_id: String,
}

/// Posts messages; those that were not accepted.
async fn post_open(
    function: &mut Function,
    ids: Vec<String>,
    payload: &str,
    known: &mut BTreeSet<String>,
) -> Result<Vec<String>, BenchError> {
    let is_taken: Vec<bool> = if let [id] = ids.as_slice() {
        let answer = function.invoke(events::single(id, super::FAR_TARGET, payload)).await?;
        vec![matches!(status_of(&answer), Some(200 | 202))]
    } else {
        let answer = function.invoke(events::bulk(&ids, super::FAR_TARGET, payload)).await?;
        let summary = bulk_summary(&answer).ok_or_else(|| BenchError::wrong("ingest", &answer))?;
        let results = summary["results"].as_array().cloned().unwrap_or_default();
        results.iter().map(|one| matches!(one["status"].as_u64(), Some(200 | 202))).collect()
    };
    if is_taken.len() != ids.len() {
        return Err(BenchError::Unexpected("an answer has not one result for each".to_owned()));
    }
    let mut open = Vec::new();
    for (id, is_taken) in ids.into_iter().zip(is_taken) {
        if is_taken {
            known.insert(id);
        } else {
            open.push(id);
        }
    }
    Ok(open)
}

/// Every item that is not acknowledged comes again; whatever is acknowledged has to have arrived.
async fn work(profile: Profile, count: usize) -> Result<Fate, BenchError> {
    let stub = Stub::start().await?;
    let target = Target::start(TargetOptions::default()).await?;
    let mut function =
        Function::start(&Program::beside("worker"), &variables(&stub, profile)).await?;
    stub.set_faults(Faults::percent(FAULT_PERCENT, 11));
    let content = Content::Inline(Bytes::from(payload(256)));
    let (mut tries, mut acknowledged) = (0, Vec::new());
    for _ in 0..count.div_ceil(BATCH) {
        let ids = fresh_ids(BATCH);
        let url = |id: &String| target.url(1, &format!("/hooks/{id}"));
        let envelopes: Result<Vec<_>, _> =
            ids.iter().map(|id| events::envelope(id, &url(id), &content)).collect();
        let mut open = envelopes?;
        for receipts in 1..=TRIES_MAX {
            tries += 1;
            let answer = function.invoke(events::batch_again(&open, receipts)).await?;
            let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
            let failures = answer["batchItemFailures"].as_array().cloned().unwrap_or_default();
            let failed: BTreeSet<usize> = failures
                .iter()
                .filter_map(|one| number_of(one["itemIdentifier"].as_str()?))
                .collect();
            open = open
                .into_iter()
                .enumerate()
                .filter(|(number, _)| failed.contains(number))
                .map(|(_, text)| text)
                .collect();
            if open.is_empty() {
                break;
            }
        }
        if !open.is_empty() {
            return Err(BenchError::Unexpected(format!("{} items were never done", open.len())));
        }
        acknowledged.extend(ids);
    }
    let arrived = target.seen.paths();
    let lost = acknowledged.iter().filter(|id| !arrived.contains(&format!("/hooks/{id}"))).count();
    Ok(Fate { lost, twice: 0, tries, messages: acknowledged.len() })
}

/// Which item of its batch an identifier names.
fn number_of(identifier: &str) -> Option<usize> {
    identifier.get(identifier.len().checked_sub(events::ITEM_DIGITS)?..)?.parse().ok()
}
