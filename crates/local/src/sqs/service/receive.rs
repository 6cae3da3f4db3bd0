//! Receiving with long polling: look, and if there is nothing, sleep until something arrives,
//! becomes due, or the time is up.

use std::pin::pin;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::Service;
use crate::metrics::AwsMetric;
use crate::sqs::error::SqsError;
use crate::sqs::limits::{self, MILLIS};
use crate::sqs::message::check_range;
use crate::sqs::protocol::{ReceiveMessage, SYSTEM_ATTRIBUTE_NAMES, received_answer};
use crate::sqs::store::{ReceiveOutcome, ReceiveRequest};

impl Service {
    pub(super) async fn receive_message(
        &self,
        request: ReceiveMessage,
        caller: &str,
    ) -> Result<Value, SqsError> {
        let name = self.queue_at(request.queue_url.as_ref(), caller, "sqs:ReceiveMessage")?;
        let asked = check(&request, &name)?;
        let wait_seconds = self.wait_seconds(&request, &name).await?;
        let outcome = self.receive_until(asked, wait_seconds).await?;
        if outcome.is_over_limit && wait_seconds == 0 {
            return Err(SqsError::OverLimit);
        }
        let messages: Vec<Value> =
            outcome.messages.iter().map(|message| received_answer(message, &request)).collect();
        if messages.is_empty() {
            self.count(AwsMetric::SqsEmptyReceives, &name, 1);
            return Ok(json!({}));
        }
        self.count(AwsMetric::SqsReceived, &name, messages.len());
        Ok(json!({ "Messages": messages }))
    }

    async fn wait_seconds(&self, request: &ReceiveMessage, name: &str) -> Result<i64, SqsError> {
        if let Some(seconds) = request.wait_time_seconds {
            return Ok(seconds);
        }
        let name = name.to_owned();
        self.writer.run(move |store| Ok(store.queue(&name)?.attributes.wait_seconds)).await
    }

    async fn receive_until(
        &self,
        request: ReceiveRequest,
        wait_seconds: i64,
    ) -> Result<ReceiveOutcome, SqsError> {
        let wait = Duration::from_secs(u64::try_from(wait_seconds).unwrap_or_default());
        let deadline = Instant::now() + wait;
        let arrivals = self.arrivals_of(&request.queue);
        let mut stopping = self.stopping.clone();
        loop {
            // Listening begins before looking, so that nothing arrives unnoticed in between.
            let mut arrival = pin!(arrivals.notified());
            arrival.as_mut().enable();
            let (asked, now) = (request.clone(), self.now_millis());
            let outcome = self.writer.run(move |store| store.receive(&asked, now)).await?;
            if let Some(target) = &outcome.redriven_to {
                self.announce(target);
            }
            let is_over = Instant::now() >= deadline || *stopping.borrow_and_update();
            if !outcome.messages.is_empty() || is_over {
                return Ok(outcome);
            }
            let until_due = outcome
                .next_visible_at_millis
                .map_or(limits::RECHECK_MILLIS, |at| at - now)
                .clamp(1, limits::RECHECK_MILLIS);
            let nap = Duration::from_millis(u64::try_from(until_due).unwrap_or_default());
            tokio::select! {
                () = arrival => {}
                () = tokio::time::sleep_until(deadline.min(Instant::now() + nap)) => {}
                _ = stopping.changed() => {}
            }
        }
    }
}

fn check(request: &ReceiveMessage, queue: &str) -> Result<ReceiveRequest, SqsError> {
    let messages_max = request.max_number_of_messages.unwrap_or(1);
    check_range("MaxNumberOfMessages", messages_max, (1, limits::RECEIVE_MESSAGES_MAX))?;
    if let Some(seconds) = request.wait_time_seconds {
        check_range("WaitTimeSeconds", seconds, (0, limits::WAIT_SECONDS_MAX))?;
    }
    if let Some(seconds) = request.visibility_timeout {
        check_range("VisibilityTimeout", seconds, (0, limits::VISIBILITY_SECONDS_MAX))?;
    }
    let wanted = [&request.message_system_attribute_names, &request.attribute_names];
    let is_unknown = |name: &&String| !SYSTEM_ATTRIBUTE_NAMES.contains(&name.as_str());
    if let Some(unknown) = wanted.into_iter().flatten().flatten().find(is_unknown) {
        return Err(SqsError::InvalidAttributeName(unknown.clone()));
    }
    Ok(ReceiveRequest {
        queue: queue.to_owned(),
        messages_max: usize::try_from(messages_max).unwrap_or(1),
        visibility_seconds: request.visibility_timeout,
    })
}

const _: () = assert!(limits::RECHECK_MILLIS <= MILLIS, "a turned clock is noticed in a second");
