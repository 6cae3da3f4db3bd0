//! Message move tasks: dead letters on their way back.

use std::time::{Duration, Instant};

use aws_sdk_sqs::types::{ListMessageMoveTasksResultEntry, MessageSystemAttributeName};

use crate::harness::{Bench, code, system};

/// Bound on waiting for a task to end.
const TASK_TIMEOUT: Duration = Duration::from_secs(10);

/// A dead letter that the redrive policy moved; its id before.
async fn bury(bench: &Bench, url: &str, dead: &str, body: &str) -> String {
    let id = bench.send(url, body).await;
    let message = bench.receive_one(url).await;
    assert_eq!(bench.hide(url, &message, 0).await, "ok");
    assert!(bench.receive(url).await.is_empty());
    assert_ne!(bench.counts(dead).await[0], "0");
    id
}

async fn latest(bench: &Bench, source_arn: &str) -> ListMessageMoveTasksResultEntry {
    let tasks = bench.client.list_message_move_tasks().source_arn(source_arn).send().await;
    tasks.unwrap().results()[0].clone()
}

async fn finished(bench: &Bench, source_arn: &str) -> ListMessageMoveTasksResultEntry {
    let started = Instant::now();
    loop {
        let task = latest(bench, source_arn).await;
        if task.status() != Some("RUNNING") {
            return task;
        }
        assert!(started.elapsed() < TASK_TIMEOUT, "still {task:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn dead_letters_go_back_to_where_they_came_from() {
    let bench = Bench::start().await;
    let (url, dead) = bench.queue_with_dead_letters(1).await;
    let id = bury(&bench, &url, &dead, "back").await;
    let arn = bench.arn(&dead);
    let start = bench.client.start_message_move_task().source_arn(&arn).send();
    assert!(start.await.unwrap().task_handle.is_some());
    let task = finished(&bench, &arn).await;
    assert_eq!(task.status(), Some("COMPLETED"), "{task:?}");
    assert_eq!(task.approximate_number_of_messages_moved(), 1);
    assert_eq!(task.task_handle(), None);
    let message = bench.receive_one(&url).await;
    assert_eq!(message.body(), Some("back"));
    assert_ne!(message.message_id(), Some(&*id), "a redriven message is a new one");
    let count = system(&message, MessageSystemAttributeName::ApproximateReceiveCount);
    assert_eq!(count, Some("1"));
    assert_eq!(system(&message, MessageSystemAttributeName::DeadLetterQueueSourceArn), None);
}

#[tokio::test]
async fn a_letter_sent_to_the_dead_letter_queue_directly_needs_a_destination() {
    let bench = Bench::start().await;
    let (url, dead) = bench.queue_with_dead_letters(1).await;
    bench.send(&dead, "direct").await;
    let arn = bench.arn(&dead);
    bench.client.start_message_move_task().source_arn(&arn).send().await.unwrap();
    let task = finished(&bench, &arn).await;
    assert_eq!(task.status(), Some("FAILED"));
    assert_eq!(task.failure_reason(), Some("CouldNotDetermineMessageSource"));
    assert_eq!(bench.counts(&dead).await[0], "1");
    let start = bench.client.start_message_move_task().source_arn(&arn);
    start.destination_arn(bench.arn(&url)).send().await.unwrap();
    let task = finished(&bench, &arn).await;
    assert_eq!(task.status(), Some("COMPLETED"));
    assert_eq!(task.destination_arn(), Some(&*bench.arn(&url)));
    assert_eq!(bench.receive_one(&url).await.body(), Some("direct"));
}

#[tokio::test]
async fn a_task_has_a_pace_and_can_be_cancelled() {
    let bench = Bench::start().await;
    let (url, dead) = bench.queue_with_dead_letters(1).await;
    for number in 0..5 {
        bench.send(&dead, &number.to_string()).await;
    }
    let arn = bench.arn(&dead);
    let start = || {
        let start = bench.client.start_message_move_task().source_arn(&arn);
        start.destination_arn(bench.arn(&url)).max_number_of_messages_per_second(1).send()
    };
    let handle = start().await.unwrap().task_handle.unwrap();
    assert_eq!(code(&start().await), "InvalidParameterValue", "one at a time");
    assert_eq!(latest(&bench, &arn).await.task_handle(), Some(&*handle));
    let cancel = || bench.client.cancel_message_move_task().task_handle(&handle).send();
    let moved = cancel().await.unwrap().approximate_number_of_messages_moved();
    assert!(moved < 5, "{moved} moved at a pace of one a second");
    assert_eq!(finished(&bench, &arn).await.status(), Some("CANCELLED"));
    assert_eq!(code(&cancel().await), "InvalidParameterValue", "it is not active any more");
}

#[tokio::test]
async fn a_task_that_makes_no_sense_is_refused() {
    let bench = Bench::start().await;
    let (url, dead) = bench.queue_with_dead_letters(1).await;
    let start = |source: String| bench.client.start_message_move_task().source_arn(source);
    let not_a_dead_letter_queue = start(bench.arn(&url)).send().await;
    assert_eq!(code(&not_a_dead_letter_queue), "InvalidParameterValue");
    assert_eq!(code(&start(bench.arn("absent")).send().await), "ResourceNotFoundException");
    let absent = start(bench.arn(&dead)).destination_arn(bench.arn("absent")).send().await;
    assert_eq!(code(&absent), "ResourceNotFoundException");
    let hasty = start(bench.arn(&dead)).max_number_of_messages_per_second(501).send().await;
    assert_eq!(code(&hasty), "InvalidParameterValue");
    let cancel = bench.client.cancel_message_move_task().task_handle("absent").send().await;
    assert_eq!(code(&cancel), "ResourceNotFoundException");
}
