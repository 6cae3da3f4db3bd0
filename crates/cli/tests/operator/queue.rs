//! The delivery queue, looked into past the relay.

use std::collections::BTreeMap;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::types::QueueAttributeName;

/// The queue of a relay on this machine.
pub(crate) struct Queue {
    client: Client,
    url: String,
}

impl Queue {
    /// The one that these variables name.
    pub(crate) fn of(variables: &BTreeMap<String, String>) -> Self {
        let variable = |name: &str| variables[name].clone();
        let (id, secret) = (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"));
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(variable("AWS_ENDPOINT_URL_SQS"))
            .region(Region::new(variable("AWS_REGION")))
            .credentials_provider(Credentials::new(id, secret, None, None, "env file"));
        Self { client: Client::from_conf(config.build()), url: variable("SQS_QUEUE_URL") }
    }

    /// Throws away what it holds.
    pub(crate) async fn purge(&self) {
        self.client.purge_queue().queue_url(&self.url).send().await.unwrap();
    }

    /// Whether it holds nothing, hidden or not.
    pub(crate) async fn is_empty(&self) -> bool {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        ];
        let request = self.client.get_queue_attributes().queue_url(&self.url);
        let answer = request.set_attribute_names(Some(names.to_vec())).send().await.unwrap();
        answer.attributes.unwrap().values().all(|count| count == "0")
    }
}
