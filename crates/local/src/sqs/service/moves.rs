//! Operations on message move tasks, and the background work of a running one.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Service, required};
use crate::sqs::error::SqsError;
use crate::sqs::limits;
use crate::sqs::message::check_range;
use crate::sqs::protocol::{
    CancelMessageMoveTask, ListMessageMoveTasks, StartMessageMoveTask, move_task_answer,
};
use crate::sqs::store::{NewMoveTask, queue_name_in};

/// A task with a pace moves that many messages, then waits this long.
const PACE_INTERVAL: Duration = Duration::from_secs(1);

impl Service {
    pub(super) async fn start_move_task(
        self: &Arc<Self>,
        request: StartMessageMoveTask,
        caller: &str,
    ) -> Result<Value, SqsError> {
        let source_arn = required(request.source_arn, "SourceArn")?;
        self.record_move(caller, &source_arn, request.destination_arn.as_deref());
        let task = NewMoveTask {
            source_arn,
            destination_arn: request.destination_arn,
            moves_per_second: request.max_number_of_messages_per_second,
        };
        let pace = task.moves_per_second;
        let now = self.now_millis();
        let handle = self.writer.run(move |store| store.start_move_task(&task, now)).await?;
        self.run_move_task(handle.clone(), pace);
        Ok(json!({ "TaskHandle": handle }))
    }

    /// A caller of `StartMessageMoveTask` needs these permissions too (API reference).
    fn record_move(&self, caller: &str, source_arn: &str, destination_arn: Option<&str>) {
        let source = queue_name_in(source_arn);
        for action in [
            "sqs:StartMessageMoveTask",
            "sqs:ReceiveMessage",
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
        ] {
            self.recorder.record(caller, action, source);
        }
        if let Some(arn) = destination_arn {
            self.recorder.record(caller, "sqs:SendMessage", queue_name_in(arn));
        }
    }

    /// Moves on in the background until the task is finished or the server stops.
    pub(in crate::sqs) fn run_move_task(self: &Arc<Self>, handle: String, pace: Option<i64>) {
        let service = Arc::clone(self);
        let mut stopping = self.stopping.clone();
        tokio::spawn(async move {
            let most = pace.unwrap_or(limits::MOVES_PER_STEP);
            let interval = if pace.is_some() { PACE_INTERVAL } else { Duration::ZERO };
            while !*stopping.borrow_and_update() {
                let (task, now) = (handle.clone(), service.now_millis());
                let step =
                    service.writer.run(move |store| store.step_move_task(&task, most, now)).await;
                let step = match step {
                    Ok(step) => step,
                    Err(error) => {
                        tracing::error!(%error, handle, "a message move task stopped");
                        return;
                    }
                };
                for queue in &step.destinations {
                    service.announce(queue);
                }
                if step.is_finished {
                    return;
                }
                tokio::select! {
                    () = tokio::time::sleep(interval) => {}
                    _ = stopping.changed() => {}
                }
            }
        });
    }

    pub(super) async fn cancel_move_task(
        &self,
        request: CancelMessageMoveTask,
        caller: &str,
    ) -> Result<Value, SqsError> {
        let handle = required(request.task_handle, "TaskHandle")?;
        self.recorder.record(caller, "sqs:CancelMessageMoveTask", "*");
        let moved = self.writer.run(move |store| store.cancel_move_task(&handle)).await?;
        Ok(json!({ "ApproximateNumberOfMessagesMoved": moved }))
    }

    pub(super) async fn list_move_tasks(
        &self,
        request: ListMessageMoveTasks,
        caller: &str,
    ) -> Result<Value, SqsError> {
        let source_arn = required(request.source_arn, "SourceArn")?;
        let most = request.max_results.unwrap_or(1);
        check_range("MaxResults", most, (1, limits::LIST_MOVE_TASKS_MAX))?;
        let source = queue_name_in(&source_arn).to_owned();
        self.recorder.record(caller, "sqs:ListMessageMoveTasks", &source);
        let tasks = self
            .writer
            .run(move |store| {
                let missing =
                    |_| SqsError::ResourceNotFound("the source queue does not exist".to_owned());
                store.queue(&source).map_err(missing)?;
                store.move_tasks(&source, most)
            })
            .await?;
        let answers: Vec<Value> =
            tasks.iter().map(|task| move_task_answer(task, &source_arn)).collect();
        Ok(json!({ "Results": answers }))
    }
}
