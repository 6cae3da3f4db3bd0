//! The queue on the local queue service, by a clock that the suite turns.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::config::Credentials;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use relay_aws::{Endpoints, SqsQueue};
use relay_core::body::Body;
use relay_core::envelope::Envelope;
use relay_core::ports::{Queue, Receipt};
use relay_core::settings::Fairness;
use relay_core::trace::{Given, Trace};
use relay_local::services::bind;
use relay_local::services::record::Recorder;
use relay_local::sqs::{SqsOptions, SqsServer};
use relay_testkit::conformance::queue;
use relay_testkit::memory::Received;
use relay_testkit::{ManualClock, sample};

use crate::{actions, clients};

struct Bench {
    server: SqsServer,
    recorder: Recorder,
    clock: ManualClock,
    raw: aws_sdk_sqs::Client,
    urls: [String; 2],
    queue: SqsQueue,
}

impl Bench {
    async fn start(fairness: Fairness) -> Self {
        let (recorder, clock) = (Recorder::default(), ManualClock::starting_at(sample::START));
        let hands = clock.clone();
        let server = SqsServer::start(SqsOptions {
            listener: bind(0).await.unwrap(),
            database_path: None,
            region: "us-east-1".to_owned(),
            account: "000000000000".to_owned(),
            clock: Arc::new(move || i64::try_from(hands.now().as_millis()).unwrap()),
            recorder: recorder.clone(),
        });
        let server = server.await.unwrap();
        let dead = server.create_queue("dead", BTreeMap::new()).await.unwrap().url;
        let main = server.create_queue("main", BTreeMap::new()).await.unwrap().url;
        let endpoints = Endpoints { sqs: Some(server.url()), ..Endpoints::default() };
        let queue = SqsQueue::new(&clients(endpoints).await, &main, Some(dead.clone()), fairness);
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(aws_sdk_sqs::config::BehaviorVersion::latest())
            .region(aws_sdk_sqs::config::Region::new("us-east-1"))
            .credentials_provider(Credentials::new("RAW", "secret", None, None, "test"))
            .endpoint_url(server.url())
            .build();
        let raw = aws_sdk_sqs::Client::from_conf(config);
        Self { server, recorder, clock, raw, urls: [main, dead], queue }
    }

    async fn receive_from(&self, url: &str) -> Vec<Message> {
        let received = self
            .raw
            .receive_message()
            .queue_url(url)
            .max_number_of_messages(10)
            .visibility_timeout(i32::try_from(queue::VISIBILITY.as_secs()).unwrap())
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .send();
        received.await.unwrap().messages.unwrap_or_default()
    }
}

fn received(message: Message) -> Received {
    let count = MessageSystemAttributeName::ApproximateReceiveCount;
    let receives = message.attributes().and_then(|all| all.get(&count)).unwrap().parse().unwrap();
    let attributes = message.message_attributes.unwrap_or_default().into_iter();
    Received {
        text: message.body.unwrap(),
        attributes: attributes.map(|(name, value)| (name, value.string_value.unwrap())).collect(),
        receipt: Receipt(message.receipt_handle.unwrap()),
        receives,
    }
}

#[async_trait]
impl queue::Bench for Bench {
    fn queue(&self) -> &dyn Queue {
        &self.queue
    }

    async fn receive(&self) -> Vec<Received> {
        self.receive_from(&self.urls[0]).await.into_iter().map(received).collect()
    }

    async fn delete(&self, receipt: &Receipt) {
        let delete = self.raw.delete_message().queue_url(&self.urls[0]);
        delete.receipt_handle(&receipt.0).send().await.unwrap();
    }

    async fn receive_dead(&self) -> Vec<Received> {
        self.receive_from(&self.urls[1]).await.into_iter().map(received).collect()
    }

    fn advance(&self, step: Duration) {
        self.clock.advance(step);
    }
}

#[tokio::test]
async fn the_queue_keeps_the_contract() {
    queue::run_all(|_| async {
        Arc::new(Bench::start(Fairness::Off).await) as Arc<dyn queue::Bench>
    })
    .await;
}

#[tokio::test]
async fn messages_are_grouped_as_the_setting_says() {
    let message = sample::message("grouped", 1);
    let envelope = Envelope::of(&message, message.first_life(), Body::Inline("{}".into()));
    for (fairness, expected) in [
        (Fairness::Off, None),
        (Fairness::Sender, Some("test".to_owned())),
        (Fairness::Destination, Some(message.target.destination())),
    ] {
        let bench = Bench::start(fairness).await;
        bench.queue.send(&envelope, Duration::ZERO).await.unwrap();
        let message = bench.receive_from(&bench.urls[0]).await.pop().unwrap();
        let group = MessageSystemAttributeName::MessageGroupId;
        let group = message.attributes().and_then(|all| all.get(&group)).cloned();
        assert_eq!(group, expected, "{fairness:?}");
        bench.server.shutdown().await;
    }
}

#[tokio::test]
async fn the_trace_of_x_ray_goes_beside_the_message_if_there_is_one() {
    let bench = Bench::start(Fairness::Off).await;
    let message = sample::message("traced", 1);
    let envelope = Envelope::of(&message, message.first_life(), Body::Inline("{}".into()));
    let xray = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    let given = Given { xray: Some(xray), ..Given::default() };
    let traced = envelope.clone().traced(Trace::of_request(given, [7; 16]));
    let other = envelope.clone().traced(Trace::of_request(Given::default(), [7; 16]));
    for (sent, expected) in [(&traced, Some(xray)), (&other, None), (&envelope, None)] {
        bench.queue.send(sent, Duration::ZERO).await.unwrap();
        let received = bench.receive_from(&bench.urls[0]).await.pop().unwrap();
        let header = received.attributes().and_then(|all| {
            all.get(&MessageSystemAttributeName::AwsTraceHeader).map(String::as_str)
        });
        assert_eq!(header, expected);
    }
    bench.server.shutdown().await;
}

#[tokio::test]
async fn the_queue_calls_what_its_roles_name() {
    let bench = Bench::start(Fairness::Off).await;
    let message = sample::message("role", 1);
    let envelope = Envelope::of(&message, message.first_life(), Body::Inline("{}".into()));
    bench.queue.ready().await.unwrap();
    bench.queue.send(&envelope, Duration::ZERO).await.unwrap();
    // Whoever received it would name the receipt; a wrong one is called for all the same.
    bench.queue.postpone(&Receipt("gone".to_owned()), Duration::ZERO).await.unwrap();
    let called = actions(&bench.recorder);
    let roles = ["sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes", "sqs:SendMessage"];
    assert_eq!(called, roles);
    bench.server.shutdown().await;
}

#[tokio::test]
async fn a_missing_queue_is_reported_by_its_code() {
    let bench = Bench::start(Fairness::Off).await;
    let endpoints = Endpoints { sqs: Some(bench.server.url()), ..Endpoints::default() };
    let url = bench.urls[0].replace("main", "absent");
    let queue = SqsQueue::new(&clients(endpoints).await, url, None, Fairness::Off);
    let error = queue.ready().await.unwrap_err().to_string();
    assert!(error.contains("QueueDoesNotExist") || error.contains("NonExistentQueue"), "{error}");
    bench.server.shutdown().await;
}
