//! Message move tasks: dead letters on their way back. A task is a row, so it goes on after a
//! restart; it is done in steps, each a call of its own, so that other calls come between.

use rusqlite::{OptionalExtension, Row, params};

use super::{Queue, Store, queue_name_in, random_id};
use crate::sqs::error::SqsError;
use crate::sqs::limits;
use crate::sqs::message::{check_range, invalid};

/// What a caller asks to have moved.
#[derive(Debug, Clone)]
pub(in crate::sqs) struct NewMoveTask {
    pub(in crate::sqs) source_arn: String,
    /// The queue each message came from if absent.
    pub(in crate::sqs) destination_arn: Option<String>,
    /// As fast as it goes if absent.
    pub(in crate::sqs) moves_per_second: Option<i64>,
}

/// A task as it stands.
#[derive(Debug, Clone)]
pub(in crate::sqs) struct MoveTask {
    pub(in crate::sqs) handle: String,
    /// Name of the dead-letter queue.
    pub(in crate::sqs) source: String,
    pub(in crate::sqs) destination_arn: Option<String>,
    pub(in crate::sqs) moves_per_second: Option<i64>,
    /// `RUNNING`, `COMPLETED`, `CANCELLED` or `FAILED`.
    pub(in crate::sqs) status: String,
    pub(in crate::sqs) started_at_millis: i64,
    pub(in crate::sqs) moved: i64,
    pub(in crate::sqs) to_move: i64,
    pub(in crate::sqs) failure: Option<String>,
}

/// What one step of a task did.
#[derive(Debug, Clone, Default)]
pub(in crate::sqs) struct MoveStep {
    /// Names of the queues that got messages.
    pub(in crate::sqs) destinations: Vec<String>,
    pub(in crate::sqs) is_finished: bool,
}

pub(in crate::sqs) const RUNNING: &str = "RUNNING";
/// Amazon's word for a dead letter that was sent to its queue directly, rather than moved there by
/// a redrive policy: without a destination it cannot be moved back.
const SOURCE_UNKNOWN: &str = "CouldNotDetermineMessageSource";
const DESTINATION_GONE: &str = "AWS.SimpleQueueService.NonExistentQueue";

const COLUMNS: &str = "handle, source, destination_arn, moves_per_second, status, started_at, \
                       moved, to_move, failure";

impl Store {
    /// Starts a task; answers its handle.
    pub(in crate::sqs) fn start_move_task(
        &self,
        task: &NewMoveTask,
        now_millis: i64,
    ) -> Result<String, SqsError> {
        let source = queue_name_in(&task.source_arn);
        let not_found = |parameter: &str| {
            SqsError::ResourceNotFound(format!(
                "the resource that you specified for the {parameter} parameter does not exist"
            ))
        };
        if self.find_queue(source)?.is_none() {
            return Err(not_found("SourceArn"));
        }
        if self.sources_of(source)?.is_empty() {
            return Err(invalid("SourceArn", "the queue is no dead-letter queue of another"));
        }
        if let Some(arn) = &task.destination_arn
            && self.find_queue(queue_name_in(arn))?.is_none()
        {
            return Err(not_found("DestinationArn"));
        }
        if let Some(pace) = task.moves_per_second {
            let range = (1, limits::MOVES_PER_SECOND_MAX);
            check_range("MaxNumberOfMessagesPerSecond", pace, range)?;
        }
        if self.move_tasks(source, 1)?.iter().any(|latest| latest.status == RUNNING) {
            return Err(SqsError::InvalidParameterValue(format!(
                "there is already a task running for {}: only one at a time is allowed",
                task.source_arn
            )));
        }
        let (_, counts) = self.count(source, now_millis)?;
        let handle = random_id()?;
        self.connection.execute(
            "INSERT INTO move_tasks (handle, source, destination_arn, moves_per_second, status,
                                     started_at, to_move)
             VALUES (?1, ?2, ?3, ?4, 'RUNNING', ?5, ?6)",
            params![
                handle,
                source,
                task.destination_arn,
                task.moves_per_second,
                now_millis,
                counts.visible
            ],
        )?;
        Ok(handle)
    }

    /// The latest tasks of the queue named `source`, latest first.
    pub(in crate::sqs) fn move_tasks(
        &self,
        source: &str,
        most: i64,
    ) -> Result<Vec<MoveTask>, SqsError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM move_tasks WHERE source = ?1 ORDER BY id DESC LIMIT ?2"
        ))?;
        let tasks = statement.query_map(params![source, most], move_task)?;
        Ok(tasks.collect::<Result<_, _>>()?)
    }

    /// Handles and paces of the tasks to go on with after a restart.
    pub(in crate::sqs) fn running_move_tasks(&self) -> Result<Vec<MoveTask>, SqsError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM move_tasks WHERE status = 'RUNNING'"
        ))?;
        let tasks = statement.query_map([], move_task)?;
        Ok(tasks.collect::<Result<_, _>>()?)
    }

    /// Stops a running task; answers how many messages it had moved.
    pub(in crate::sqs) fn cancel_move_task(&self, handle: &str) -> Result<i64, SqsError> {
        let task = self
            .find_move_task(handle)?
            .ok_or_else(|| SqsError::ResourceNotFound("the task does not exist".to_owned()))?;
        if task.status != RUNNING {
            return Err(invalid("TaskHandle", "only active tasks can be cancelled"));
        }
        self.finish_move_task(handle, "CANCELLED", None)?;
        Ok(task.moved)
    }

    /// Moves up to `most` messages of a running task.
    pub(in crate::sqs) fn step_move_task(
        &self,
        handle: &str,
        most: i64,
        now_millis: i64,
    ) -> Result<MoveStep, SqsError> {
        let mut step = MoveStep { destinations: Vec::new(), is_finished: true };
        let task = self.find_move_task(handle)?.filter(|task| task.status == RUNNING);
        let Some(task) = task else { return Ok(step) };
        let Some(source) = self.find_queue(&task.source)? else {
            self.finish_move_task(handle, "FAILED", Some(DESTINATION_GONE))?;
            return Ok(step);
        };
        self.expire(&source, now_millis)?;
        let waiting = self.waiting(&source, most, now_millis)?;
        let found = i64::try_from(waiting.len()).unwrap_or(i64::MAX);
        for (row_id, source_arn) in waiting {
            let Some(arn) = task.destination_arn.as_ref().or(source_arn.as_ref()) else {
                self.finish_move_task(handle, "FAILED", Some(SOURCE_UNKNOWN))?;
                return Ok(step);
            };
            let target = queue_name_in(arn).to_owned();
            if self.find_queue(&target)?.is_none() {
                self.finish_move_task(handle, "FAILED", Some(DESTINATION_GONE))?;
                return Ok(step);
            }
            self.move_message(row_id, &target, now_millis)?;
            self.connection.execute(
                "UPDATE move_tasks SET moved = moved + 1 WHERE handle = ?1",
                params![handle],
            )?;
            if !step.destinations.contains(&target) {
                step.destinations.push(target);
            }
        }
        step.is_finished = found < most;
        if step.is_finished {
            self.finish_move_task(handle, "COMPLETED", None)?;
        }
        Ok(step)
    }

    fn find_move_task(&self, handle: &str) -> Result<Option<MoveTask>, SqsError> {
        let mut statement = self
            .connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM move_tasks WHERE handle = ?1"))?;
        Ok(statement.query_row(params![handle], move_task).optional()?)
    }

    fn finish_move_task(
        &self,
        handle: &str,
        status: &str,
        failure: Option<&str>,
    ) -> Result<(), SqsError> {
        self.connection.execute(
            "UPDATE move_tasks SET status = ?2, failure = ?3 WHERE handle = ?1",
            params![handle, status, failure],
        )?;
        Ok(())
    }

    fn waiting(
        &self,
        queue: &Queue,
        most: i64,
        now_millis: i64,
    ) -> Result<Vec<(i64, Option<String>)>, SqsError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, source_arn FROM messages WHERE queue = ?1 AND visible_at <= ?2
             ORDER BY visible_at, id LIMIT ?3",
        )?;
        let rows = statement.query_map(params![queue.name, now_millis, most], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// A moved message is a new one: new id, new age, never received.
    fn move_message(&self, row_id: i64, target: &str, now_millis: i64) -> Result<(), SqsError> {
        self.connection
            .prepare_cached(
                "UPDATE messages SET queue = ?2, message_id = ?3, sent_at = ?4, visible_at = ?4,
                                     received = 0, receipt = receipt + 1, receive_count = 0,
                                     first_received_at = NULL, source_arn = NULL
                 WHERE id = ?1",
            )?
            .execute(params![row_id, target, random_id()?, now_millis])?;
        Ok(())
    }
}

fn move_task(row: &Row<'_>) -> rusqlite::Result<MoveTask> {
    Ok(MoveTask {
        handle: row.get(0)?,
        source: row.get(1)?,
        destination_arn: row.get(2)?,
        moves_per_second: row.get(3)?,
        status: row.get(4)?,
        started_at_millis: row.get(5)?,
        moved: row.get(6)?,
        to_move: row.get(7)?,
        failure: row.get(8)?,
    })
}
