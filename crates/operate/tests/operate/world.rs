//! A whole relay in memory without its worker, whose calls fail where a test wants them to.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use relay_core::envelope::{DEAD_LETTER_ATTRIBUTE, Envelope};
use relay_core::identity::RelayId;
use relay_core::lifecycle::{Again, Life, State};
use relay_core::message::Message;
use relay_core::outcome::DeadReason;
use relay_core::ports::{Begun, DeadLetter, Letters, Queue, Store};
use relay_core::time::Timestamp;
use relay_operate::{DeadLetters, Reconciler, ReconcilerPorts, Recover, Report, SetGoing, Stop};
use relay_testkit::faults::{Fate, Faulty, Trouble, Troubles};
use relay_testkit::{ManualClock, MemoryPayloads, MemoryQueue, MemoryStore, TestAmbient, sample};

/// How long a run of the reconciler may take here.
pub(crate) const RUN: Duration = Duration::from_secs(240);
/// Runs after which the reconciler must have nothing left to do.
pub(crate) const RUNS_MAX: usize = 5;
/// Longer than any grace of the reconciler.
pub(crate) const LONG: Duration = Duration::from_secs(1_000);

/// The two ways in which a call fails.
pub(crate) const FAILURES: [Fate; 2] = [Fate::Lost, Fate::Unanswered];

/// Which calls fail, counted over all ports.
#[derive(Default)]
pub(crate) struct Plan {
    calls: Mutex<Vec<&'static str>>,
    failing: Mutex<Vec<(usize, Fate)>>,
    all_fail: Mutex<bool>,
    failing_name: Mutex<Option<&'static str>>,
    way: Mutex<Duration>,
}

impl Troubles for Plan {
    fn next(&self, call: &'static str) -> Trouble {
        let mut calls = self.calls.lock().unwrap();
        calls.push(call);
        let number = calls.len() - 1;
        let failing = self.failing.lock().unwrap();
        let planned = failing.iter().find(|(at, _)| *at == number).map(|(_, fate)| *fate);
        let is_named = *self.failing_name.lock().unwrap() == Some(call);
        let is_lost = is_named || *self.all_fail.lock().unwrap();
        let otherwise = if is_lost { Fate::Lost } else { Fate::Done };
        let fate = planned.unwrap_or(otherwise);
        let way = *self.way.lock().unwrap();
        Trouble { before: way, fate, after: way }
    }
}

impl Plan {
    /// Forgets the calls so far, and lets these of the next ones fail.
    pub(crate) fn fail(&self, failing: &[(usize, Fate)]) {
        self.calls.lock().unwrap().clear();
        *self.failing.lock().unwrap() = failing.to_vec();
    }

    pub(crate) fn fail_all(&self, all: bool) {
        *self.all_fail.lock().unwrap() = all;
    }

    pub(crate) fn fail_named(&self, name: Option<&'static str>) {
        *self.failing_name.lock().unwrap() = name;
    }

    /// Lets every call take some time, so that others come in between.
    pub(crate) fn slow_down(&self) {
        *self.way.lock().unwrap() = Duration::from_millis(1);
    }

    pub(crate) fn calls(&self) -> Vec<&'static str> {
        self.calls.lock().unwrap().clone()
    }
}

pub(crate) struct World {
    pub(crate) clock: ManualClock,
    pub(crate) store: MemoryStore,
    pub(crate) queue: MemoryQueue,
    pub(crate) payloads: MemoryPayloads,
    pub(crate) plan: Arc<Plan>,
    ambient: Arc<TestAmbient>,
}

impl World {
    pub(crate) fn new() -> Self {
        let clock = ManualClock::starting_at(sample::START);
        Self {
            store: MemoryStore::new(),
            queue: MemoryQueue::new(clock.clone()),
            payloads: MemoryPayloads::new("bucket"),
            plan: Arc::default(),
            ambient: Arc::new(TestAmbient::new(clock.clone(), 1)),
            clock,
        }
    }

    fn faulty<P>(&self, port: P) -> Arc<Faulty<P>> {
        let troubles: Arc<dyn Troubles> = Arc::<Plan>::clone(&self.plan);
        Arc::new(Faulty::new(port, troubles))
    }

    pub(crate) fn going(&self) -> SetGoing {
        SetGoing {
            store: self.faulty(self.store.clone()),
            queue: self.faulty(self.queue.clone()),
            payloads: self.faulty(self.payloads.clone()),
            ambient: Arc::<TestAmbient>::clone(&self.ambient),
        }
    }

    pub(crate) fn dead_letters(&self) -> DeadLetters {
        let (ledger, going) = (self.faulty(self.store.clone()), self.going());
        DeadLetters { ledger, going, stop: Stop::default() }
    }

    pub(crate) fn recover(&self) -> Recover {
        let (ledger, going) = (self.faulty(self.store.clone()), self.going());
        Recover { ledger, going, stop: Stop::default() }
    }

    fn ports(&self) -> ReconcilerPorts {
        ReconcilerPorts {
            store: self.faulty(self.store.clone()),
            ledger: self.faulty(self.store.clone()),
            queue: self.faulty(self.queue.clone()),
            letters: self.faulty(self.queue.clone()),
            payloads: self.faulty(self.payloads.clone()),
            ambient: Arc::<TestAmbient>::clone(&self.ambient),
        }
    }

    pub(crate) fn reconciler(&self) -> Reconciler {
        Reconciler::new(self.ports())
    }

    /// One run of the reconciler.
    pub(crate) async fn run(&self) -> Report {
        self.reconciler().run(self.now().plus(RUN)).await
    }

    /// One run of a reconciler that sees these letters.
    pub(crate) async fn run_over(&self, letters: Arc<dyn Letters>) -> Report {
        let reconciler = Reconciler::new(ReconcilerPorts { letters, ..self.ports() });
        reconciler.run(self.now().plus(RUN)).await
    }

    /// Runs without faults until there is nothing left to do.
    pub(crate) async fn settle(&self) {
        self.plan.fail(&[]);
        for _ in 0..RUNS_MAX {
            // A run that failed may have left letters hidden.
            self.clock.advance(LONG);
            let report = self.run().await;
            let seen = Report {
                letters_seen: report.letters_seen,
                letters_judged: report.letters_judged,
                ..Report::default()
            };
            if report == seen {
                return;
            }
        }
        panic!("still at it after {RUNS_MAX} runs");
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A message in the queue; the copy there is received by nobody.
    pub(crate) async fn queued(&self, name: &str) -> Message {
        let message = sample::message(name, 1);
        let life = message.first_life();
        self.store.record(&message, self.now()).await.unwrap();
        self.send(&message, &life).await;
        self.store.mark_queued(&message.id, &life, self.now()).await.unwrap();
        message
    }

    pub(crate) async fn send(&self, message: &Message, life: &Life) {
        let envelope = Envelope::of(message, life.clone(), message.body.clone());
        self.queue.send(&envelope, Duration::ZERO).await.unwrap();
    }

    /// A message that is DEAD and in no queue.
    pub(crate) async fn dead(&self, name: &str, reason: DeadReason) -> Message {
        let message = sample::message(name, 1);
        self.store.record(&message, self.now()).await.unwrap();
        self.give_up(&message, &message.first_life(), reason).await;
        message
    }

    pub(crate) async fn give_up(&self, message: &Message, life: &Life, reason: DeadReason) {
        self.store.give_up(&message.id, life, reason, self.now()).await.unwrap();
    }

    /// A message that is DEAD as it should be.
    pub(crate) async fn buried(&self, name: &str, reason: DeadReason) -> Message {
        let message = self.dead(name, reason).await;
        self.bury(&message, reason).await;
        let life = message.first_life();
        self.store.mark_buried(&message.id, &life, self.now()).await.unwrap();
        message
    }

    /// A copy of the message's present life in the dead-letter queue.
    pub(crate) async fn bury(&self, message: &Message, reason: DeadReason) {
        let state = self.state(&message.id).await;
        let envelope = Envelope::of(message, state.life.clone(), message.body.clone());
        let attributes = envelope.dead_letter_attributes(reason, &state);
        let letter = DeadLetter { text: envelope.to_json(), attributes };
        self.queue.bury(&letter).await.unwrap();
    }

    /// Begins the next generation, without sending it.
    pub(crate) async fn begun_again(&self, message: &Message) -> Life {
        let life = self.state(&message.id).await.life;
        let begun = self.store.begin_again(&message.id, &life, Again::Redrive, self.now()).await;
        let Ok(Begun::Pending(next)) = begun else { panic!("not begun: {begun:?}") };
        next
    }

    pub(crate) async fn state(&self, id: &RelayId) -> State {
        self.store.find(id, self.now()).await.unwrap().unwrap().state
    }

    /// The envelopes in the queue, which stay there.
    pub(crate) fn in_queue(&self) -> Vec<Envelope> {
        let received = self.queue.receive(usize::MAX, Duration::ZERO).into_iter();
        received.map(|item| Envelope::from_json(&item.text).unwrap()).collect()
    }

    /// How many letters whoever looks now sees. They are hidden from the next one for a second.
    pub(crate) async fn shown(&self) -> usize {
        let mut shown = 0;
        loop {
            let some = Letters::receive(&self.queue, Duration::from_secs(1)).await.unwrap();
            if some.is_empty() {
                return shown;
            }
            shown += some.len();
        }
    }

    /// Every state that is stored, in one order.
    pub(crate) async fn states(&self) -> Vec<State> {
        let mut ids = self.store.ids();
        ids.sort();
        let mut states = Vec::new();
        for id in &ids {
            states.push(self.state(id).await);
        }
        states
    }

    /// The dead letters: whose they are, and their marks.
    pub(crate) fn letters(&self) -> Vec<(RelayId, Option<String>)> {
        let letters = self.queue.dead_letters().into_iter();
        letters.map(|letter| (whose(&letter), mark(&letter))).collect()
    }
}

fn whose(letter: &DeadLetter) -> RelayId {
    Envelope::from_json(&letter.text).unwrap().id
}

/// The generation that a letter says to be of.
pub(crate) fn mark(letter: &DeadLetter) -> Option<String> {
    let mark = letter.attributes.iter().find(|(name, _)| *name == DEAD_LETTER_ATTRIBUTE);
    mark.map(|(_, value)| value.clone())
}
