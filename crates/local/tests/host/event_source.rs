//! Messages from a real queue through the function: what is deleted and what stays.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::types::QueueAttributeName;
use relay_local::event_source::{EventSourceMapping, MappingError, MappingOptions, QueueAccess};
use relay_local::services::record::Recorder;
use relay_local::services::{SECRET_ACCESS_KEY, bind};
use relay_local::sqs::{SqsOptions, SqsServer, system_clock};
use relay_local::template::description::EventSource;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::function::{PATIENCE, start};

const KEY_ID: &str = "AKIALOCALTESTED";

struct Bench {
    server: SqsServer,
    recorder: Recorder,
    client: Client,
    url: String,
}

impl Bench {
    async fn new(visibility_seconds: u32) -> Self {
        let recorder = Recorder::default();
        let server = SqsServer::start(SqsOptions {
            listener: bind(0).await.unwrap(),
            database_path: None,
            region: "us-east-1".to_owned(),
            account: "000000000000".to_owned(),
            clock: system_clock(),
            recorder: recorder.clone(),
        })
        .await
        .unwrap();
        let timeout = ("VisibilityTimeout".to_owned(), visibility_seconds.to_string());
        let url = server.create_queue("jobs", BTreeMap::from([timeout])).await.unwrap().url;
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(server.url())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("sender", SECRET_ACCESS_KEY, None, None, "test"))
            .build();
        Self { server, recorder, client: Client::from_conf(config), url }
    }

    async fn map(&self, window: Duration) -> Result<EventSourceMapping, MappingError> {
        EventSourceMapping::start(MappingOptions {
            source: EventSource {
                function: "Tested".to_owned(),
                queue_arn: "arn:aws:sqs:us-east-1:000000000000:jobs".to_owned(),
                queue_name: "jobs".to_owned(),
                batch_size: 10,
                window,
                maximum_concurrency: None,
                report_batch_item_failures: true,
                is_enabled: true,
            },
            access: QueueAccess {
                endpoint: self.server.url(),
                queue_url: self.url.clone(),
                region: "us-east-1".to_owned(),
                access_key_id: KEY_ID.to_owned(),
                secret_access_key: SECRET_ACCESS_KEY.to_owned(),
            },
            function: Arc::new(start(10, 2).await.unwrap()),
            maximum_concurrency: 2,
        })
        .await
    }

    async fn send(&self, bodies: &[&str]) {
        for body in bodies {
            let send = self.client.send_message().queue_url(&self.url).message_body(*body);
            send.send().await.unwrap();
        }
    }

    /// Messages in the queue: waiting and hidden.
    async fn counts(&self) -> (u32, u32) {
        let request = self.client.get_queue_attributes().queue_url(&self.url);
        let answer = request.attribute_names(QueueAttributeName::All).send().await.unwrap();
        let attributes = answer.attributes.unwrap();
        let count = |name: QueueAttributeName| attributes[&name].parse().unwrap();
        (
            count(QueueAttributeName::ApproximateNumberOfMessages),
            count(QueueAttributeName::ApproximateNumberOfMessagesNotVisible),
        )
    }

    async fn wait_for_counts(&self, expected: (u32, u32)) {
        let began = Instant::now();
        loop {
            let counts = self.counts().await;
            if counts == expected {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{counts:?} instead of {expected:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn what_is_done_is_deleted_and_what_failed_stays_hidden() {
    let bench = Bench::new(600).await;
    bench.send(&["a", "fail", "b", "fail", "c"]).await;
    let mapping = bench.map(Duration::ZERO).await.unwrap();
    bench.wait_for_counts((0, 2)).await;
    mapping.stop().await;
    assert_eq!(bench.counts().await, (0, 2));
    let called: Vec<String> = bench
        .recorder
        .snapshot()
        .into_iter()
        .filter(|call| call.caller == KEY_ID)
        .map(|call| call.action)
        .collect();
    assert_eq!(called, ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]);
    bench.server.shutdown().await;
}

#[tokio::test]
async fn a_malformed_answer_or_a_crash_deletes_nothing() {
    for poison in ["nonsense", "abort"] {
        let bench = Bench::new(600).await;
        bench.send(&["a", poison, "b"]).await;
        let mapping = bench.map(Duration::ZERO).await.unwrap();
        bench.wait_for_counts((0, 3)).await;
        mapping.stop().await;
        assert_eq!(bench.counts().await, (0, 3), "{poison}");
        bench.server.shutdown().await;
    }
}

#[tokio::test]
async fn messages_of_an_unfinished_batch_go_back_when_the_stack_stops() {
    let bench = Bench::new(600).await;
    bench.send(&["a", "b"]).await;
    let mapping = bench.map(Duration::from_secs(60)).await.unwrap();
    bench.wait_for_counts((0, 2)).await;
    let began = Instant::now();
    mapping.stop().await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(bench.counts().await, (2, 0));
    bench.server.shutdown().await;
}

#[tokio::test]
async fn a_batch_waits_for_its_window_and_no_longer() {
    let bench = Bench::new(600).await;
    let mapping = bench.map(Duration::from_secs(1)).await.unwrap();
    bench.send(&["a"]).await;
    let began = Instant::now();
    bench.wait_for_counts((0, 1)).await;
    bench.wait_for_counts((0, 0)).await;
    let waited = began.elapsed();
    assert!((900..3_000).contains(&waited.as_millis()), "{waited:?}");
    mapping.stop().await;
    bench.server.shutdown().await;
}

#[tokio::test]
async fn a_queue_that_hides_messages_too_shortly_is_refused() {
    let bench = Bench::new(9).await;
    let error = bench.map(Duration::ZERO).await.err().unwrap();
    assert!(matches!(error, MappingError::VisibilityTooShort { .. }), "{error:?}");
    bench.server.shutdown().await;
}
