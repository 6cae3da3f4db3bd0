//! Hosts: environments of the two functions, each with its own clock and chance, over the same services.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use axum::Router;
use relay_core::destination::DestinationPolicy;
use relay_core::invariants::Host;
use relay_core::ports::Ambient;
use relay_core::settings::Tracking;
use relay_operate::{Reconciler, ReconcilerPorts};
use relay_testkit::faults::{Faulty, Troubles};
use relay_testkit::memory::MemoryBreakers;
use relay_testkit::{
    ManualClock, MemoryBuckets, MemoryKeys, MemoryPayloads, MemoryQueue, MemoryReplays,
    MemorySigningSecrets, MemoryStore, MemoryVault, SkewedAmbient,
};
use relay_worker::{Ports, Worker};

use crate::batches::Batches;
use crate::bodies::Bodies;
use crate::dice::Dice;
use crate::plan::Plan;
use crate::ports::Watched;
use crate::targets::{Road, Targets};
use crate::watch::Watch;
use crate::weather::Weather;

/// What all hosts share.
pub(crate) struct Services {
    pub(crate) plan: Plan,
    pub(crate) dice: Arc<Dice>,
    pub(crate) clock: ManualClock,
    pub(crate) watch: Arc<Watch>,
    pub(crate) weather: Arc<Weather>,
    pub(crate) store: MemoryStore,
    pub(crate) queue: MemoryQueue,
    pub(crate) payloads: MemoryPayloads,
    pub(crate) breakers: MemoryBreakers,
    pub(crate) signing_secrets: MemorySigningSecrets,
    pub(crate) vault: MemoryVault,
    pub(crate) targets: Arc<Targets>,
    pub(crate) hosts: AtomicU32,
    /// Nothing is left to do for a day: whoever works by a schedule need not.
    pub(crate) asleep: AtomicBool,
}

/// One environment.
pub(crate) struct Machine {
    pub(crate) host: Host,
    pub(crate) ambient: Arc<dyn Ambient>,
}

impl Services {
    /// Starts a host with a clock of its own.
    pub(crate) fn start(&self) -> Machine {
        let host = Host(self.hosts.fetch_add(1, Ordering::SeqCst) + 1);
        let skew = self.plan.skew_millis;
        let ahead =
            i64::try_from(self.dice.between(0, 2 * skew)).unwrap() - i64::try_from(skew).unwrap();
        let seed = self.dice.between(0, u64::MAX - 1);
        let ambient = Arc::new(SkewedAmbient::new(self.clock.clone(), ahead, seed));
        self.watch.note(host, &format!("starts, its clock {ahead} ms ahead"));
        Machine { host, ambient }
    }

    pub(crate) fn watched<P: Clone>(&self, port: &P, by: Host) -> Watched<P> {
        Watched { port: port.clone(), watch: Arc::clone(&self.watch), by }
    }

    fn faulty<P>(&self, port: P) -> Faulty<P> {
        let troubles: Arc<dyn Troubles> = self.weather.clone();
        Faulty::new(port, troubles)
    }

    fn batches<P: Clone>(&self, port: &P, by: Host) -> Batches<P> {
        Batches::new(self.watched(port, by), Arc::clone(&self.weather))
    }

    fn bodies(&self) -> Bodies {
        let (port, weather) = (self.payloads.clone(), Arc::clone(&self.weather));
        Bodies { port, weather, dice: Arc::clone(&self.dice), torn: self.plan.torn }
    }

    /// The real router, as this host runs it.
    pub(crate) fn router(&self, machine: &Machine) -> Router {
        let ports = relay_ingest::Ports {
            store: Arc::new(self.batches(&self.store, machine.host)),
            queue: Arc::new(self.batches(&self.queue, machine.host)),
            payloads: Arc::new(self.faulty(self.bodies())),
            breakers: Arc::new(self.faulty(self.breakers.clone())),
            keys: Arc::new(MemoryKeys::new()),
            buckets: Arc::new(MemoryBuckets::new()),
            replays: Arc::new(MemoryReplays::new()),
            signing_secrets: Arc::new(self.signing_secrets.clone()),
            vault: Arc::new(self.vault.clone()),
            ambient: Arc::clone(&machine.ambient),
        };
        let recorder = Arc::default();
        relay_ingest::router(ports, &self.plan.settings, DestinationPolicy::default(), recorder)
    }

    /// The real worker, as this host runs it.
    pub(crate) fn worker(&self, machine: &Machine) -> Worker {
        let ports = Ports {
            store: Arc::new(self.batches(&self.store, machine.host)),
            queue: Arc::new(self.batches(&self.queue, machine.host)),
            payloads: Arc::new(self.faulty(self.bodies())),
            sender: Arc::new(Road { targets: Arc::clone(&self.targets), by: machine.host }),
            breakers: Arc::new(self.faulty(self.breakers.clone())),
            signing_secrets: Arc::new(self.faulty(self.signing_secrets.clone())),
            vault: Arc::new(self.faulty(self.vault.clone())),
            ambient: Arc::clone(&machine.ambient),
        };
        let mut rules = self.plan.rules.clone();
        if self.dice.happens(self.plan.full_workers) {
            rules.tracking = Tracking::Full;
        }
        Worker::new(ports, rules)
    }

    /// The real reconciler, as this host runs it.
    pub(crate) fn reconciler(&self, machine: &Machine) -> Reconciler {
        Reconciler::new(ReconcilerPorts {
            store: Arc::new(self.batches(&self.store, machine.host)),
            ledger: Arc::new(self.faulty(self.store.clone())),
            queue: Arc::new(self.batches(&self.queue, machine.host)),
            letters: Arc::new(self.faulty(self.watched(&self.queue, machine.host))),
            payloads: Arc::new(self.faulty(self.bodies())),
            ambient: Arc::clone(&machine.ambient),
        })
    }
}
