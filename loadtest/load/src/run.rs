//! One run: what is needed is started, the schedule followed, the last messages waited for, and everything counted.
//!
//! Generator, receiver and the relay's local services have threads of their own each, so that one does not wait for
//! another's turn, and so that it can be told who used the processors.

use relay_local::stack::Stack;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;

use crate::arguments::RunArguments;
use crate::client::{Client, ClientError, parsed};
use crate::content::Content;
use crate::generator::{Generator, Run, Targets};
use crate::local::{self, Changes, LocalError};
use crate::machine::{self, GENERATOR, Machine, RECEIVER, Times};
use crate::plan::{Plan, PlanError, mixed};
use crate::receiver::{self, DEAD_PATH, SLOW_PATH, SOUND_PATH};
use crate::report::{Latencies, Rates, Report, SCHEMA};
use crate::scenario::{self, Scenario};
use crate::tally::Tally;
use crate::threshold::{self, ThresholdError};
use crate::watch::{Points, watch};

/// How long after everything has started the schedule begins.
const HEAD_START: Duration = Duration::from_millis(200);
/// How often to look whether the last message has arrived.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long to listen on after the last message has arrived, for one that comes a second time.
const AFTERMATH: Duration = Duration::from_millis(500);
/// How long background work may hold up the end.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// No such plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// No such threshold.
    #[error(transparent)]
    Threshold(#[from] ThresholdError),
    /// The relay cannot be asked.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// There is no relay on this machine.
    #[error(transparent)]
    Local(#[from] LocalError),
    /// The system gives no threads.
    #[error("no runtime can be started")]
    Runtime(#[source] std::io::Error),
    /// The system does not give the port.
    #[error("the receiver cannot listen on {address}")]
    Port {
        /// Where it was to listen.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A slow or dead target would slow all of them down: they would be one destination.
    #[error(
        "`{0}` needs --receiver and --other-target: a slow or dead target has to be a destination of its own"
    )]
    OneDestination(&'static str),
    /// Nobody can send to all addresses.
    #[error("`--receiver {0}` listens on every address of this machine: --target has to name one")]
    Everywhere(SocketAddr),
    /// The clock is before 1970, or a histogram impossible.
    #[error("this machine cannot measure time")]
    Clock,
}

/// What has been started for a run. The stack first: when it is dropped, its runtime still has to be there.
struct Surroundings {
    stack: Option<Stack>,
    client: Client,
    targets: Targets,
    listeners: Vec<TcpListener>,
    changes: Changes,
    relay: String,
}

/// Runs a scenario.
///
/// # Errors
/// When it cannot be run; what the relay does wrong is part of the result.
pub(crate) fn run(scenario: &Scenario, arguments: &RunArguments) -> Result<Report, RunError> {
    let plan = Plan::of(scenario, arguments)?;
    let is_local = arguments.relay.url.is_none();
    let has_receiver = is_local || arguments.relay.receiver.is_some();
    let own = [scenario::ALWAYS, scenario.thresholds];
    let thresholds = threshold::all(&own, &arguments.threshold, has_receiver)?;
    let services = runtime("services", machine_cores())?;
    let receiving = runtime(RECEIVER, 1)?;
    let generating = runtime(GENERATOR, machine_cores())?;
    let surroundings = if is_local {
        services.block_on(on_this_machine(scenario, arguments, &receiving))?
    } else {
        receiving.block_on(deployed(scenario, arguments))?
    };
    let Surroundings { stack, client, targets, listeners, changes, relay } = surroundings;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| RunError::Clock)?;
    let id = mixed(now.as_nanos() as u64 ^ u64::from(std::process::id()));
    let shared = Arc::new(Run {
        content: Content::of(&plan, id),
        tally: Tally::of(plan.messages()).ok_or(RunError::Clock)?,
        plan,
        origin: Instant::now() + HEAD_START,
    });
    for listener in listeners {
        let _entered = receiving.enter();
        drop(receiver::serve(listener, Arc::clone(&shared)));
    }
    let generator = Generator { run: Arc::clone(&shared), client, targets: Arc::new(targets) };
    let course = generating.block_on(follow(&generator, arguments, has_receiver, stack.as_ref()));
    let mut report = report(&shared, &course, arguments, has_receiver);
    report.relay = relay;
    report.changes = changes.settings.into_iter().chain(changes.parameters).collect();
    report.started_at = now.as_secs();
    report.thresholds = threshold::judge(&report, &thresholds);
    report.holds = report.thresholds.iter().all(|one| one.holds);
    if let Some(stack) = stack {
        services.block_on(stack.stop());
    }
    for runtime in [generating, receiving, services] {
        runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
    }
    Ok(report)
}

fn machine_cores() -> usize {
    Machine::this().cores
}

fn runtime(name: &str, threads: usize) -> Result<Runtime, RunError> {
    let mut builder = Builder::new_multi_thread();
    let builder = builder.worker_threads(threads).thread_name(name).enable_all();
    builder.build().map_err(RunError::Runtime)
}

/// Opens a port whose connections are served by the runtime that this is called in.
async fn open(address: SocketAddr) -> Result<(TcpListener, SocketAddr), RunError> {
    receiver::open(address).await.map_err(|source| RunError::Port { address, source })
}

/// A relay and three targets on this machine, each target on a port of its own: a destination of its own.
async fn on_this_machine(
    scenario: &Scenario,
    arguments: &RunArguments,
    receiving: &Runtime,
) -> Result<Surroundings, RunError> {
    let mut listeners = Vec::new();
    let mut addresses = Vec::new();
    for _ in 0..3 {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let opened = receiving.spawn(open(any)).await.map_err(|_| RunError::Clock)?;
        let (listener, address) = opened?;
        listeners.push(listener);
        addresses.push(address);
    }
    let of = |place: usize, path: &str| {
        addresses.get(place).map_or_else(String::new, |address| format!("http://{address}{path}"))
    };
    let targets =
        Targets { sound: of(0, SOUND_PATH), slow: of(1, SLOW_PATH), dead: of(2, DEAD_PATH) };
    let changes = Changes::of(&arguments.relay, scenario, &addresses);
    let stack = local::start(changes.clone(), arguments.relay.logs).await?;
    let client = Client::of(&stack.url(), stack.api_key().as_deref())?;
    let relay = "local".to_owned();
    Ok(Surroundings { stack: Some(stack), client, targets, listeners, changes, relay })
}

/// A relay elsewhere, and what was said of its targets.
async fn deployed(scenario: &Scenario, arguments: &RunArguments) -> Result<Surroundings, RunError> {
    let relay = &arguments.relay;
    let has_others = scenario.slow_percent + scenario.dead_percent > 0;
    if has_others && (relay.receiver.is_none() || relay.other_target.is_none()) {
        return Err(RunError::OneDestination(scenario.name));
    }
    let (mut listeners, mut own_url) = (Vec::new(), None);
    if let Some(address) = relay.receiver {
        if address.ip().is_unspecified() && relay.target.is_none() {
            return Err(RunError::Everywhere(address));
        }
        let (listener, address) = open(address).await?;
        listeners.push(listener);
        own_url = Some(format!("http://{address}"));
    }
    let given = relay.target.clone().or_else(|| own_url.clone()).unwrap_or_default();
    let others = relay.other_target.as_ref().unwrap_or(&given);
    let path = |url: &str, path: &str| format!("{}{path}", url.trim_end_matches('/'));
    for target in [&given, others] {
        parsed(target)?;
    }
    let sound = if own_url.is_some() { path(&given, SOUND_PATH) } else { given.clone() };
    let targets = Targets { sound, slow: path(others, SLOW_PATH), dead: path(others, DEAD_PATH) };
    let url = relay.url.clone().unwrap_or_default();
    let client = Client::of(&url, relay.api_key.as_deref())?;
    let changes = Changes::default();
    Ok(Surroundings { stack: None, client, targets, listeners, changes, relay: url })
}

/// What a run was like, beside what the tally says.
struct Course {
    /// Length of the schedule, or of its part until somebody ended it.
    length: Duration,
    settling: Duration,
    was_ended: bool,
    times: Option<Times>,
    points: Points,
}

/// From the first request to the last arrival.
async fn follow(
    generator: &Generator,
    arguments: &RunArguments,
    has_receiver: bool,
    stack: Option<&Stack>,
) -> Course {
    let run = &generator.run;
    let points = Points::default();
    let watching = watch(Arc::clone(run), points.clone(), has_receiver, arguments.quiet);
    let watching = tokio::spawn(watching);
    let before = used_by(stack);
    let places = Arc::new(Semaphore::new(arguments.in_flight as usize));
    let was_ended = tokio::select! {
        () = async {
            generator.follow(&places).await;
            tokio::time::sleep_until((run.origin + run.plan.duration()).into()).await;
        } => false,
        // Requests that have left go on.
        _ = tokio::signal::ctrl_c() => true,
    };
    let length = run.elapsed().min(run.plan.duration());
    let times = before.zip(used_by(stack)).map(|(before, after)| machine::used(&before, &after));
    let settle = async {
        Generator::drain(&places, arguments.in_flight).await;
        if has_receiver {
            settle(run, Duration::from_secs(arguments.settle_seconds)).await;
        }
    };
    // A second Ctrl-C ends the waiting too; what is missing then is reported as lost.
    tokio::select! {
        () = settle => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    watching.abort();
    let settling = run.elapsed().saturating_sub(length);
    Course { length, settling, was_ended, times, points }
}

/// Waits until everything that is expected has arrived, or for as long as that.
async fn settle(run: &Run, at_most: Duration) {
    let end = Instant::now() + at_most;
    while run.tally.missing() > 0 && Instant::now() < end {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    tokio::time::sleep(AFTERMATH).await;
}

fn used_by(stack: Option<&Stack>) -> Option<Times> {
    let environments = stack.map(Stack::environments).unwrap_or_default();
    let functions: Vec<_> = environments.into_iter().map(|one| (one.function, one.pid)).collect();
    machine::times(&functions)
}

fn report(run: &Run, course: &Course, arguments: &RunArguments, has_receiver: bool) -> Report {
    let offered =
        if course.was_ended { run.plan.due_by(course.length) } else { run.plan.messages() };
    let tally = &run.tally;
    let counts = tally.counts(offered, has_receiver);
    let (last_accepted, last_delivered) = tally.last();
    let rate = |count: u64, last: Duration| {
        count as f64 / last.max(course.length).as_secs_f64().max(f64::EPSILON)
    };
    let per_second = Rates {
        offered: rate(offered, Duration::ZERO),
        accepted: rate(counts.accepted + counts.duplicates, last_accepted),
        delivered: counts.delivery.as_ref().map(|one| rate(one.delivered_ids, last_delivered)),
    };
    Report {
        schema: SCHEMA,
        scenario: run.plan.scenario().name,
        run: run.content.run().to_owned(),
        seed: arguments.seed,
        bulk: run.plan.bulk(),
        in_flight_max: arguments.in_flight,
        seconds: course.length.as_secs_f64(),
        settling_seconds: course.settling.as_secs_f64(),
        was_ended: course.was_ended,
        machine: Some(Machine::this()),
        counts,
        per_second,
        latency_ms: Latencies {
            accept: tally.accept.summary(),
            end_to_end: tally.end_to_end.summary(),
            end_to_end_slow: tally.end_to_end_slow.summary(),
            lag: tally.lag.summary(),
        },
        processor_seconds: course.times.clone(),
        series: course.points.take(),
        ..Report::default()
    }
}
