//! The dead-letter queue for its readers, on the local queue service, by a clock that the suite turns.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::config::Credentials;
use relay_aws::{Endpoints, SqsLetters, SqsQueue};
use relay_core::ports::{Letters, Queue, Receipt};
use relay_core::settings::Fairness;
use relay_local::services::bind;
use relay_local::services::record::Recorder;
use relay_local::sqs::{SqsOptions, SqsServer};
use relay_testkit::conformance::letters;
use relay_testkit::{ManualClock, sample};

use crate::{actions, clients};

/// Receives of everything in the queue until the queue moves it: one that counts, and one that finds the
/// count reached.
const RECEIVES_UNTIL_MOVED: usize = 2;

struct Bench {
    server: SqsServer,
    recorder: Recorder,
    clock: ManualClock,
    raw: aws_sdk_sqs::Client,
    main: String,
    queue: SqsQueue,
    letters: SqsLetters,
}

impl Bench {
    async fn start() -> Self {
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
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(aws_sdk_sqs::config::BehaviorVersion::latest())
            .region(aws_sdk_sqs::config::Region::new("us-east-1"))
            .credentials_provider(Credentials::new("RAW", "secret", None, None, "test"))
            .endpoint_url(server.url())
            .build();
        let raw = aws_sdk_sqs::Client::from_conf(config);
        let dead = server.create_queue("dead", BTreeMap::new()).await.unwrap();
        let policy = format!(r#"{{"deadLetterTargetArn":"{}","maxReceiveCount":1}}"#, dead.arn);
        let policy = BTreeMap::from([("RedrivePolicy".to_owned(), policy)]);
        let main = server.create_queue("main", policy).await.unwrap().url;
        let endpoints = Endpoints { sqs: Some(server.url()), ..Endpoints::default() };
        let clients = clients(endpoints).await;
        let queue = SqsQueue::new(&clients, &main, Some(dead.url.clone()), Fairness::Off);
        let letters = SqsLetters::new(&clients, dead.url);
        Self { server, recorder, clock, raw, main, queue, letters }
    }
}

#[async_trait]
impl letters::Bench for Bench {
    fn letters(&self) -> &dyn Letters {
        &self.letters
    }

    fn queue(&self) -> &dyn Queue {
        &self.queue
    }

    async fn move_all(&self) {
        for _ in 0..RECEIVES_UNTIL_MOVED {
            let receive = self.raw.receive_message().queue_url(&self.main);
            receive.max_number_of_messages(10).visibility_timeout(0).send().await.unwrap();
        }
    }

    fn advance(&self, step: Duration) {
        self.clock.advance(step);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dead_letter_queue_keeps_the_contract() {
    letters::run_all(|_| async { Arc::new(Bench::start().await) as Arc<dyn letters::Bench> }).await;
}

#[tokio::test]
async fn reading_letters_calls_what_the_role_names() {
    let bench = Bench::start().await;
    bench.letters.receive(Duration::from_secs(1)).await.unwrap();
    // Whoever received it would name the receipt; a wrong one is called for all the same.
    let gone = [Receipt("gone".to_owned())];
    bench.letters.delete(&gone).await.unwrap();
    bench.letters.release(&gone).await.unwrap();
    let role = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:ReceiveMessage"];
    assert_eq!(actions(&bench.recorder), role);
    bench.server.shutdown().await;
}
