//! The queue and the dead-letter queue on SQS. Receiving and deleting are the event source's business.

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

const SEND: &str = "sending to the queue";
const BURY: &str = "sending to the dead-letter queue";
const POSTPONE: &str = "postponing a queue item";

/// The queue and the dead-letter queue on SQS.
///
/// Calls `sqs:SendMessage` (queue; dead-letter queue if given), `sqs:ChangeMessageVisibility` and
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
            let header = MessageSystemAttributeValue::builder().data_type("String");
            let header = header.string_value(trace).build().map_err(|_| unbuilt(action))?;
            let name = MessageSystemAttributeNameForSends::AwsTraceHeader;
            call = call.message_system_attributes(name, header);
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
        let delay_seconds = whole_seconds(delay, DELAY_SECONDS_MAX);
        let mut attributes = envelope.attributes();
        if delay_seconds > 0 {
            // Nothing else tells the receiver a delay from a backlog.
            attributes.push((DELAY_ATTRIBUTE, delay_seconds.to_string()));
        }
        let letter = Letter {
            text: envelope.to_json(),
            attributes,
            delay_seconds: (delay_seconds > 0).then_some(delay_seconds),
            group_id: group_id(self.fairness, envelope),
            trace: envelope.trace.as_ref().and_then(Trace::xray),
            // Only what goes on waiting is sent with a delay.
            is_copy: delay_seconds > 0,
        };
        self.put(SEND, &self.queue_url, letter).await
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
        .data_type("String")
        .string_value(value)
        .build()
        .map_err(|_| unbuilt(action))
}

fn unbuilt(action: &'static str) -> PortError {
    failed(action, "an attribute could not be built")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use aws_sdk_sqs::config::Credentials;
    use bytes::Bytes;
    use relay_core::body::Body;
    use relay_core::destination::{Method, Target};
    use relay_core::headers::Headers;
    use relay_core::identity::{
        AcceptedId, CorrelationId, Generation, MessageId, RelayId, SenderId,
    };
    use relay_core::lifecycle::Life;
    use relay_core::time::Timestamp;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use crate::Endpoints;

    #[test]
    fn waits_are_never_cut_short_but_by_the_limit() {
        for (millis, seconds) in [(0, 0), (1, 1), (999, 1), (1000, 1), (1001, 2), (u64::MAX, 900)] {
            assert_eq!(whole_seconds(Duration::from_millis(millis), 900), seconds, "{millis}");
        }
    }

    fn envelope(target: &str) -> Envelope {
        let (sender, message) =
            (SenderId::parse("billing").unwrap(), MessageId::parse("1").unwrap());
        Envelope {
            id: RelayId::of(&sender, &message),
            sender_id: sender,
            message_id: message,
            life: Life {
                accepted_id: AcceptedId::from_random([1; 16]),
                generation: Generation(0),
                generation_started_at: Timestamp::from_millis(1),
                expires_at: Timestamp::from_millis(2),
            },
            target: Target::parse(target).unwrap(),
            method: Method::Post,
            headers: Headers::default(),
            correlation_id: CorrelationId::parse("c").unwrap(),
            trace: None,
            body: Body::Inline(Bytes::new()),
        }
    }

    /// How many tries a send with this delay makes at a service that has trouble.
    async fn tries(delay: Duration) -> usize {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let tries = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&tries);
        let service = tokio::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::SeqCst);
                let mut piece = [0; 16 * 1024];
                let _ = socket.read(&mut piece).await;
                let answer = "HTTP/1.1 503 Later\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
                let _ = socket.write_all(answer.as_bytes()).await;
            }
        });
        let credentials = Credentials::new("id", "key", None, None, "test");
        let loader = aws_config::defaults(aws_config::BehaviorVersion::latest())
            .region(aws_config::Region::new("eu-central-1"))
            .credentials_provider(credentials);
        let endpoints = Endpoints { sqs: Some(url.clone()), ..Endpoints::default() };
        let clients = Clients::load(loader, endpoints).await;
        let queue = SqsQueue::new(&clients, format!("{url}/1/queue"), None, Fairness::Off);
        let sent = queue.send(&envelope("https://example.com/"), delay).await;
        assert!(sent.is_err(), "{sent:?}");
        service.abort();
        tries.load(Ordering::SeqCst)
    }

    #[tokio::test]
    async fn f36_a_copy_is_sent_in_one_try_and_a_first_message_in_several() {
        assert_eq!(tries(Duration::from_secs(30)).await, 1);
        assert_eq!(tries(Duration::ZERO).await, 3);
    }

    #[test]
    fn group_ids_follow_the_setting_and_fit() {
        let near = envelope("https://example.com/hooks");
        assert_eq!(group_id(Fairness::Off, &near), None);
        assert_eq!(group_id(Fairness::Sender, &near).as_deref(), Some("billing"));
        let destination = group_id(Fairness::Destination, &near).unwrap();
        assert_eq!(destination, near.target.destination());
        let far = envelope(&format!("https://{}.example/", ["a".repeat(60).as_str(); 3].join(".")));
        let hashed = group_id(Fairness::Destination, &far).unwrap();
        assert!(hashed.len() <= GROUP_ID_CHARACTERS_MAX, "{hashed}");
    }
}
