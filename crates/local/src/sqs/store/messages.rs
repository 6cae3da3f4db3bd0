//! Messages sent, deleted, and hidden for longer or shorter. Receiving is in `receive`.

use data_encoding::BASE64URL_NOPAD;
use rusqlite::{OptionalExtension, params};

use super::{Queue, Store, random_id};
use crate::sqs::error::SqsError;
use crate::sqs::limits::{self, MILLIS};
use crate::sqs::message::{NewMessage, invalid, too_long};

/// Which receive of which message a receipt handle stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Receipt {
    pub(super) row_id: i64,
    pub(super) receipt: i64,
}

impl Receipt {
    pub(super) fn handle(self, queue: &str) -> String {
        BASE64URL_NOPAD.encode(format!("{queue} {} {}", self.row_id, self.receipt).as_bytes())
    }

    fn parse(handle: &str, queue: &str) -> Result<Self, SqsError> {
        let parse = || {
            let bytes = BASE64URL_NOPAD.decode(handle.as_bytes()).ok()?;
            let text = String::from_utf8(bytes).ok()?;
            let mut parts = text.split(' ');
            let is_ours = parts.next()? == queue;
            let row_id = parts.next()?.parse().ok()?;
            let receipt = parts.next()?.parse().ok()?;
            is_ours.then_some(Self { row_id, receipt })
        };
        parse().ok_or(SqsError::ReceiptHandleIsInvalid)
    }
}

impl Store {
    /// Puts a message into the queue; answers its id.
    pub(in crate::sqs) fn send(
        &self,
        queue: &Queue,
        message: &NewMessage,
        now_millis: i64,
    ) -> Result<String, SqsError> {
        let bytes_max = queue.attributes.message_bytes_max;
        if i64::try_from(message.bytes).unwrap_or(i64::MAX) > bytes_max {
            return Err(too_long(bytes_max));
        }
        let delay_seconds = message.delay_seconds.unwrap_or(queue.attributes.delay_seconds);
        let message_id = random_id()?;
        let attributes = serde_json::to_string(&message.attributes)?;
        self.connection
            .prepare_cached(
                "INSERT INTO messages (queue, message_id, sender_id, sent_at, visible_at, group_id,
                                       trace_header, attributes, body)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?
            .execute(params![
                queue.name,
                message_id,
                message.sender_id,
                now_millis,
                now_millis + delay_seconds * MILLIS,
                message.group_id,
                message.trace_header,
                attributes,
                message.body,
            ])?;
        Ok(message_id)
    }

    /// Deletes the message the handle was received with, hidden or visible again. A handle older
    /// than the last receive deletes nothing and is no error, as the API reference of
    /// `DeleteMessage` has it: the message will be delivered once more.
    pub(in crate::sqs) fn delete_message(
        &self,
        queue: &Queue,
        handle: &str,
    ) -> Result<(), SqsError> {
        let receipt = Receipt::parse(handle, &queue.name)?;
        self.connection
            .prepare_cached("DELETE FROM messages WHERE id = ?1 AND queue = ?2 AND receipt = ?3")?
            .execute(params![receipt.row_id, queue.name, receipt.receipt])?;
        Ok(())
    }

    /// Makes every received message of the queue visible at once, and says how many there were.
    pub(in crate::sqs) fn release_received(
        &self,
        queue: &str,
        now_millis: i64,
    ) -> Result<usize, SqsError> {
        let released = self
            .connection
            .prepare_cached(
                "UPDATE messages SET visible_at = ?2
                 WHERE queue = ?1 AND received = 1 AND visible_at > ?2",
            )?
            .execute(params![queue, now_millis])?;
        Ok(released)
    }

    /// Hides a message in flight for `timeout_seconds` from now; zero makes it visible at once.
    /// In total a message stays hidden for at most twelve hours from its receipt.
    pub(in crate::sqs) fn change_visibility(
        &self,
        queue: &Queue,
        handle: &str,
        timeout_seconds: i64,
        now_millis: i64,
    ) -> Result<(), SqsError> {
        let wanted = Receipt::parse(handle, &queue.name)?;
        let row: Option<(i64, i64, i64)> = self
            .connection
            .prepare_cached(
                "SELECT receipt, visible_at, received_at FROM messages
                 WHERE id = ?1 AND queue = ?2 AND received = 1",
            )?
            .query_row(params![wanted.row_id, queue.name], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .optional()?;
        let Some((receipt, visible_at, received_at)) = row.filter(|row| row.0 == wanted.receipt)
        else {
            return Err(invalid(
                "ReceiptHandle",
                "message does not exist or is not available for visibility timeout change",
            ));
        };
        if visible_at <= now_millis {
            return Err(SqsError::MessageNotInflight);
        }
        let hidden_until = now_millis + timeout_seconds * MILLIS;
        if hidden_until > received_at + limits::VISIBILITY_SECONDS_MAX * MILLIS {
            return Err(SqsError::InvalidParameterValue(format!(
                "value {timeout_seconds} for parameter VisibilityTimeout is invalid: total \
                 visibility timeout for the message is beyond the limit [{} seconds]",
                limits::VISIBILITY_SECONDS_MAX
            )));
        }
        self.connection
            .prepare_cached("UPDATE messages SET visible_at = ?3 WHERE id = ?1 AND receipt = ?2")?
            .execute(params![wanted.row_id, receipt, hidden_until])?;
        Ok(())
    }
}
