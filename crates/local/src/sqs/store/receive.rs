//! Receiving: the messages due, hidden from others for a while; those received too often go to
//! the dead-letter queue instead. No order is promised, but the longest due come first.

use rusqlite::{Row, params};

use super::messages::Receipt;
use super::{Queue, Store, queue_name_in};
use crate::sqs::digest::Attributes;
use crate::sqs::error::SqsError;
use crate::sqs::limits::{self, MILLIS};

/// What a receive asks of the store.
#[derive(Debug, Clone)]
pub(in crate::sqs) struct ReceiveRequest {
    pub(in crate::sqs) queue: String,
    pub(in crate::sqs) messages_max: usize,
    /// Seconds; the queue's own timeout if absent.
    pub(in crate::sqs) visibility_seconds: Option<i64>,
}

/// What a receive found.
#[derive(Debug, Clone, Default)]
pub(in crate::sqs) struct ReceiveOutcome {
    pub(in crate::sqs) messages: Vec<ReceivedMessage>,
    /// The queue may have no more messages in flight, so nothing was looked for.
    pub(in crate::sqs) is_over_limit: bool,
    /// When the next hidden or delayed message becomes visible, if nothing was found.
    pub(in crate::sqs) next_visible_at_millis: Option<i64>,
    /// The dead-letter queue, if messages were moved there.
    pub(in crate::sqs) redriven_to: Option<String>,
}

/// A message on its way to a receiver.
#[derive(Debug, Clone)]
pub(in crate::sqs) struct ReceivedMessage {
    row_id: i64,
    receipt: i64,
    pub(in crate::sqs) handle: String,
    pub(in crate::sqs) message_id: String,
    pub(in crate::sqs) body: String,
    pub(in crate::sqs) attributes: Attributes,
    pub(in crate::sqs) sender_id: String,
    pub(in crate::sqs) sent_at_millis: i64,
    pub(in crate::sqs) first_received_at_millis: i64,
    /// How often it was received, this receive included.
    pub(in crate::sqs) receive_count: i64,
    pub(in crate::sqs) group_id: Option<String>,
    pub(in crate::sqs) trace_header: Option<String>,
    pub(in crate::sqs) source_arn: Option<String>,
}

impl Store {
    /// Receives up to `messages_max` messages.
    pub(in crate::sqs) fn receive(
        &self,
        request: &ReceiveRequest,
        now_millis: i64,
    ) -> Result<ReceiveOutcome, SqsError> {
        let queue = self.queue(&request.queue)?;
        self.expire(&queue, now_millis)?;
        let room = limits::IN_FLIGHT_MESSAGES_MAX - self.in_flight(&queue.name, now_millis)?;
        let mut outcome = ReceiveOutcome::default();
        if room <= 0 {
            outcome.is_over_limit = true;
            return Ok(outcome);
        }
        let wanted = request.messages_max.min(usize::try_from(room).unwrap_or(usize::MAX));
        let visibility_seconds =
            request.visibility_seconds.unwrap_or(queue.attributes.visibility_timeout_seconds);
        let dead_letters = self.dead_letter_queue(&queue)?;
        let mut redrives = 0;
        while outcome.messages.len() < wanted && redrives < limits::REDRIVES_PER_RECEIVE_MAX {
            let due = self.due(&queue, wanted - outcome.messages.len(), now_millis)?;
            if due.is_empty() {
                break;
            }
            for message in due {
                match &dead_letters {
                    // `receive_count` already counts the receive under way.
                    Some((target, count_max)) if message.receive_count > *count_max => {
                        self.bury(&message, &queue, target, now_millis)?;
                        outcome.redriven_to = Some(target.clone());
                        redrives += 1;
                    }
                    _ => {
                        self.hide(&message, now_millis, visibility_seconds)?;
                        outcome.messages.push(message);
                    }
                }
            }
            if visibility_seconds == 0 {
                // What was just received is due again already; a second look would repeat it.
                break;
            }
        }
        if outcome.messages.is_empty() {
            outcome.next_visible_at_millis = self.next_visible_at(&queue.name, now_millis)?;
        }
        Ok(outcome)
    }

    fn in_flight(&self, queue: &str, now_millis: i64) -> Result<i64, SqsError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT count(*) FROM messages WHERE queue = ?1 AND visible_at > ?2 AND received = 1",
        )?;
        Ok(statement.query_row(params![queue, now_millis], |row| row.get(0))?)
    }

    fn next_visible_at(&self, queue: &str, now_millis: i64) -> Result<Option<i64>, SqsError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT min(visible_at) FROM messages WHERE queue = ?1 AND visible_at > ?2",
        )?;
        Ok(statement.query_row(params![queue, now_millis], |row| row.get(0))?)
    }

    /// Where the queue's exhausted messages go and after how many receives. A dead-letter queue
    /// that was deleted takes none: its messages go on being received.
    fn dead_letter_queue(&self, queue: &Queue) -> Result<Option<(String, i64)>, SqsError> {
        let Some(policy) = &queue.attributes.redrive else { return Ok(None) };
        let target = queue_name_in(&policy.dead_letter_target_arn);
        let exists = self.find_queue(target)?.is_some();
        Ok(exists.then(|| (target.to_owned(), policy.max_receive_count)))
    }

    fn due(
        &self,
        queue: &Queue,
        most: usize,
        now_millis: i64,
    ) -> Result<Vec<ReceivedMessage>, SqsError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, receipt, message_id, body, attributes, sender_id, sent_at,
                    coalesce(first_received_at, ?2), receive_count, group_id, trace_header,
                    source_arn
             FROM messages WHERE queue = ?1 AND visible_at <= ?2 ORDER BY visible_at, id LIMIT ?3",
        )?;
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let rows = statement
            .query_map(params![queue.name, now_millis, most], |row| message(row, &queue.name))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn hide(
        &self,
        message: &ReceivedMessage,
        now_millis: i64,
        visibility_seconds: i64,
    ) -> Result<(), SqsError> {
        self.connection
            .prepare_cached(
                "UPDATE messages SET visible_at = ?2, received = 1, received_at = ?3, receipt = ?4,
                                     receive_count = ?5, first_received_at = ?6
                 WHERE id = ?1",
            )?
            .execute(params![
                message.row_id,
                now_millis + visibility_seconds * MILLIS,
                now_millis,
                message.receipt,
                message.receive_count,
                message.first_received_at_millis,
            ])?;
        Ok(())
    }

    /// Moves a message to the dead-letter queue. It keeps its id, its age and its receive count.
    fn bury(
        &self,
        message: &ReceivedMessage,
        source: &Queue,
        target: &str,
        now_millis: i64,
    ) -> Result<(), SqsError> {
        self.connection
            .prepare_cached(
                "UPDATE messages SET queue = ?2, visible_at = ?3, received = 0, receipt = ?4,
                                     source_arn = ?5
                 WHERE id = ?1",
            )?
            .execute(params![
                message.row_id,
                target,
                now_millis,
                message.receipt,
                self.identity.arn(&source.name),
            ])?;
        Ok(())
    }
}

/// Reads a row as it will be after this receive.
fn message(row: &Row<'_>, queue: &str) -> rusqlite::Result<ReceivedMessage> {
    let (row_id, last_receipt): (i64, i64) = (row.get(0)?, row.get(1)?);
    let receive_count: i64 = row.get(8)?;
    let attributes: String = row.get(4)?;
    let receipt = last_receipt + 1;
    Ok(ReceivedMessage {
        row_id,
        receipt,
        handle: Receipt { row_id, receipt }.handle(queue),
        message_id: row.get(2)?,
        body: row.get(3)?,
        attributes: serde_json::from_str(&attributes).map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(
                4,
                rusqlite::types::Type::Text,
                Box::new(error),
            )
        })?,
        sender_id: row.get(5)?,
        sent_at_millis: row.get(6)?,
        first_received_at_millis: row.get(7)?,
        receive_count: receive_count + 1,
        group_id: row.get(9)?,
        trace_header: row.get(10)?,
        source_arn: row.get(11)?,
    })
}
