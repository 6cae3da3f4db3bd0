//! The two queues, as an operator sees them. It calls the local queue server past the proxy, and signs
//! nothing, which that server does not mind.

use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;

/// Counts the messages of a queue that somebody has.
const HIDDEN: &str = "ApproximateNumberOfMessagesNotVisible";
/// What counts all of them: those to be had, those that somebody has, those not due.
const ALL: [&str; 3] =
    ["ApproximateNumberOfMessages", HIDDEN, "ApproximateNumberOfMessagesDelayed"];
/// Most messages of one receive.
const RECEIVED_MAX: usize = 10;
/// How long what was looked at stays hidden: longer than looking at some thousands takes.
const LOOK_SECONDS: u32 = 30;
/// Receives that looking takes at most: a million dead letters, the most that a run could leave.
const RECEIVES_MAX: usize = 100_000;

/// Why the queues cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum QueuesError {
    /// The stack's file of variables cannot be read.
    #[error("the file of variables cannot be read")]
    Variables(#[source] std::io::Error),
    /// The queue server does not answer.
    #[error("the queue server does not answer")]
    Call(#[from] reqwest::Error),
    /// It answers something else.
    #[error("the answer to {0} is not understood")]
    Answer(&'static str),
}

/// The queues of one stack.
#[derive(Debug, Clone)]
pub struct Queues {
    http: reqwest::Client,
    endpoint: String,
    authorization: String,
    main: String,
    dead: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Received {
    #[serde(default)]
    messages: Vec<ReceivedMessage>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ReceivedMessage {
    body: String,
}

/// Whose a letter is. Its body, which may be any JSON, is passed by.
#[derive(Deserialize)]
struct Whose {
    id: String,
}

impl Queues {
    /// The queues that the file of variables names, which a stack writes.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn of(file: &Path) -> Result<Self, QueuesError> {
        let text = std::fs::read_to_string(file).map_err(QueuesError::Variables)?;
        let variable = |name: &str| {
            let prefix = format!("export {name}='");
            let line = text.lines().find_map(|line| line.strip_prefix(&prefix));
            line.and_then(|line| line.strip_suffix('\'')).unwrap_or_default().to_owned()
        };
        let key = variable("AWS_ACCESS_KEY_ID");
        Ok(Self {
            http: reqwest::Client::builder().no_proxy().build()?,
            endpoint: variable("AWS_ENDPOINT_URL_SQS"),
            authorization: format!("AWS4-HMAC-SHA256 Credential={key}/0/local/sqs/aws4_request"),
            main: variable("SQS_QUEUE_URL"),
            dead: variable("SQS_DLQ_URL"),
        })
    }

    /// How many messages the main queue holds, hidden ones included.
    ///
    /// # Errors
    /// When the queue server does not tell.
    pub async fn waiting(&self) -> Result<u64, QueuesError> {
        self.count(&self.main, &ALL).await
    }

    /// How many messages of the dead-letter queue somebody has at the moment.
    ///
    /// # Errors
    /// When the queue server does not tell.
    pub async fn dead_in_hand(&self) -> Result<u64, QueuesError> {
        self.count(&self.dead, &[HIDDEN]).await
    }

    async fn count(&self, queue: &str, names: &[&str]) -> Result<u64, QueuesError> {
        const CALL: &str = "GetQueueAttributes";
        let request = json!({ "QueueUrl": queue, "AttributeNames": names });
        let answer = self.call(CALL, &request).await?;
        let count = |name: &&str| answer["Attributes"][name].as_str()?.parse::<u64>().ok();
        let counts: Option<Vec<u64>> = names.iter().map(count).collect();
        Ok(counts.ok_or(QueuesError::Answer(CALL))?.iter().sum())
    }

    /// The relay's ids of all messages in the dead-letter queue that nobody has. They are hidden for a
    /// while from then on.
    ///
    /// # Errors
    /// When the queue server does not tell, or a message there is none of the relay's.
    pub async fn dead_letters(&self) -> Result<BTreeSet<String>, QueuesError> {
        const CALL: &str = "ReceiveMessage";
        let request = json!({
            "QueueUrl": self.dead,
            "MaxNumberOfMessages": RECEIVED_MAX,
            "VisibilityTimeout": LOOK_SECONDS,
        });
        let mut ids = BTreeSet::new();
        for _ in 0..RECEIVES_MAX {
            let answer = self.call(CALL, &request).await?;
            let received: Received =
                serde_json::from_value(answer).map_err(|_| QueuesError::Answer(CALL))?;
            if received.messages.is_empty() {
                break;
            }
            for message in received.messages {
                let whose: Whose =
                    serde_json::from_str(&message.body).map_err(|_| QueuesError::Answer(CALL))?;
                ids.insert(whose.id);
            }
        }
        Ok(ids)
    }

    async fn call(&self, operation: &str, request: &Value) -> Result<Value, reqwest::Error> {
        let call = self.http.post(&self.endpoint).header("authorization", &self.authorization);
        let call = call.header("x-amz-target", format!("AmazonSQS.{operation}"));
        let call = call.header("content-type", "application/x-amz-json-1.0");
        call.body(request.to_string()).send().await?.error_for_status()?.json().await
    }
}
