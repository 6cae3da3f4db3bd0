//! The queue and the dead-letter queue on SQS. Receiving and deleting are the event source's business.

mod batch;

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{
    MessageAttributeValue, MessageSystemAttributeNameForSends, MessageSystemAttributeValue,
    QueueAttributeName,
};
use aws_sdk_sqs::{Client, Config};
use relay_core::body::Sha256;
use relay_core::envelope::{DELAY_ATTRIBUTE, Envelope};
use relay_core::ports::{DeadLetter, PortError, Queue, Receipt};
use relay_core::settings::Fairness;
use relay_core::trace::Trace;

use crate::Clients;
use crate::error::{failed, unavailable};

/// The longest delay of a message that SQS takes, in seconds.
const DELAY_SECONDS_MAX: u64 = 900;
/// The longest that SQS hides a received message, in seconds.
pub(crate) const VISIBILITY_SECONDS_MAX: u64 = 43_200;
/// The longest message group id that SQS takes, in characters.
const GROUP_ID_CHARACTERS_MAX: usize = 128;

/// The type of every attribute here. SQS counts it beside name and value.
const STRING: &str = "String";

const SEND: &str = "sending to the queue";
const BURY: &str = "sending to the dead-letter queue";
const POSTPONE: &str = "postponing a queue item";

/// The queue and the dead-letter queue on SQS.
///
/// Calls `sqs:SendMessage`, which allows batches too (queue; dead-letter queue if given), `sqs:ChangeMessageVisibility` and
/// `sqs:GetQueueAttributes` (queue).
#[derive(Debug, Clone)]
pub struct SqsQueue {
    client: Client,
    queue_url: String,
    dead_letter_queue_url: Option<String>,
    fairness: Fairness,
}

impl SqsQueue {
    /// The queue at `queue_url`. Who never buries needs no dead-letter queue.
    pub fn new(
        clients: &Clients,
        queue_url: impl Into<String>,
        dead_letter_queue_url: Option<String>,
        fairness: Fairness,
    ) -> Self {
        Self {
            client: clients.sqs.clone(),
            queue_url: queue_url.into(),
            dead_letter_queue_url,
            fairness,
        }
    }

    /// What is sent of an envelope, at once.
    fn letter(&self, envelope: &Envelope) -> Letter {
        Letter {
            text: envelope.to_json(),
            attributes: envelope.attributes(),
            delay_seconds: None,
            group_id: group_id(self.fairness, envelope),
            trace: envelope.trace.as_ref().and_then(Trace::xray),
            is_copy: false,
        }
    }

    /// Puts a message into a queue.
    async fn put(
        &self,
        action: &'static str,
        queue_url: &str,
        letter: Letter,
    ) -> Result<(), PortError> {
        let mut call = self.client.send_message().queue_url(queue_url).message_body(letter.text);
        for (name, value) in letter.attributes {
            call = call.message_attributes(name, text_attribute(action, value)?);
        }
        if let Some(trace) = letter.trace {
            let name = MessageSystemAttributeNameForSends::AwsTraceHeader;
            call = call.message_system_attributes(name, trace_header(action, trace)?);
        }
        let call = call
            .set_delay_seconds(letter.delay_seconds)
            .set_message_group_id(letter.group_id)
            .customize();
        let call = if letter.is_copy {
            let once = RetryConfig::standard().with_max_attempts(1);
            call.config_override(Config::builder().retry_config(once))
        } else {
            call
        };
        call.send().await.map_err(|error| unavailable(action, &error))?;
        Ok(())
    }
}

struct Letter {
    text: String,
    attributes: Vec<(&'static str, String)>,
    delay_seconds: Option<i32>,
    group_id: Option<String>,
    /// For X-Ray, which ties the invocation that receives it to the request that sent it. Costs nothing of the
    /// message's size.
    trace: Option<String>,
    /// Whether the message it goes on for is still in the queue. A try whose answer is lost may have left one
    /// copy there; the next one would leave another, and both would go on.
    is_copy: bool,
}

#[async_trait]
impl Queue for SqsQueue {
    async fn send(&self, envelope: &Envelope, delay: Duration) -> Result<(), PortError> {
        let mut letter = self.letter(envelope);
        let delay_seconds = whole_seconds(delay, DELAY_SECONDS_MAX);
        if delay_seconds > 0 {
            // Nothing else tells the receiver a delay from a backlog.
            letter.attributes.push((DELAY_ATTRIBUTE, delay_seconds.to_string()));
            letter.delay_seconds = Some(delay_seconds);
            // Only what goes on waiting is sent with a delay.
            letter.is_copy = true;
        }
        self.put(SEND, &self.queue_url, letter).await
    }

    async fn send_all(&self, envelopes: &[Envelope]) -> Vec<Result<(), PortError>> {
        self.send_together(envelopes).await
    }

    async fn postpone(&self, receipt: &Receipt, wait: Duration) -> Result<(), PortError> {
        let answer = self
            .client
            .change_message_visibility()
            .queue_url(&self.queue_url)
            .receipt_handle(&receipt.0)
            .visibility_timeout(whole_seconds(wait, VISIBILITY_SECONDS_MAX))
            .send()
            .await;
        match answer {
            Ok(_) => Ok(()),
            Err(error) if is_no_longer_ours(&error) => {
                tracing::debug!(code = error.code(), "a queue item is no longer ours to postpone");
                Ok(())
            }
            Err(error) => Err(unavailable(POSTPONE, &error)),
        }
    }

    async fn bury(&self, letter: &DeadLetter) -> Result<(), PortError> {
        let Some(queue_url) = &self.dead_letter_queue_url else {
            return Err(failed(BURY, "no dead-letter queue was named"));
        };
        let letter = Letter {
            text: letter.text.clone(),
            attributes: letter.attributes.clone(),
            delay_seconds: None,
            group_id: None,
            trace: None,
            is_copy: false,
        };
        self.put(BURY, queue_url, letter).await
    }

    async fn ready(&self) -> Result<(), PortError> {
        self.client
            .get_queue_attributes()
            .queue_url(&self.queue_url)
            .attribute_names(QueueAttributeName::QueueArn)
            .send()
            .await
            .map_err(|error| unavailable("asking for the queue", &error))?;
        Ok(())
    }
}

/// Whether the item was deleted, received anew or hidden for its twelve hours. All three are no
/// failure: another copy is under way or comes by itself, and `not_before` in the record puts one
/// right that comes early. With queue and wait checked, SQS calls nothing else an invalid value here.
fn is_no_longer_ours<E, R>(error: &SdkError<E, R>) -> bool
where
    E: ProvideErrorMetadata,
{
    match error {
        SdkError::ServiceError(answer) => answer.err().code().is_some_and(names_a_lost_receipt),
        _ => false,
    }
}

/// Whether SQS says by this code that a receipt speaks for nothing any more.
pub(crate) fn names_a_lost_receipt(code: &str) -> bool {
    const CODES: [&str; 4] = [
        "MessageNotInflight",
        "AWS.SimpleQueueService.MessageNotInflight",
        "ReceiptHandleIsInvalid",
        "InvalidParameterValue",
    ];
    CODES.contains(&code)
}

/// The wait in whole seconds, never shorter than asked for unless that is beyond the limit.
pub(crate) fn whole_seconds(wait: Duration, seconds_max: u64) -> i32 {
    let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
    i32::try_from(seconds.min(seconds_max)).unwrap_or(i32::MAX)
}

/// What the queue shares its workers out by. A destination longer than SQS takes goes by its hash.
fn group_id(fairness: Fairness, envelope: &Envelope) -> Option<String> {
    match fairness {
        Fairness::Off => None,
        Fairness::Sender => Some(envelope.sender_id.to_string()),
        Fairness::Destination => {
            let destination = envelope.target.destination();
            let is_short = destination.len() <= GROUP_ID_CHARACTERS_MAX;
            Some(if is_short {
                destination
            } else {
                Sha256::of(destination.as_bytes()).to_string()
            })
        }
    }
}

fn text_attribute(action: &'static str, value: String) -> Result<MessageAttributeValue, PortError> {
    MessageAttributeValue::builder()
        .data_type(STRING)
        .string_value(value)
        .build()
        .map_err(|_| unbuilt(action))
}

fn trace_header(
    action: &'static str,
    trace: String,
) -> Result<MessageSystemAttributeValue, PortError> {
    MessageSystemAttributeValue::builder()
        .data_type(STRING)
        .string_value(trace)
        .build()
        .map_err(|_| unbuilt(action))
}

fn unbuilt(action: &'static str) -> PortError {
    failed(action, "an attribute could not be built")
}

#[cfg(test)]
mod tests;
