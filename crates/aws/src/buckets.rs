//! The shared buckets of rate limits on the table of messages.
//!
//! | attribute | type | what |
//! |---|---|---|
//! | `pk` | S | `BUCKET#` and the name of the bucket |
//! | `sk` | S | `BUCKET` |
//! | `full_at` | N | when the bucket is full again, in microseconds since 1970 |
//! | `expires_at` | N | when the item may be removed: a day after that, in seconds since 1970 |
//!
//! Tokens are mostly taken by one write: a bucket that is full is written as if it were new, to one that is not full the
//! cost is added, which many environments can do at once. Which of the two is tried first goes by what is remembered of
//! the bucket. Where neither does (the bucket has too little), what was found is computed with and replaced. A number
//! that cannot be read is a full bucket.
//!
//! Decides nothing: how much may be taken is for `relay_core::access` to say.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use relay_core::access::{FullAt, RateLimit, Taken, plain_addition, take, take_enough};
use relay_core::ports::{Buckets, PortError};
use relay_core::time::Timestamp;

use crate::Clients;
use crate::change::{Item, PARTITION, SORT, changed, number, text};
use crate::error::failed;

const TAKE: &str = "taking tokens of a rate limit";
const FULL_AT: &str = "full_at";
const EXPIRES_AT: &str = "expires_at";
/// How long a full bucket is kept. Clocks never differ by so much that a bucket could be missed before it is full.
const KEPT_SECONDS: u64 = 24 * 60 * 60;
const MICROS_PER_SECOND: u64 = 1_000_000;
/// How often an addition and, after it, a replacement are tried. Others have to be faster each time, and whenever one
/// of them succeeds the bucket has left the states in which an addition does not do, or is empty.
const ROUNDS_MAX: usize = 4;
/// Buckets of which something is remembered, some hundred bytes each. When there are more, all are forgotten: that costs
/// each that is not full one call.
const SEEN_MAX: usize = 10_000;

/// The shared buckets in one DynamoDB table. Copies remember together.
///
/// Calls `dynamodb:UpdateItem` on the table: once for a bucket that is as it is expected to be and has enough, twice
/// otherwise, and more often only if others write the same bucket meanwhile.
#[derive(Debug, Clone)]
pub struct DynamoBuckets {
    client: Client,
    table: String,
    seen: Arc<Mutex<HashMap<String, Seen>>>,
}

/// What is remembered of a bucket. It decides which write is tried first, and nothing else.
#[derive(Debug, Clone, Copy)]
struct Seen {
    /// When it is full again if nobody else takes from it.
    full_at: FullAt,
    /// Whether it was not full when it should have been: others take from it too.
    is_shared: bool,
}

impl Default for Seen {
    /// One of which nothing is known is full: it is used for the first time, or again after a while.
    fn default() -> Self {
        Self { full_at: FullAt(0), is_shared: false }
    }
}

impl DynamoBuckets {
    /// The buckets in `table`.
    pub fn new(clients: &Clients, table: impl Into<String>) -> Self {
        Self { client: clients.dynamodb.clone(), table: table.into(), seen: Arc::default() }
    }

    /// Takes all that is wanted from a bucket that is full or was never written.
    async fn begin(
        &self,
        name: &str,
        limit: RateLimit,
        wanted: u32,
        now: Timestamp,
    ) -> Result<Result<Taken, Item>, PortError> {
        let taken = take(limit, None, wanted, now);
        let update = self
            .update(name, taken.full_at.0)
            .update_expression("SET #full_at = :after, #expires_at = :expires_at")
            .condition_expression("attribute_not_exists(#full_at) OR #full_at <= :now")
            .expression_attribute_values(":after", number(taken.full_at.0))
            .expression_attribute_values(":now", number(micros(now)));
        Ok(changed(TAKE, update).await?.map(|_| taken))
    }

    /// Takes all that is wanted by adding to the number, if the bucket is in the range in which that will do.
    async fn add(
        &self,
        name: &str,
        limit: RateLimit,
        wanted: u32,
        now: Timestamp,
    ) -> Result<Result<Taken, Item>, PortError> {
        let Some((lowest, highest, cost)) = plain_addition(limit, wanted, now) else {
            return Ok(Err(Item::new()));
        };
        let update = self
            .update(name, highest.0.saturating_add(cost))
            .update_expression("SET #full_at = #full_at + :cost, #expires_at = :expires_at")
            .condition_expression("#full_at BETWEEN :lowest AND :highest")
            .expression_attribute_values(":cost", number(cost))
            .expression_attribute_values(":lowest", number(lowest.0))
            .expression_attribute_values(":highest", number(highest.0))
            .return_values(ReturnValue::AllNew);
        let after = match changed(TAKE, update).await? {
            Ok(item) => full_at(&item).ok_or_else(|| failed(TAKE, "the answer has no number"))?,
            Err(found) => return Ok(Err(found)),
        };
        let before = FullAt(after.0.saturating_sub(cost));
        Ok(Ok(take(limit, Some(before), wanted, now)))
    }

    /// Writes what is left of a bucket in place of what was found; whether nobody was faster.
    async fn replace(&self, name: &str, found: &Item, after: FullAt) -> Result<bool, PortError> {
        let update = self
            .update(name, after.0)
            .update_expression("SET #full_at = :after, #expires_at = :expires_at")
            .expression_attribute_values(":after", number(after.0));
        let update = match found.get(FULL_AT) {
            None => update.condition_expression("attribute_not_exists(#full_at)"),
            Some(before) => update
                .condition_expression("#full_at = :before")
                .expression_attribute_values(":before", before.clone()),
        };
        Ok(changed(TAKE, update).await?.is_ok())
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<String, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers what was seen of a bucket, with what was taken.
    fn saw(&self, name: &str, seen: Seen, taken: Taken) -> Taken {
        remember(&mut self.seen(), name, Seen { full_at: taken.full_at, ..seen });
        taken
    }

    /// A change of a bucket that will be full at `full_at` at the latest.
    fn update(&self, name: &str, full_at: u64) -> UpdateItemFluentBuilder {
        let expires_at = full_at.div_ceil(MICROS_PER_SECOND).saturating_add(KEPT_SECONDS);
        self.client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(name)))
            .expression_attribute_names("#full_at", FULL_AT)
            .expression_attribute_names("#expires_at", EXPIRES_AT)
            .expression_attribute_values(":expires_at", number(expires_at))
    }
}

#[async_trait]
impl Buckets for DynamoBuckets {
    async fn take_enough(
        &self,
        name: &str,
        limit: RateLimit,
        enough: u32,
        wanted: u32,
        now: Timestamp,
    ) -> Result<Taken, PortError> {
        let wanted = wanted.max(enough);
        let mut seen = self.seen().get(name).copied().unwrap_or_default();
        let is_due = seen.full_at.0 <= micros(now);
        let mut found = None;
        if is_due && !seen.is_shared {
            match self.begin(name, limit, wanted, now).await? {
                Ok(taken) => return Ok(self.saw(name, seen, taken)),
                Err(item) => found = Some(item),
            }
        }
        seen.is_shared |= is_due;
        for _ in 0..ROUNDS_MAX {
            let item = match found.take().filter(|item| !can_add(item, limit, wanted, now)) {
                Some(item) => item,
                None => match self.add(name, limit, wanted, now).await? {
                    Ok(taken) => return Ok(self.saw(name, seen, taken)),
                    Err(item) => item,
                },
            };
            seen.is_shared &= full_at(&item).is_some_and(|full_at| full_at.0 > micros(now));
            let taken = take_enough(limit, full_at(&item), enough, wanted, now);
            if taken.granted == 0 || self.replace(name, &item, taken.full_at).await? {
                return Ok(self.saw(name, seen, taken));
            }
        }
        Err(failed(TAKE, "others were faster each time"))
    }
}

fn remember(all: &mut HashMap<String, Seen>, name: &str, seen: Seen) {
    if all.len() >= SEEN_MAX && !all.contains_key(name) {
        all.clear();
    }
    all.insert(name.to_owned(), seen);
}

fn micros(now: Timestamp) -> u64 {
    now.as_millis().saturating_mul(1000)
}

/// Whether an addition would do to what was found.
fn can_add(item: &Item, limit: RateLimit, wanted: u32, now: Timestamp) -> bool {
    let range = plain_addition(limit, wanted, now);
    full_at(item)
        .zip(range)
        .is_some_and(|(full_at, (lowest, highest, _))| (lowest..=highest).contains(&full_at))
}

fn key(name: &str) -> Item {
    HashMap::from([
        (PARTITION.to_owned(), text(format!("BUCKET#{name}"))),
        (SORT.to_owned(), text("BUCKET")),
    ])
}

fn full_at(item: &Item) -> Option<FullAt> {
    match item.get(FULL_AT) {
        Some(AttributeValue::N(digits)) => digits.parse().ok().map(FullAt),
        Some(_) | None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_remembered_than_so_many_buckets() {
        let mut all = HashMap::new();
        for number in 0..SEEN_MAX {
            remember(&mut all, &number.to_string(), Seen::default());
        }
        // One that is known displaces nobody.
        remember(&mut all, "7", Seen { full_at: FullAt(1), is_shared: true });
        assert_eq!(all.len(), SEEN_MAX);
        assert!(all.get("7").is_some_and(|seen| seen.is_shared));
        remember(&mut all, "one more", Seen::default());
        assert_eq!(all.len(), 1);
    }
}
