//! One world from its beginning until it is at rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use relay_core::access::{MasterSecrets, SigningRecord};
use relay_core::body::Body;
use relay_core::identity::SenderId;
use relay_core::invariants::{Answer, Bounds, Host, Invariant, Violation};
use relay_core::lifecycle::{State, Status};
use relay_core::ports::{Found, Payloads, Store};
use relay_core::reconcile::BURIAL_GRACE;
use relay_core::signature::SigningSecret;
use relay_core::time::Timestamp;
use relay_testkit::memory::MemoryBreakers;
use relay_testkit::{
    ManualClock, MemoryPayloads, MemoryQueue, MemorySigningSecrets, MemoryStore, MemoryVault,
    sample,
};
use tokio::task::{JoinSet, LocalSet};

use crate::bulk::BulkClient;
use crate::clients::{Client, Routers, SENDER, id_of, path_of};
use crate::dice::Dice;
use crate::hosts::Services;
use crate::operators::{self, RECONCILED_EVERY};
use crate::plan::{Behaviour, Plan};
use crate::second_life;
use crate::source::EventSource;
use crate::targets::Targets;
use crate::watch::{Counts, Watch};
use crate::weather::{LATE_MILLIS_MAX, Weather};

/// How long after the storm everything has to be at rest: the longest deadline and then some.
const REST_MAX: Duration = Duration::from_secs(4 * 24 * 3600);
/// How often it is looked whether all is at rest. Longer than anything that arrives late.
const REST_LOOK: Duration = Duration::from_millis(LATE_MILLIS_MAX + 10_000);
/// For how many looks everything must rest: two runs of the reconciler after the longest time that it gives others.
const RESTING_LOOKS: u64 =
    (BURIAL_GRACE.as_secs() + 3 * RECONCILED_EVERY.as_secs()) / REST_LOOK.as_secs();

/// With a deadline from here on, every generation makes all its attempts.
const DEADLINE_OF_ALL_ATTEMPTS: Duration = Duration::from_secs(24 * 3600);

/// What became of a world.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Stands for everything that happened, in order.
    pub(crate) hash: u64,
    pub(crate) counts: Counts,
    pub(crate) accepted: usize,
    pub(crate) refused: usize,
    pub(crate) unknown: usize,
    /// How each message stands and how many calls there were for it, if it was ever recorded.
    pub(crate) messages: Vec<Option<(State, u32)>>,
    /// The last events.
    pub(crate) trace: Vec<String>,
}

/// What broke and the events before it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) violation: Violation,
    pub(crate) trace: Vec<String>,
}

/// A world that was set up.
pub(crate) struct World {
    pub(crate) services: Arc<Services>,
    source: Arc<EventSource>,
    routers: Routers,
    posts: Arc<AtomicU64>,
}

/// Runs the world of a seed.
pub(crate) fn run_seed(seed: u64) -> Result<Outcome, Failure> {
    let dice = Dice::new(seed);
    let plan = Plan::drawn(&dice);
    run(plan, dice)
}

/// Runs a world on a runtime of its own, whose time is paused.
pub(crate) fn run(plan: Plan, dice: Dice) -> Result<Outcome, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, async { World::new(plan, dice).live().await })
}

/// The master secrets of every world.
const MASTERS: &str =
    r#"{"current":"1","1":"the-master-secret-of-simulated-worlds-and-of-nothing-else"}"#;

/// The signing secret of the one sender: its record, what it is derived from, and itself.
fn signing() -> (MemorySigningSecrets, MemoryVault, SigningSecret) {
    let masters = MasterSecrets::parse(MASTERS).unwrap();
    let (sender, master) = (SenderId::parse(SENDER).unwrap(), masters.current().clone());
    let (nonce, write_id) = ("nonce".to_owned(), "write".to_owned());
    let record = SigningRecord::new(sender, master, nonce, sample::START, write_id);
    let secret = record.versions[0].secret(&record.sender, &masters).unwrap();
    let records = MemorySigningSecrets::new();
    records.put(record);
    (records, MemoryVault::holding(masters), secret)
}

impl World {
    fn new(plan: Plan, dice: Dice) -> Self {
        let services = Self::services(plan, dice);
        let source =
            Arc::new(EventSource { services: Arc::clone(&services), busy: AtomicUsize::new(0) });
        let routers = (0..services.plan.ingest_hosts).map(|_| {
            let machine = services.start();
            let router = services.router(&machine);
            (machine, router)
        });
        let routers = Arc::new(routers.collect::<Vec<_>>());
        Self { source, routers, posts: Arc::default(), services }
    }

    fn services(plan: Plan, dice: Dice) -> Arc<Services> {
        let dice = Arc::new(dice);
        let clock = ManualClock::with_runtime(sample::START);
        let bounds = Bounds {
            attempts_max: plan.rules.retry.attempts_max,
            deadline: plan.rules.deadline,
            delay_max: plan.rules.retry.delay_max,
            clock_difference: Duration::from_millis(2 * plan.skew_millis),
            reconciled: true,
            lean: plan.is_lean(),
        };
        let watch = Arc::new(Watch::new(clock.clone(), bounds));
        let behaviours = plan.messages.iter().enumerate();
        let behaviours =
            behaviours.map(|(number, planned)| (path_of(number), planned.behaviour.clone()));
        let (signing_secrets, vault, secret) = signing();
        let targets = Arc::new(Targets {
            secret,
            behaviours: behaviours.collect(),
            dice: Arc::clone(&dice),
            watch: Arc::clone(&watch),
            clock: clock.clone(),
        });
        let weather = Weather::new(Arc::clone(&dice), &plan);
        Arc::new(Services {
            plan,
            dice,
            watch,
            weather: Arc::new(weather),
            store: MemoryStore::new(),
            queue: MemoryQueue::new(clock.clone()),
            payloads: MemoryPayloads::new("bucket"),
            breakers: MemoryBreakers::new(),
            signing_secrets,
            vault,
            targets,
            hosts: AtomicU32::new(0),
            asleep: AtomicBool::new(false),
            clock,
        })
    }

    async fn live(&self) -> Result<Outcome, Failure> {
        let watch = &self.services.watch;
        tokio::select! {
            biased;
            () = watch.broken.notified() => {}
            () = self.come_to_rest() => watch.judge_rest(),
        }
        if let Some((violation, trace)) = watch.violation() {
            return Err(Failure { violation, trace });
        }
        let (hash, counts) = watch.sum();
        let answers = |answer| watch.answers(answer);
        Ok(Outcome {
            hash,
            counts,
            accepted: answers(Answer::Accepted),
            refused: answers(Answer::Refused),
            unknown: answers(Answer::Unknown),
            messages: (0..self.services.plan.messages.len())
                .map(|number| watch.state_and_calls(&id_of(number)))
                .collect(),
            trace: watch.trace(),
        })
    }

    async fn come_to_rest(&self) {
        let mut clients = self.start_clients();
        for _ in 0..self.services.plan.worker_hosts {
            let source = Arc::clone(&self.source);
            tokio::task::spawn_local(async move { source.run_environments().await });
        }
        tokio::task::spawn_local(operators::reconcile(Arc::clone(&self.services)));
        let (services, routers) = (Arc::clone(&self.services), Arc::clone(&self.routers));
        let people = tokio::task::spawn_local(operators::interfere(services, routers));
        tokio::time::sleep(self.services.plan.storm).await;
        self.calm_down(&mut clients).await;
        people.await.unwrap();
        self.wait_for_rest().await;
        if self.services.plan.second_life {
            self.services.watch.judge_rest();
            let mut clients = second_life::begin(&self.services, &self.routers, &self.posts).await;
            self.calm_down(&mut clients).await;
            self.wait_for_rest().await;
        }
        self.judge_smoothness();
        self.judge_bodies().await;
    }

    /// Whatever died can be redriven: its body is somewhere, though the queue alone had it before. Only what nobody can
    /// read is gone.
    async fn judge_bodies(&self) {
        let Services { plan, watch, store, payloads, .. } = &*self.services;
        if plan.garbled > 0 {
            return;
        }
        for number in 0..plan.messages.len() {
            let id = id_of(number);
            let found = store.find(&id, Timestamp::from_millis(0)).await.unwrap();
            let Some(Found { message, state }) = found else { continue };
            let Body::Unretained(pointer) = &message.body else { continue };
            let is_dead = state.phase.status() == Status::Dead;
            if is_dead && payloads.open(pointer).await.is_err() {
                let detail = "DEAD, and its body is nowhere".to_owned();
                watch.blame(Violation { invariant: Invariant::BytesAreIntact, id, detail });
            }
        }
    }

    /// Ends the storm and waits for the clients.
    async fn calm_down(&self, clients: &mut JoinSet<()>) {
        self.services.weather.set_calm(true);
        self.services.watch.note(Host(0), "the storm is over");
        while clients.join_next().await.is_some() {}
    }

    /// Waits until everything has come to an end.
    async fn wait_for_rest(&self) {
        let ends = self.services.clock.now().plus(REST_MAX);
        while !self.is_at_rest().await {
            if ends <= self.services.clock.now() {
                let detail = format!("{} copies move for ever", self.services.queue.depth());
                let invariant = Invariant::AcceptedIsDurable;
                return self.services.watch.blame(Violation { invariant, id: id_of(0), detail });
            }
        }
    }

    /// Where nothing goes wrong, every target is called exactly as often as its behaviour asks for.
    fn judge_smoothness(&self) {
        let Services { plan, watch, .. } = &*self.services;
        if !plan.is_smooth() || plan.rules.deadline < DEADLINE_OF_ALL_ATTEMPTS {
            return;
        }
        for (number, planned) in plan.messages.iter().enumerate() {
            let id = id_of(number);
            let Some((state, calls)) = watch.state_and_calls(&id) else { continue };
            let all = plan.rules.retry.attempts_max;
            let expected = match planned.behaviour {
                Behaviour::Takes => (Status::Delivered, 1),
                Behaviour::Says(408 | 409 | 425 | 429 | 500..) => (Status::Dead, all),
                Behaviour::Says(_) => (Status::Dead, 1),
                Behaviour::Hangs => (Status::Dead, all),
                Behaviour::Slow(_)
                | Behaviour::Asks(..)
                | Behaviour::Flaky
                | Behaviour::Down(_) => continue,
            };
            // Whoever posts the same again before the first attempt is noted has it sent again, and attempted.
            let posts = u32::try_from(plan.contents(number).count()).unwrap();
            let more = if plan.is_lean() { posts - 1 } else { 0 };
            let status = state.phase.status();
            if status != expected.0 || !(expected.1..=expected.1 + more).contains(&calls) {
                let detail = format!("smoothly {status:?} after {calls} instead of {expected:?}");
                watch.blame(Violation { invariant: Invariant::AcceptedIsDurable, id, detail });
            }
        }
    }

    fn start_clients(&self) -> JoinSet<()> {
        let services = &self.services;
        let mut clients = JoinSet::new();
        for (number, planned) in services.plan.messages.iter().enumerate() {
            services.watch.name(&id_of(number), &format!("m{number}"));
            for (begins, content) in &planned.posters {
                let client = Client::new(services, &self.routers, &self.posts, number);
                clients.spawn_local(client.begin(planned.clone(), *begins, *content));
            }
        }
        for bulk in &services.plan.bulks {
            let (services, routers) = (Arc::clone(services), Arc::clone(&self.routers));
            let client = BulkClient { services, routers, posts: Arc::clone(&self.posts) };
            clients.spawn_local(client.begin(bulk.clone()));
        }
        clients
    }

    /// Whether nothing is in the queue and nothing happens for a while, in which the reconciler looks at everything
    /// that it has to give time to before it does something.
    async fn is_at_rest(&self) -> bool {
        for _ in 0..RESTING_LOOKS {
            let is_busy = self.source.busy.load(Ordering::SeqCst) > 0;
            if is_busy || self.services.queue.depth() > 0 {
                tokio::time::sleep(REST_LOOK).await;
                return false;
            }
            tokio::time::sleep(REST_LOOK).await;
        }
        true
    }
}
