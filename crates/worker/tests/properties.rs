//! Whatever the queue hands out: every item of a batch is answered for once, garbage ends where an
//! operator finds it, and the good items beside it are delivered.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test fails by panicking, and its name says what it is about"
)]

#[path = "deliver/world.rs"]
#[allow(dead_code, reason = "the world has more in it than these tests need")]
mod world;

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use relay_core::envelope::{Envelope, EnvelopeError, VERSION, queue_takes};
use relay_core::identity::Generation;
use relay_core::lifecycle::Status;
use relay_core::ports::Receipt;
use relay_testkit::sample;
use relay_worker::{Item, SqsEvent, items_of};
use serde_json::{Value, json};

use crate::world::World;

/// Batches that are tried; each has a world of its own.
const BATCHES: u32 = 200;
/// Events that are tried.
const EVENTS: u32 = 2000;
/// Most items of a batch: what the event source hands out by default, and some more.
const ITEMS_MAX: usize = 12;
/// How long an invocation has.
const INVOCATION: Duration = Duration::from_secs(120);
/// What cases are drawn from, unless `PROPTEST_RNG_SEED` says otherwise: the same in every run.
const SEED: u64 = 20_261_121;

fn check<T: std::fmt::Debug>(
    cases: u32,
    strategy: impl Strategy<Value = T>,
    test: impl Fn(T) -> Result<(), TestCaseError>,
) {
    let given = Config::default();
    let cases = std::env::var_os("PROPTEST_CASES").map_or(cases, |_| given.cases);
    let rng_seed = match given.rng_seed {
        RngSeed::Random => RngSeed::Fixed(SEED),
        chosen @ RngSeed::Fixed(_) => chosen,
    };
    let config = Config { cases, rng_seed, failure_persistence: None, ..given };
    TestRunner::new(config).run(&strategy, test).unwrap();
}

/// Pieces put into a text, by which it means something else or nothing.
const PIECES: [&str; 17] = [
    "\"",
    "\\",
    "{",
    "}",
    ",",
    ":",
    "null",
    "-1",
    "1e999",
    "4294967296",
    "\\ud800",
    "\u{0}",
    "\"v\":1,",
    "\"bodyText\":\"\",",
    "\"bodyJson\":0,",
    "[[[[",
    "é",
];

#[derive(Debug, Clone)]
enum Change {
    Insert(usize, &'static str),
    Cut(usize, usize),
    Digit(usize, char),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<usize>(), prop::sample::select(PIECES.to_vec()))
            .prop_map(|(at, it)| Change::Insert(at, it)),
        (any::<usize>(), 1..30_usize).prop_map(|(at, span)| Change::Cut(at, span)),
        (any::<usize>(), "[0-9a-z]").prop_map(|(at, mut it)| Change::Digit(at, it.remove(0))),
    ]
}

fn apply(text: &str, changes: &[Change]) -> String {
    let mut text: Vec<char> = text.chars().collect();
    for change in changes {
        let length = text.len();
        match change {
            Change::Insert(at, piece) => {
                let at = at % (length + 1);
                text.splice(at..at, piece.chars());
            }
            Change::Cut(at, span) => {
                let at = at % (length + 1);
                text.drain(at..length.min(at + span));
            }
            Change::Digit(at, digit) if length > 0 => text[at % length] = *digit,
            Change::Digit(..) => {}
        }
    }
    text.into_iter().collect()
}

/// What an item of a batch is made of.
#[derive(Debug, Clone)]
enum Made {
    Good,
    Newer(u32),
    Changed(Vec<Change>),
    Garbage(String),
}

#[derive(Debug, Clone)]
struct Case {
    made: Made,
    receipts: u32,
    dead_letter: Option<u32>,
}

fn case() -> impl Strategy<Value = Case> {
    let made = prop_oneof![
        3 => Just(Made::Good),
        1 => (VERSION + 1..9).prop_map(Made::Newer),
        4 => vec(change(), 1..4).prop_map(Made::Changed),
        2 => "\\PC{0,40}|[{}\\[\\]\":,a-z0-9]{0,40}".prop_map(Made::Garbage),
    ];
    let receipts = prop_oneof![4 => 1..5_u32, 1 => 400..1000_u32];
    (made, receipts, prop::option::weighted(0.1, 0..3_u32))
        .prop_map(|(made, receipts, dead_letter)| Case { made, receipts, dead_letter })
}

/// What a queue can hand out: it took no other characters, and no empty text.
fn as_handed_out(text: String) -> String {
    let text: String = text.chars().filter(|character| queue_takes(*character)).collect();
    if text.is_empty() { "?".to_owned() } else { text }
}

/// The item of a case, its message accepted beforehand.
async fn item_of(world: &World, number: usize, case: &Case) -> Item {
    let envelope = world.accept(&sample::message(&format!("m{number}"), 1)).await;
    let good = envelope.to_json();
    let text = match &case.made {
        Made::Good => good,
        Made::Newer(version) => sample::of_version(&good, *version),
        Made::Changed(changes) => apply(&good, changes),
        Made::Garbage(text) => text.clone(),
    };
    let plain = matches!(case.made, Made::Good);
    Item {
        item_id: format!("item-{number}"),
        receipt: Receipt(format!("receipt-{number}")),
        text: as_handed_out(text).into(),
        receipts: case.receipts,
        available_at: None,
        is_delayed: false,
        dead_letter: case.dead_letter.filter(|_| !plain).map(Generation),
    }
}

async fn check_batch(cases: &[Case]) -> Result<(), TestCaseError> {
    let world = World::new();
    let mut items = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        items.push(item_of(&world, number, case).await);
    }
    let ends = world.clock.now().plus(INVOCATION);
    let answer = world.worker.deliver_batch(&items, ends).await;
    let failed: Vec<&str> = answer.failed().collect();
    let distinct: BTreeSet<&str> = failed.iter().copied().collect();
    prop_assert_eq!(distinct.len(), failed.len(), "answered twice: {:?}", failed);
    let ids: BTreeSet<&str> = items.iter().map(|item| item.item_id.as_str()).collect();
    prop_assert!(distinct.is_subset(&ids), "{failed:?}");
    let letters = world.queue.inner.dead_letters();
    let mut readable = 0;
    for (number, (case, item)) in cases.iter().zip(&items).enumerate() {
        let comes_back = distinct.contains(item.item_id.as_str());
        match Envelope::from_json(&item.text) {
            Err(EnvelopeError::UnknownVersion(_)) => prop_assert!(comes_back, "{item:?}"),
            Err(EnvelopeError::Malformed(_)) => {
                prop_assert!(!comes_back, "{item:?}");
                let same = letters.iter().filter(|letter| *letter.text == *item.text);
                let alike = items.iter().filter(|other| other.text == item.text);
                prop_assert_eq!(same.clone().count(), alike.count(), "{:?}", item);
                let reason = ("reason", "malformed".to_owned());
                prop_assert!(same.clone().all(|letter| letter.attributes.contains(&reason)));
            }
            Ok(_) => readable += 1,
        }
        if matches!(case.made, Made::Good) {
            prop_assert!(!comes_back, "{item:?}");
            let state = world.state(&sample::message(&format!("m{number}"), 1)).await;
            prop_assert_eq!(state.phase.status(), Status::Delivered);
        }
    }
    prop_assert!(world.sent() <= readable, "{} sent of {readable}", world.sent());
    Ok(())
}

#[test]
fn f14_garbage_in_a_batch_is_buried_and_harms_nothing_beside_it() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    check(BATCHES, vec(case(), 1..=ITEMS_MAX), |cases| runtime.block_on(check_batch(&cases)));
}

fn record() -> impl Strategy<Value = Value> {
    let text = prop_oneof![Just(Value::Null), ".{0,30}".prop_map(Value::from)];
    let count = prop_oneof!["[0-9]{1,12}", "-?[0-9]{1,3}(\\.[0-9])?", ".{0,5}"];
    let generation = prop_oneof!["[0-9]{1,12}", ".{0,5}"];
    ([text.clone(), text.clone(), text], count, prop::option::of(generation)).prop_map(
        |([id, receipt, body], count, generation)| {
            let attributes = generation.map(|generation| {
                json!({"deadLetter": {"stringValue": generation, "dataType": "String"}})
            });
            json!({
                "messageId": id, "receiptHandle": receipt, "body": body,
                "attributes": {"ApproximateReceiveCount": count, "SentTimestamp": "1"},
                "messageAttributes": attributes.unwrap_or_else(|| json!({})),
                "eventSource": "aws:sqs", "awsRegion": "us-east-1",
            })
        },
    )
}

#[test]
fn f40_every_record_of_an_event_is_an_item_or_none_is() {
    check(EVENTS, vec(record(), 0..6), |records| {
        let event = json!({"Records": records}).to_string();
        let event: SqsEvent = serde_json::from_str(&event).unwrap();
        let whole = |record: &Value| {
            ["messageId", "receiptHandle", "body"].iter().all(|name| record[name].is_string())
        };
        match items_of(event) {
            Ok(items) => {
                prop_assert_eq!(items.len(), records.len());
                for (item, record) in items.iter().zip(&records) {
                    prop_assert_eq!(&record["messageId"], item.item_id.as_str());
                    prop_assert_eq!(&record["receiptHandle"], item.receipt.0.as_str());
                    prop_assert_eq!(&record["body"], &*item.text);
                    let count = record["attributes"]["ApproximateReceiveCount"].as_str().unwrap();
                    prop_assert_eq!(item.receipts, count.parse().unwrap_or(1));
                    let dead = record["messageAttributes"]["deadLetter"]["stringValue"].as_str();
                    let dead = dead.and_then(|text| text.parse().ok());
                    prop_assert_eq!(item.dead_letter.map(|it| it.0), dead);
                }
            }
            // One that could not be answered for fails the invocation: all of them come back.
            Err(_) => prop_assert!(!records.iter().all(whole)),
        }
        Ok(())
    });
}

#[test]
fn f40_a_changed_event_loses_no_record() {
    let cases = (vec(record(), 1..4), vec(change(), 1..5));
    check(EVENTS, cases, |(records, changes)| {
        let text = apply(&json!({"Records": records}).to_string(), &changes);
        let Ok(event) = serde_json::from_str::<SqsEvent>(&text) else { return Ok(()) };
        if let Ok(items) = items_of(event) {
            // What is not read of a record is not looked into: its text may be no JSON.
            let Ok(seen) = serde_json::from_str::<Value>(&text) else { return Ok(()) };
            let records = seen["Records"].as_array().map_or(0, Vec::len);
            prop_assert_eq!(items.len(), records, "{}", text);
        }
        Ok(())
    });
}
