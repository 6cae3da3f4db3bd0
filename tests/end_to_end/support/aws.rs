//! The queues as an operator sees them: through the SDK, with the values of the file to source.

use std::collections::BTreeMap;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::types::{Message, MessageAttributeValue, QueueAttributeName};

use super::{SOON, Stack, until};

/// How long a message of the dead-letter queue stays hidden while all of them are read.
const LOOK_SECONDS: i32 = 20;
/// Most receives that reading them takes: the tests leave a few dozen there.
const RECEIVES_MAX: usize = 100;
/// Most messages that SQS hands out at once.
const RECEIVED_MAX: i32 = 10;

/// A message of the dead-letter queue.
#[derive(Debug, Clone)]
pub(crate) struct DeadLetter {
    pub(crate) text: String,
    pub(crate) attributes: BTreeMap<String, String>,
}

/// The two queues of a stack.
pub(crate) struct Queues {
    client: Client,
    main: String,
    dead: String,
}

impl Queues {
    pub(crate) fn of(stack: &Stack) -> Self {
        let variable = |name: &str| stack.environment[name].clone();
        let (id, secret) = (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"));
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(variable("AWS_ENDPOINT_URL_SQS"))
            .region(Region::new(variable("AWS_REGION")))
            .credentials_provider(Credentials::new(id, secret, None, None, "env file"))
            .build();
        let client = Client::from_conf(config);
        Self { client, main: variable("SQS_QUEUE_URL"), dead: variable("SQS_DLQ_URL") }
    }

    /// Waits until the dead-letter queue holds a message with this attribute.
    pub(crate) async fn dead_letter(&self, name: &str, value: &str) -> DeadLetter {
        until("the dead letter", SOON, async || {
            let letters = self.dead_letters().await.into_iter();
            letters
                .into_iter()
                .find(|letter| letter.attributes.get(name).is_some_and(|found| found == value))
        })
        .await
    }

    /// Everything that is in the dead-letter queue and not hidden. It is put back as it was: a move task
    /// leaves hidden messages where they are.
    async fn dead_letters(&self) -> Vec<DeadLetter> {
        let mut letters = Vec::new();
        let mut receipts = Vec::new();
        for _ in 0..RECEIVES_MAX {
            let request = self.client.receive_message().queue_url(&self.dead);
            let request = request.message_attribute_names("All").visibility_timeout(LOOK_SECONDS);
            let answer = request.max_number_of_messages(RECEIVED_MAX).send().await;
            let messages = answer.expect("the dead-letter queue is readable").messages;
            let Some(messages) = messages.filter(|messages| !messages.is_empty()) else { break };
            receipts.extend(messages.iter().filter_map(|message| message.receipt_handle.clone()));
            letters.extend(messages.into_iter().map(letter));
        }
        for receipt in receipts {
            let request = self.client.change_message_visibility().queue_url(&self.dead);
            let request = request.receipt_handle(receipt).visibility_timeout(0);
            request.send().await.expect("a message just received can be shown again");
        }
        letters
    }

    /// How many messages are in the dead-letter queue, hidden ones included.
    pub(crate) async fn dead_letter_count(&self) -> u64 {
        let mut count = 0;
        for name in [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ] {
            let found: u64 = self.attribute(&self.dead, name).await.parse().expect("a count");
            count += found;
        }
        count
    }

    /// Puts a text into the main queue.
    pub(crate) async fn send(&self, text: &str, attributes: &[(&str, &str)]) {
        let mut request = self.client.send_message().queue_url(&self.main).message_body(text);
        for (name, value) in attributes {
            let value = MessageAttributeValue::builder().data_type("String").string_value(*value);
            let value = value.build().expect("it has a type");
            request = request.message_attributes(*name, value);
        }
        request.send().await.expect("the queue takes a message");
    }

    /// Moves everything in the dead-letter queue to the main queue. The destination is named, because
    /// the queue knows where a message came from only if it moved it itself.
    pub(crate) async fn redrive(&self) {
        let arn = async |queue| self.attribute(queue, QueueAttributeName::QueueArn).await;
        let task = self.client.start_message_move_task().source_arn(arn(&self.dead).await);
        let task = task.destination_arn(arn(&self.main).await).send().await;
        task.expect("dead letters can be moved back");
    }

    /// Loses everything in the main queue, hidden or not.
    pub(crate) async fn purge(&self) {
        self.client.purge_queue().queue_url(&self.main).send().await.expect("it can be purged");
    }

    /// Loses everything in the dead-letter queue.
    pub(crate) async fn forget_dead_letters(&self) {
        self.client.purge_queue().queue_url(&self.dead).send().await.expect("it can be purged");
    }

    /// Waits until the main queue holds nothing, hidden or not: nothing more is to come.
    pub(crate) async fn drained(&self) {
        until("an empty queue", SOON, async || {
            let mut left = 0;
            for name in [
                QueueAttributeName::ApproximateNumberOfMessages,
                QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
                QueueAttributeName::ApproximateNumberOfMessagesDelayed,
            ] {
                let count: u64 = self.attribute(&self.main, name).await.parse().expect("a count");
                left += count;
            }
            (left == 0).then_some(())
        })
        .await;
    }

    /// How many messages are hidden in the main queue.
    pub(crate) async fn hidden(&self) -> u64 {
        let name = QueueAttributeName::ApproximateNumberOfMessagesNotVisible;
        self.attribute(&self.main, name).await.parse().expect("a count")
    }

    async fn attribute(&self, queue: &str, name: QueueAttributeName) -> String {
        let request = self.client.get_queue_attributes().queue_url(queue);
        let answer = request.attribute_names(name.clone()).send().await;
        let answer = answer.expect("the queue tells of itself");
        answer.attributes.and_then(|mut all| all.remove(&name)).expect("what was asked for")
    }
}

fn letter(message: Message) -> DeadLetter {
    let attributes = message.message_attributes.into_iter().flatten();
    let text = |(name, value): (String, MessageAttributeValue)| {
        (name, value.string_value.unwrap_or_default())
    };
    DeadLetter {
        text: message.body.unwrap_or_default(),
        attributes: attributes.map(text).collect(),
    }
}
