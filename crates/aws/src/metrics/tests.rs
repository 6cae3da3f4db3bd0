//! When metrics leave, and that none is lost or comes twice on the way.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use async_trait::async_trait;
use relay_core::ports::PortError;
use serde_json::Value;

use super::aggregate::Datum;
use super::cloudwatch::{DATA_MAX, FLUSH_EVERY, FLUSH_TIMEOUT, Publisher};
use super::*;

/// Output that notes each single write.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<String>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().push(String::from_utf8(bytes.to_vec()).unwrap());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Written {
    fn lines(&self) -> Vec<Value> {
        let written = self.0.lock().unwrap();
        written.iter().map(|one| serde_json::from_str(one).unwrap()).collect()
    }
}

fn emitter(way: Way) -> (Arc<Emitter>, Arc<Recorder>) {
    let recorder = Arc::new(Recorder::default());
    (Arc::new(Emitter::on(way, Arc::clone(&recorder), "ingest".to_owned())), recorder)
}

#[tokio::test]
async fn f30_the_lines_are_written_before_the_answer_goes_out() {
    let written = Written::default();
    let (emitter, recorder) = emitter(Way::Lines(Mutex::new(Box::new(written.clone()))));
    let answer = emitter.invocation(async {
        recorder.add(Metric::Accepted, 2);
        tokio::task::yield_now().await;
        recorder.add(Metric::Accepted, 1);
        202
    });
    assert_eq!(answer.await, 202);
    let lines = written.lines();
    assert_eq!(lines.len(), 1, "one write: {lines:?}");
    assert_eq!((&lines[0]["Accepted"], &lines[0]["ColdStarts"]), (&3.into(), &1.into()));
    assert_eq!(lines[0]["FunctionName"], "ingest");
    emitter.invocation(async { recorder.count(Metric::Accepted) }).await;
    let lines = written.lines();
    assert_eq!((lines.len(), &lines[1]["Accepted"]), (2, &1.into()));
    assert_eq!(lines[1].get("ColdStarts"), None, "only the first start of a process is cold");
}

#[tokio::test]
async fn f30_a_panic_takes_no_counts_with_it() {
    let written = Written::default();
    let (emitter, recorder) = emitter(Way::Lines(Mutex::new(Box::new(written.clone()))));
    let panicking = tokio::spawn(async move {
        emitter
            .invocation(async {
                recorder.count(Metric::Delivered);
                panic!("on purpose")
            })
            .await
    });
    assert!(panicking.await.unwrap_err().is_panic(), "the runtime still hears of it");
    assert_eq!(written.lines()[0]["Delivered"], 1);
}

#[tokio::test]
async fn switched_off_nothing_leaves_and_nothing_piles_up() {
    let (emitter, recorder) = emitter(Way::Nowhere);
    emitter.invocation(async { recorder.count(Metric::Delivered) }).await;
    assert!(recorder.take().is_empty());
    assert_eq!(emitter.serving(async { 7 }).await, Some(7));
}

/// Adds up what it is given; refuses, or takes its time, while told to.
#[derive(Clone, Default)]
struct Account {
    sums: Arc<Mutex<BTreeMap<Metric, u64>>>,
    calls: Arc<AtomicUsize>,
    refuses: Arc<AtomicBool>,
    takes: Arc<Mutex<Duration>>,
}

impl Account {
    fn sum(&self, metric: Metric) -> u64 {
        self.sums.lock().unwrap().get(&metric).copied().unwrap_or_default()
    }

    fn take_for_each_call(&self, time: Duration) {
        *self.takes.lock().unwrap() = time;
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Publisher for Account {
    async fn publish(&self, data: &[Datum]) -> Result<(), PortError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        assert!((1..=DATA_MAX).contains(&data.len()), "{}", data.len());
        if self.refuses.load(Ordering::Relaxed) {
            return Err(crate::error::failed("put metrics", "on purpose"));
        }
        let takes = *self.takes.lock().unwrap();
        tokio::time::sleep(takes).await;
        let mut sums = self.sums.lock().unwrap();
        for datum in data {
            let sum: u64 = datum.values.iter().map(|(value, times)| value * times).sum();
            *sums.entry(datum.metric).or_default() += sum;
        }
        Ok(())
    }
}

fn through_the_api() -> (Arc<Emitter>, Arc<Recorder>, Account) {
    let account = Account::default();
    let (emitter, recorder) = emitter(Way::Api(Flusher::new(Box::new(account.clone()))));
    (emitter, recorder, account)
}

#[tokio::test(start_paused = true)]
async fn values_leave_with_the_first_invocation_after_a_minute() {
    let (emitter, recorder, account) = through_the_api();
    for _ in 0..10 {
        emitter.invocation(async { recorder.count(Metric::Delivered) }).await;
    }
    assert_eq!(account.calls(), 0, "not once an invocation");
    tokio::time::advance(FLUSH_EVERY).await;
    emitter.invocation(async { recorder.count(Metric::Delivered) }).await;
    assert_eq!((account.calls(), account.sum(Metric::Delivered)), (1, 11));
    emitter.invocation(async { recorder.count(Metric::Delivered) }).await;
    assert_eq!((account.calls(), account.sum(Metric::ColdStarts)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_sent_is_kept_and_tried_again_a_minute_later() {
    let (emitter, recorder, account) = through_the_api();
    account.refuses.store(true, Ordering::Relaxed);
    for _ in 0..3 {
        tokio::time::advance(FLUSH_EVERY / 2).await;
        emitter.invocation(async { recorder.count(Metric::Delivered) }).await;
    }
    assert_eq!((account.calls(), account.sum(Metric::Delivered)), (1, 0));
    account.refuses.store(false, Ordering::Relaxed);
    tokio::time::advance(FLUSH_EVERY / 2).await;
    emitter.invocation(async { recorder.count(Metric::Delivered) }).await;
    assert_eq!((account.calls(), account.sum(Metric::Delivered)), (2, 4));
}

#[tokio::test(start_paused = true)]
async fn an_idle_host_sends_by_the_clock_and_the_rest_at_the_end() {
    let (emitter, recorder, account) = through_the_api();
    let serving = async {
        emitter.invocation(async { recorder.count(Metric::Delivered) }).await;
        tokio::time::sleep(FLUSH_EVERY + Duration::from_secs(1)).await;
        assert_eq!(account.sum(Metric::Delivered), 1, "without another invocation");
        recorder.count(Metric::Delivered);
    };
    assert_eq!(emitter.serving(serving).await, Some(()));
    assert_eq!((account.calls(), account.sum(Metric::Delivered)), (2, 2));
}

#[tokio::test]
async fn f30_a_process_that_is_told_to_end_sends_what_it_holds() {
    let (emitter, recorder, account) = through_the_api();
    let serving = async {
        emitter.invocation(async { recorder.count(Metric::Delivered) }).await;
        // Everything that listens for the signal has begun to by the next turn.
        tokio::task::yield_now().await;
        recorder.count(Metric::Delivered);
        let own = std::process::id().to_string();
        let sent = std::process::Command::new("kill").args(["-TERM", &own]).status();
        assert!(sent.unwrap().success());
        std::future::pending::<()>().await;
    };
    let ended = tokio::time::timeout(FLUSH_EVERY / 2, emitter.serving(serving)).await;
    assert_eq!(ended, Ok(None), "the signal ends it");
    assert_eq!((account.calls(), account.sum(Metric::Delivered)), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn much_goes_out_in_several_calls_and_a_failed_one_loses_nothing() {
    let (emitter, recorder, account) = through_the_api();
    let Way::Api(flusher) = &emitter.way else { panic!("this is the API's way") };
    let mut recorded = 0;
    for minute in 0..u64::try_from(DATA_MAX).unwrap() {
        recorder.add(Metric::Delivered, minute);
        recorder.add(Metric::Retries, 1);
        recorded += minute;
        flusher.add(&recorder.take(), relay_core::time::Timestamp::from_millis(minute * 60_000));
    }
    account.refuses.store(true, Ordering::Relaxed);
    flusher.flush().await;
    assert_eq!(account.calls(), 1, "what comes after a refusal is not tried");
    account.refuses.store(false, Ordering::Relaxed);
    flusher.flush().await;
    assert_eq!((account.calls(), account.sum(Metric::Delivered)), (3, recorded));
}

#[tokio::test(start_paused = true)]
async fn f30_what_was_on_its_way_when_serving_ended_is_sent_at_the_end() {
    let (emitter, recorder, account) = through_the_api();
    account.take_for_each_call(FLUSH_EVERY);
    let serving = async {
        emitter.invocation(async { recorder.count(Metric::Delivered) }).await;
        // By then the clock's call is under way, and without an answer.
        tokio::time::sleep(FLUSH_EVERY + FLUSH_TIMEOUT / 2).await;
        assert_eq!((account.calls(), account.sum(Metric::Delivered)), (1, 0));
        account.take_for_each_call(Duration::ZERO);
    };
    assert_eq!(emitter.serving(serving).await, Some(()));
    assert_eq!((account.calls(), account.sum(Metric::Delivered)), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn an_answer_waits_for_all_the_calls_of_a_flush_no_longer_than_for_one() {
    let (emitter, recorder, account) = through_the_api();
    let Way::Api(flusher) = &emitter.way else { panic!("this is the API's way") };
    for minute in 0..2 * u64::try_from(DATA_MAX).unwrap() {
        recorder.count(Metric::Delivered);
        flusher.add(&recorder.take(), relay_core::time::Timestamp::from_millis(minute * 60_000));
    }
    tokio::time::advance(FLUSH_EVERY).await;
    // The first call is answered, the second is not in time.
    account.take_for_each_call(FLUSH_TIMEOUT * 3 / 4);
    let begun = tokio::time::Instant::now();
    emitter.invocation(async {}).await;
    assert_eq!((begun.elapsed(), account.calls()), (FLUSH_TIMEOUT, 2));
    emitter.invocation(async {}).await;
    assert_eq!((begun.elapsed(), account.calls()), (FLUSH_TIMEOUT, 2), "the next try has its time");
    account.take_for_each_call(Duration::ZERO);
    flusher.flush().await;
    assert_eq!(account.sum(Metric::Delivered), 2 * DATA_MAX as u64, "each counts once");
}
