//! A whole run: send and break, stop breaking and wait, bring dead letters back and break again, wait,
//! judge.

use futures::{StreamExt, stream};
use relay_testkit::Chance;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::arguments::RunArguments;
use crate::audit::judge;
use crate::bench::{Bench, BenchError, BenchOptions, Way};
use crate::breaking::break_while;
use crate::bulk::packed;
use crate::client::{Client, Posted, Shown};
use crate::mix::{Kind, Message, Targets, message};
use crate::queues::QueuesError;
use crate::receiver::{Arrivals, Receiver};
use crate::report::Report;
use crate::settling::{compare_queues, settle};

/// Everything goes on to fail until so many of a hundred messages have reached their target.
const REACHED_PERCENT: usize = 90;
/// How often to look how many have.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Many attempts, close together: a killed worker takes one from each message it held, and messages to
/// sound targets are to be delivered all the same.
const SETTINGS: [(&str, &str); 4] = [
    ("RETRY_ATTEMPTS_MAX", "10"),
    ("RETRY_BASE_SECONDS", "0.3"),
    ("RETRY_FACTOR", "1.5"),
    ("RETRY_DELAY_SECONDS_MAX", "2"),
];
/// A run is shorter than the usual five minutes between two runs of the reconciler. An open breaker
/// would hold the messages to the failing targets back for the hours of the delivery deadline.
const PARAMETERS: [(&str, &str); 4] = [
    ("BatchSize", "10"),
    ("MaximumConcurrency", "6"),
    ("ReconcileSchedule", "rate(1 minute)"),
    ("BreakerFailuresMax", "0"),
];

/// Why a run came to no report.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// There is no relay to break.
    #[error(transparent)]
    Bench(#[from] BenchError),
    /// The queues cannot be looked at.
    #[error(transparent)]
    Queues(#[from] QueuesError),
    /// No HTTP client can be built, or the relay no longer answers.
    #[error("the relay cannot be spoken to")]
    Client(#[from] reqwest::Error),
}

/// A message and what its client knows of it.
pub(crate) struct Sent {
    pub(crate) message: Message,
    pub(crate) posted: Posted,
}

/// Does what the arguments say. `program` contains the functions; none for the one that runs now.
///
/// # Errors
/// When the relay does not start, or does not answer when nothing is broken.
pub async fn run(arguments: &RunArguments, program: Option<PathBuf>) -> Result<Report, RunError> {
    let arrivals = Arrivals::default();
    let start = || Receiver::start(arrivals.clone());
    let receivers = async { Ok([start().await?, start().await?, start().await?]) };
    let [sound, flaky, failing] = receivers.await.map_err(BenchError::Loopback)?;
    let targets =
        Targets { sound: sound.address(), flaky: flaky.address(), failing: failing.address() };
    let bench = Bench::start(BenchOptions {
        program,
        parameters: parameters(arguments),
        settings: owned(&SETTINGS),
        targets: vec![targets.sound, targets.flaky, targets.failing],
        way: Way::Faulty,
        shows_logs: arguments.logs,
    })
    .await?;
    let client = Client::of(bench.url(), bench.api_key().as_deref())?;
    let run = Run { arguments, bench, client, arrivals };
    let mut report = Report { seed: arguments.seed, ..Report::default() };
    say(&format!("everything breaks while {} messages are sent", arguments.messages));
    let sent = run.send(&targets, &mut report).await;
    let mut records: Vec<Option<Shown>> = vec![None; sent.len()];
    say("nothing breaks any more; waiting for the last message");
    let settling = Instant::now();
    settle(arguments, &run.client, &sent, &mut records).await?;
    report.settling_seconds = settling.elapsed().as_secs_f64();
    run.redrive(&sent, &mut records, &mut report).await;
    let settling = Instant::now();
    settle(arguments, &run.client, &sent, &mut records).await?;
    report.settling_seconds += settling.elapsed().as_secs_f64();
    say("comparing what was told, received, recorded and buried");
    run.judge_all(&sent, &records, &mut report).await?;
    run.bench.stop().await;
    Ok(report)
}

fn parameters(arguments: &RunArguments) -> BTreeMap<String, String> {
    let mut parameters = owned(&PARAMETERS);
    if arguments.lean {
        parameters.insert("StatusTracking".to_owned(), "lean".to_owned());
    }
    if arguments.unretained {
        parameters.insert("RetainBodies".to_owned(), "false".to_owned());
    }
    parameters
}

fn owned(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn is_dead(record: Option<&Shown>) -> bool {
    record.is_some_and(|record| record.status == "DEAD")
}

/// Tells whoever waits how far it is.
fn say(text: &str) {
    eprintln!("{text}");
}

/// What the steps of a run share.
struct Run<'a> {
    arguments: &'a RunArguments,
    bench: Bench,
    client: Client,
    arrivals: Arrivals,
}

impl Run<'_> {
    /// Sends everything, and waits until most of it has reached a target.
    async fn send(&self, targets: &Targets, report: &mut Report) -> Vec<Sent> {
        let (seed, count) = (self.arguments.seed, self.arguments.messages);
        let messages = (0..count).filter_map(|number| message(seed, number, targets));
        let sending = async {
            let started = Instant::now();
            let requests = packed(messages, usize::from(self.arguments.bulk));
            let sent: Vec<(Vec<Sent>, u32)> = stream::iter((0..).zip(requests))
                .map(|(number, messages): (u64, _)| async move {
                    let mut chance = Chance::seeded(seed.wrapping_add(number));
                    self.post(messages, &mut chance).await
                })
                .buffer_unordered(usize::from(self.arguments.concurrency))
                .collect()
                .await;
            let sending_seconds = started.elapsed().as_secs_f64();
            let count = sent.iter().map(|(sent, _)| sent.len()).sum();
            self.most_of(count, || self.arrivals.messages()).await;
            (sent, sending_seconds)
        };
        let (sent, sending_seconds) =
            break_while(self.arguments, &self.bench, report, sending).await;
        report.sending_seconds = sending_seconds;
        report.requests = sent.iter().map(|(_, requests)| u64::from(*requests)).sum();
        sent.into_iter().flat_map(|(sent, _)| sent).collect()
    }

    /// Sends what goes in one request. Says also how many requests it took.
    async fn post(&self, messages: Vec<Message>, chance: &mut Chance) -> (Vec<Sent>, u32) {
        let (posted, requests) = match messages.as_slice() {
            [message] if self.arguments.bulk == 1 => {
                let (posted, requests) = self.client.post(message, chance).await;
                (vec![posted], requests)
            }
            messages => self.client.post_all(messages, chance).await,
        };
        let sent = messages.into_iter().zip(posted);
        (sent.map(|(message, posted)| Sent { message, posted }).collect(), requests)
    }

    /// Lets the targets that were down recover, and sets the messages going again that died of it, while
    /// everything fails again. What is known of them is forgotten.
    async fn redrive(&self, sent: &[Sent], records: &mut [Option<Shown>], report: &mut Report) {
        let is_meant = |place: &usize| {
            sent[*place].message.kind == Kind::Down && is_dead(records[*place].as_ref())
        };
        let meant: Vec<usize> = (0..sent.len()).filter(is_meant).collect();
        self.arrivals.recover();
        say(&format!("everything breaks again while {} dead messages are redriven", meant.len()));
        let asking = async {
            stream::iter(meant.chunks(usize::from(self.arguments.bulk)))
                .for_each_concurrent(usize::from(self.arguments.concurrency), |some| async move {
                    let mut chance = Chance::seeded(self.arguments.seed);
                    let ids: Vec<&str> =
                        some.iter().map(|place| sent[*place].message.id.as_str()).collect();
                    // What a refusal means shows in the record.
                    match ids.as_slice() {
                        [id] if self.arguments.bulk == 1 => {
                            self.client.redrive(id, &mut chance).await;
                        }
                        ids => {
                            self.client.redrive_all(ids, &mut chance).await;
                        }
                    }
                })
                .await;
            let ids = || meant.iter().map(|place| &sent[*place].message.id);
            self.most_of(meant.len(), || ids().filter(|id| self.arrivals.has_taken(id)).count())
                .await;
        };
        break_while(self.arguments, &self.bench, report, asking).await;
        report.redriven = meant.len() as u64;
        for place in meant {
            records[place] = None;
        }
    }

    /// Waits until most of so many are counted, or the time is over.
    async fn most_of(&self, all: usize, counted: impl Fn() -> usize) {
        let end = Instant::now() + Duration::from_secs(self.arguments.settle_seconds);
        while counted() * 100 < all * REACHED_PERCENT && Instant::now() < end {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn judge_all(
        &self,
        sent: &[Sent],
        records: &[Option<Shown>],
        report: &mut Report,
    ) -> Result<(), RunError> {
        let mut ids_of_dead = BTreeSet::new();
        for (Sent { message, posted }, record) in sent.iter().zip(records) {
            let calls = self.arrivals.of(&message.id);
            let record = record.as_ref();
            report.target_calls += calls.len() as u64;
            report.add(
                message,
                posted,
                &judge(message, posted, record, &calls, self.arguments.lean),
            );
            report.redelivered += u64::from(
                record.is_some_and(|shown| shown.generation > 0 && shown.status == "DELIVERED"),
            );
            if is_dead(record) {
                ids_of_dead.insert(message.id.clone());
            }
        }
        compare_queues(self.arguments, &self.bench, &self.client, &ids_of_dead, report).await?;
        report.add_counts(&self.bench.faults().counts());
        Ok(())
    }
}
