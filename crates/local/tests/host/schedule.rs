//! Functions that are invoked by the clock.

use relay_local::lambda::FunctionHost;
use relay_local::schedule::{RunningSchedule, ScheduleOptions, ScheduledEvent};
use relay_local::template::description::AsynchronousInvocation;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::function::{PATIENCE, settings, start};

/// Runs that a test waits for: more than one shows that it repeats.
const RUNS: u64 = 3;

fn schedule(function: &Arc<FunctionHost>, every: Duration) -> RunningSchedule {
    RunningSchedule::start(ScheduleOptions {
        every,
        event: ScheduledEvent {
            rule_arn: "arn:aws:events:us-east-1:000000000000:rule/tested".to_owned(),
            region: "us-east-1".to_owned(),
            account_id: "000000000000".to_owned(),
        },
        function: Arc::clone(function),
        asynchronous: AsynchronousInvocation::LAMBDA_DEFAULT,
    })
}

fn invocations(function: &FunctionHost) -> u64 {
    function.environments().iter().map(|environment| environment.invocations).sum()
}

async fn wait_for_runs(function: &FunctionHost, expected: u64) {
    let began = Instant::now();
    while invocations(function) < expected {
        assert!(began.elapsed() < PATIENCE, "{} of {expected} runs", invocations(function));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_function_runs_again_and_again_until_the_schedule_stops() {
    let function = Arc::new(start(10, 1).await.unwrap());
    let every = Duration::from_millis(100);
    let began = Instant::now();
    let running = schedule(&function, every);
    wait_for_runs(&function, RUNS).await;
    assert!(began.elapsed() >= every, "the first run comes after one interval");
    running.stop().await;
    let runs = invocations(&function);
    tokio::time::sleep(every * 3).await;
    assert_eq!(invocations(&function), runs, "nothing begins after the stop");
    function.stop().await;
}

#[tokio::test]
async fn a_failed_run_keeps_neither_the_next_nor_the_stop_waiting() {
    let mut failing = settings(10, 1);
    failing.environment.insert("FAIL_WHEN_SCHEDULED".to_owned(), "yes".to_owned());
    let function = Arc::new(FunctionHost::start(failing).await.unwrap());
    let running = schedule(&function, Duration::from_millis(50));
    wait_for_runs(&function, RUNS).await;
    let began = Instant::now();
    running.stop().await;
    assert!(began.elapsed() < Duration::from_secs(2), "it waited for tries a minute away");
    function.stop().await;
}
