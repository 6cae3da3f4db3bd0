//! A queue server per test, or the one named by `SQS_CONFORMANCE_ENDPOINT`, and an SDK client.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::operation::receive_message::builders::ReceiveMessageFluentBuilder;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName, QueueAttributeName};

use relay_local::services::bind;
use relay_local::services::record::Recorder;
use relay_local::sqs::{SqsOptions, SqsServer, TurnableClock};

pub(crate) const CALLER: &str = "LOCALTEST";
/// Where the turnable clock starts: an arbitrary day in 2026, in milliseconds.
pub(crate) const START_MILLIS: i64 = 1_790_000_000_000;

const ENDPOINT_VARIABLE: &str = "SQS_CONFORMANCE_ENDPOINT";

/// A server and a client for it.
pub(crate) struct Bench {
    pub(crate) client: Client,
    pub(crate) own: Option<Own>,
    account: String,
}

/// What only our own server gives.
pub(crate) struct Own {
    pub(crate) server: SqsServer,
    pub(crate) clock: TurnableClock,
    pub(crate) recorder: Recorder,
}

impl Bench {
    /// Our own server in memory, or the other implementation.
    pub(crate) async fn start() -> Self {
        match std::env::var(ENDPOINT_VARIABLE) {
            Ok(endpoint) => {
                Self { client: client(&endpoint), own: None, account: "000000000000".to_owned() }
            }
            Err(_) => Self::start_own(None, TurnableClock::at(START_MILLIS)).await,
        }
    }

    /// Our own server, or `None`, said aloud, where the check cannot be made on another one.
    pub(crate) async fn start_own_or_skip(why: &str) -> Option<Self> {
        if std::env::var(ENDPOINT_VARIABLE).is_ok() {
            eprintln!("SKIPPED against {ENDPOINT_VARIABLE}: {why}");
            return None;
        }
        Some(Self::start_own(None, TurnableClock::at(START_MILLIS)).await)
    }

    /// Our own server on a database file.
    pub(crate) async fn start_own(database_path: Option<PathBuf>, clock: TurnableClock) -> Self {
        let recorder = Recorder::default();
        let account = "000000000000".to_owned();
        let server = SqsServer::start(SqsOptions {
            listener: bind(0).await.unwrap(),
            database_path,
            region: "us-east-1".to_owned(),
            account: account.clone(),
            clock: clock.clock(),
            recorder: recorder.clone(),
        })
        .await
        .unwrap();
        let client = client(&server.url());
        Self { client, own: Some(Own { server, clock, recorder }), account }
    }

    pub(crate) fn own(&self) -> &Own {
        self.own.as_ref().expect("started with start_own")
    }

    pub(crate) fn advance_seconds(&self, seconds: i64) {
        self.own().clock.advance_seconds(seconds);
    }

    pub(crate) fn arn(&self, url: &str) -> String {
        let name = url.rsplit('/').next().unwrap();
        format!("arn:aws:sqs:us-east-1:{}:{name}", self.account)
    }

    /// A fresh queue; its address.
    pub(crate) async fn queue(&self, attributes: &[(QueueAttributeName, &str)]) -> String {
        let mut call = self.client.create_queue().queue_name(fresh_name());
        for (name, value) in attributes {
            call = call.attributes(name.clone(), *value);
        }
        call.send().await.unwrap().queue_url.unwrap()
    }

    /// A queue and its dead-letter queue.
    pub(crate) async fn queue_with_dead_letters(&self, receive_count_max: u32) -> (String, String) {
        let dead = self.queue(&[]).await;
        let policy = serde_json::json!({
            "deadLetterTargetArn": self.arn(&dead),
            "maxReceiveCount": receive_count_max.to_string(),
        });
        let policy = policy.to_string();
        (self.queue(&[(QueueAttributeName::RedrivePolicy, &policy)]).await, dead)
    }

    pub(crate) async fn send(&self, url: &str, body: &str) -> String {
        let sent = self.client.send_message().queue_url(url).message_body(body).send().await;
        sent.unwrap().message_id.unwrap()
    }

    /// A receive of up to ten messages, with all attributes, that does not wait.
    pub(crate) fn receiving(&self, url: &str) -> ReceiveMessageFluentBuilder {
        self.client
            .receive_message()
            .queue_url(url)
            .max_number_of_messages(10)
            .wait_time_seconds(0)
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All)
    }

    pub(crate) async fn receive(&self, url: &str) -> Vec<Message> {
        self.receiving(url).send().await.unwrap().messages.unwrap_or_default()
    }

    /// The one message there is.
    pub(crate) async fn receive_one(&self, url: &str) -> Message {
        let mut messages = self.receive(url).await;
        assert_eq!(messages.len(), 1, "one message in {url}");
        messages.remove(0)
    }

    pub(crate) async fn delete(&self, url: &str, message: &Message) {
        let handle = message.receipt_handle().unwrap();
        let deleted = self.client.delete_message().queue_url(url).receipt_handle(handle).send();
        deleted.await.unwrap();
    }

    /// Result code of a visibility change; `ok` if there was no error.
    pub(crate) async fn hide(&self, url: &str, message: &Message, seconds: i32) -> String {
        let result = self
            .client
            .change_message_visibility()
            .queue_url(url)
            .receipt_handle(message.receipt_handle().unwrap())
            .visibility_timeout(seconds)
            .send()
            .await;
        code_or_ok(&result)
    }

    /// Visible, in flight and delayed messages.
    pub(crate) async fn counts(&self, url: &str) -> [String; 3] {
        let all = self.attributes(url).await;
        let suffixes = ["", "NotVisible", "Delayed"];
        suffixes.map(|suffix| all[&format!("ApproximateNumberOfMessages{suffix}")].clone())
    }

    pub(crate) async fn attributes(&self, url: &str) -> BTreeMap<String, String> {
        let answer = self
            .client
            .get_queue_attributes()
            .queue_url(url)
            .attribute_names(QueueAttributeName::All)
            .send()
            .await
            .unwrap();
        let attributes = answer.attributes.unwrap_or_default();
        attributes.into_iter().map(|(name, value)| (name.to_string(), value)).collect()
    }
}

/// A client without retries, so that each refusal is seen as it is given.
pub(crate) fn client(endpoint: &str) -> Client {
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(CALLER, "secret", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .endpoint_url(endpoint)
        .build();
    Client::from_conf(config)
}

pub(crate) fn fresh_name() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!("conformance-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::SeqCst))
}

/// The error code of a refused call.
pub(crate) fn code<T: Debug, E: ProvideErrorMetadata + Debug, R: Debug>(
    result: &Result<T, SdkError<E, R>>,
) -> String {
    match result {
        Ok(answer) => panic!("not refused: {answer:?}"),
        Err(error) => error.code().unwrap_or_else(|| panic!("no code in {error:?}")).to_owned(),
    }
}

pub(crate) fn code_or_ok<T: Debug, E: ProvideErrorMetadata + Debug, R: Debug>(
    result: &Result<T, SdkError<E, R>>,
) -> String {
    if result.is_ok() { "ok".to_owned() } else { code(result) }
}

pub(crate) fn system(message: &Message, name: MessageSystemAttributeName) -> Option<&str> {
    message.attributes()?.get(&name).map(String::as_str)
}
