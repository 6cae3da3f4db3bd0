//! Queues: created, listed, set, counted, emptied, deleted.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, params};

use super::{Queue, Store, queue_name_in};
use crate::sqs::attributes::QueueAttributes;
use crate::sqs::error::SqsError;
use crate::sqs::limits::{self, MILLIS};

/// How many messages a queue holds, by what may happen to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sqs) struct QueueCounts {
    pub(in crate::sqs) visible: i64,
    pub(in crate::sqs) in_flight: i64,
    pub(in crate::sqs) delayed: i64,
}

impl Store {
    /// Creates the queue; an existing one must have every attribute asked for.
    pub(in crate::sqs) fn create_queue(
        &self,
        name: &str,
        asked: &BTreeMap<String, String>,
        now_millis: i64,
    ) -> Result<(), SqsError> {
        check_queue_name(name)?;
        let Some(queue) = self.find_queue(name)? else {
            let attributes = QueueAttributes::default().with(asked)?;
            return self.write_queue(name, &attributes, now_millis);
        };
        let wanted = queue.attributes.clone().with(asked)?;
        match queue.attributes.first_difference(&wanted) {
            None => Ok(()),
            Some(attribute) => Err(SqsError::QueueNameExists { queue: name.to_owned(), attribute }),
        }
    }

    /// Makes the queue have exactly `asked`, and defaults for the rest, whatever it had before.
    /// Answers the first attribute that changed, if the queue was there.
    pub(in crate::sqs) fn declare_queue(
        &self,
        name: &str,
        asked: &BTreeMap<String, String>,
        now_millis: i64,
    ) -> Result<Option<String>, SqsError> {
        check_queue_name(name)?;
        let wanted = QueueAttributes::default().with(asked)?;
        let Some(queue) = self.find_queue(name)? else {
            self.write_queue(name, &wanted, now_millis)?;
            return Ok(None);
        };
        let difference = queue.attributes.first_difference(&wanted);
        if difference.is_some() {
            self.write_queue(name, &wanted, now_millis)?;
        }
        Ok(difference)
    }

    /// Changes the attributes named in `changes`.
    pub(in crate::sqs) fn set_queue_attributes(
        &self,
        name: &str,
        changes: &BTreeMap<String, String>,
        now_millis: i64,
    ) -> Result<(), SqsError> {
        let attributes = self.queue(name)?.attributes.with(changes)?;
        self.write_queue(name, &attributes, now_millis)
    }

    fn write_queue(
        &self,
        name: &str,
        attributes: &QueueAttributes,
        now_millis: i64,
    ) -> Result<(), SqsError> {
        if let Some(policy) = &attributes.redrive {
            let target = queue_name_in(&policy.dead_letter_target_arn);
            if self.find_queue(target)?.is_none() {
                return Err(SqsError::InvalidParameterValue(format!(
                    "value for parameter RedrivePolicy is invalid: dead letter target {} does not \
                     exist",
                    policy.dead_letter_target_arn
                )));
            }
        }
        let text = serde_json::to_string(attributes)?;
        self.connection
            .prepare_cached(
                "INSERT INTO queues (name, attributes, created_at, modified_at)
                 VALUES (?1, ?2, ?3, ?3)
                 ON CONFLICT (name) DO UPDATE SET attributes = ?2, modified_at = ?3",
            )?
            .execute(params![name, text, now_millis])?;
        Ok(())
    }

    /// Names of queues that begin with `prefix` and follow `after`, in order, at most `most`.
    pub(in crate::sqs) fn list_queues(
        &self,
        prefix: &str,
        after: &str,
        most: i64,
    ) -> Result<Vec<String>, SqsError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT name FROM queues WHERE substr(name, 1, length(?1)) = ?1 AND name > ?2
             ORDER BY name LIMIT ?3",
        )?;
        let names = statement.query_map(params![prefix, after, most], |row| row.get(0))?;
        Ok(names.collect::<Result<_, _>>()?)
    }

    /// Names of the queues whose dead letters go to `name`.
    pub(in crate::sqs) fn sources_of(&self, name: &str) -> Result<Vec<String>, SqsError> {
        let mut sources = Vec::new();
        for source in self.list_queues("", "", limits::LIST_QUEUES_MAX)? {
            let policy = self.queue(&source)?.attributes.redrive;
            if policy.is_some_and(|p| queue_name_in(&p.dead_letter_target_arn) == name) {
                sources.push(source);
            }
        }
        Ok(sources)
    }

    /// The queue and how many messages it holds now.
    pub(in crate::sqs) fn count(
        &self,
        name: &str,
        now_millis: i64,
    ) -> Result<(Queue, QueueCounts), SqsError> {
        let queue = self.queue(name)?;
        self.expire(&queue, now_millis)?;
        let mut statement = self.connection.prepare_cached(
            "SELECT count(*) FILTER (WHERE visible_at <= ?2),
                    count(*) FILTER (WHERE visible_at > ?2 AND received = 1),
                    count(*) FILTER (WHERE visible_at > ?2 AND received = 0)
             FROM messages WHERE queue = ?1",
        )?;
        let counts = statement.query_row(params![name, now_millis], |row| {
            Ok(QueueCounts { visible: row.get(0)?, in_flight: row.get(1)?, delayed: row.get(2)? })
        })?;
        Ok((queue, counts))
    }

    /// When the oldest message was sent that was received at most `receives_max` times.
    pub(in crate::sqs) fn oldest(
        &self,
        name: &str,
        receives_max: i64,
    ) -> Result<Option<i64>, SqsError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT sent_at FROM messages WHERE queue = ?1 AND receive_count <= ?2
             ORDER BY sent_at LIMIT 1",
        )?;
        Ok(statement.query_row(params![name, receives_max], |row| row.get(0)).optional()?)
    }

    /// Deletes every message of the queue.
    pub(in crate::sqs) fn purge_queue(&self, name: &str, now_millis: i64) -> Result<(), SqsError> {
        let queue = self.queue(name)?;
        let interval_millis = limits::PURGE_INTERVAL_SECONDS * MILLIS;
        if queue.purged_at_millis.is_some_and(|purged| now_millis < purged + interval_millis) {
            return Err(SqsError::PurgeQueueInProgress(name.to_owned()));
        }
        self.connection.execute("DELETE FROM messages WHERE queue = ?1", params![name])?;
        self.connection.execute(
            "UPDATE queues SET purged_at = ?2 WHERE name = ?1",
            params![name, now_millis],
        )?;
        Ok(())
    }

    /// Deletes the queue with its messages.
    pub(in crate::sqs) fn delete_queue(&self, name: &str) -> Result<(), SqsError> {
        self.queue(name)?;
        self.connection.execute("DELETE FROM messages WHERE queue = ?1", params![name])?;
        self.connection.execute("DELETE FROM queues WHERE name = ?1", params![name])?;
        Ok(())
    }
}

fn check_queue_name(name: &str) -> Result<(), SqsError> {
    if name.ends_with(".fifo") {
        return Err(SqsError::UnsupportedOperation("a FIFO queue".to_owned()));
    }
    let fits = (1..=limits::QUEUE_NAME_CHARACTERS_MAX).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if fits {
        return Ok(());
    }
    Err(SqsError::InvalidParameterValue(format!(
        "the queue name {name:?} is not 1 to {} letters, digits, hyphens or underscores",
        limits::QUEUE_NAME_CHARACTERS_MAX
    )))
}
