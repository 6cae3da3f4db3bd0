//! The queues and their messages in SQLite: all the SQL of the queue server, split by what it is
//! about. Synchronous, and told the time by its caller. Opens no transaction of its own: the
//! writer thread groups calls into transactions and commits them (see `writer`).
//!
//! A message is one row. `visible_at` says from when it may be received: the end of its delay, or
//! of the visibility timeout of its last receive; `received` tells the two apart. Each receive
//! raises `receipt`, so that an older receipt handle is known to be stale.

mod messages;
mod moves;
mod queues;
mod receive;

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};

pub(super) use self::moves::{MoveTask, NewMoveTask};
pub(super) use self::queues::QueueCounts;
pub(super) use self::receive::{ReceiveOutcome, ReceiveRequest, ReceivedMessage};
use super::attributes::QueueAttributes;
use super::error::SqsError;
use super::limits::MILLIS;

/// Times are milliseconds since the Unix epoch.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS queues (
        name TEXT PRIMARY KEY,
        attributes TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        modified_at INTEGER NOT NULL,
        purged_at INTEGER
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS messages (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        queue TEXT NOT NULL,
        message_id TEXT NOT NULL,
        sender_id TEXT NOT NULL,
        sent_at INTEGER NOT NULL,
        visible_at INTEGER NOT NULL,
        received INTEGER NOT NULL DEFAULT 0,
        received_at INTEGER,
        receipt INTEGER NOT NULL DEFAULT 0,
        receive_count INTEGER NOT NULL DEFAULT 0,
        first_received_at INTEGER,
        source_arn TEXT,
        group_id TEXT,
        trace_header TEXT,
        attributes TEXT NOT NULL,
        body TEXT NOT NULL
    );
    CREATE INDEX IF NOT EXISTS messages_by_visibility ON messages (queue, visible_at, received);
    CREATE INDEX IF NOT EXISTS messages_by_age ON messages (queue, sent_at);
    CREATE TABLE IF NOT EXISTS move_tasks (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        handle TEXT NOT NULL UNIQUE,
        source TEXT NOT NULL,
        destination_arn TEXT,
        moves_per_second INTEGER,
        status TEXT NOT NULL,
        started_at INTEGER NOT NULL,
        moved INTEGER NOT NULL DEFAULT 0,
        to_move INTEGER NOT NULL,
        failure TEXT
    );
";

/// Whose queues these are: what ARNs and addresses are made of.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) region: String,
    pub(super) account: String,
}

impl Identity {
    pub(super) fn arn(&self, queue: &str) -> String {
        format!("arn:aws:sqs:{}:{}:{queue}", self.region, self.account)
    }
}

/// The name of the queue that an ARN or an address ends in. Addresses hold the port, which changes
/// between runs, so nothing but the name is ever compared or kept.
pub(super) fn queue_name_in(arn_or_url: &str) -> &str {
    arn_or_url.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or_default()
}

/// A queue as it is stored.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    pub(super) name: String,
    pub(super) attributes: QueueAttributes,
    pub(super) created_at_millis: i64,
    pub(super) modified_at_millis: i64,
    pub(super) purged_at_millis: Option<i64>,
}

/// The open database.
pub(super) struct Store {
    pub(super) connection: Connection,
    identity: Identity,
}

impl Store {
    /// Opens `path`, or a database in memory, and brings its tables into being.
    pub(super) fn open(path: Option<&Path>, identity: Identity) -> Result<Self, SqsError> {
        let connection = match path {
            Some(path) => Connection::open(path)?,
            None => Connection::open_in_memory()?,
        };
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // With a write-ahead log NORMAL loses nothing when the process dies, which is what the
        // local stack promises; a power cut may cost the last commits.
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.execute_batch(SCHEMA)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
        Ok(Self { connection, identity })
    }

    /// The queue of that name.
    pub(super) fn queue(&self, name: &str) -> Result<Queue, SqsError> {
        self.find_queue(name)?.ok_or_else(|| SqsError::QueueDoesNotExist(name.to_owned()))
    }

    fn find_queue(&self, name: &str) -> Result<Option<Queue>, SqsError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT attributes, created_at, modified_at, purged_at FROM queues WHERE name = ?1",
        )?;
        let row = statement
            .query_row(params![name], |row| {
                let attributes: String = row.get(0)?;
                Ok((attributes, row.get(1)?, row.get(2)?, row.get(3)?))
            })
            .optional()?;
        let Some((attributes, created_at_millis, modified_at_millis, purged_at_millis)) = row
        else {
            return Ok(None);
        };
        Ok(Some(Queue {
            name: name.to_owned(),
            attributes: serde_json::from_str(&attributes)
                .map_err(|error| SqsError::Store(format!("attributes of queue {name}: {error}")))?,
            created_at_millis,
            modified_at_millis,
            purged_at_millis,
        }))
    }

    /// Deletes what has outlived the queue's retention, hidden or not.
    fn expire(&self, queue: &Queue, now_millis: i64) -> Result<(), SqsError> {
        let oldest_kept = now_millis - queue.attributes.retention_seconds * MILLIS;
        self.connection
            .prepare_cached("DELETE FROM messages WHERE queue = ?1 AND sent_at <= ?2")?
            .execute(params![queue.name, oldest_kept])?;
        Ok(())
    }
}

/// More than the number of distinct statements here, so that each is prepared once.
const STATEMENTS_CACHED: usize = 64;

/// Sixteen random bytes in the form of a version 4 UUID.
pub(super) fn random_id() -> Result<String, SqsError> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| SqsError::Store(error.to_string()))?;
    bytes[6] = (bytes[6] & 0x0F) | 0x40;
    bytes[8] = (bytes[8] & 0x3F) | 0x80;
    let hex = data_encoding::HEXLOWER.encode(&bytes);
    Ok([&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-"))
}

#[cfg(test)]
mod tests;
