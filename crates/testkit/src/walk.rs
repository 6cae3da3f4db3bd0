//! Random walks over two stores at once: whatever is asked, in whatever order and at whatever time,
//! both must answer the same. With one of them in memory, built on [`State::judge_claim`] and the
//! table of transitions, this shows that the conditions of the other say the same.
//!
//! Steps come one after the other; races are for the conformance suites and the simulation.
//!
//! [`State::judge_claim`]: relay_core::lifecycle::State::judge_claim

use std::time::Duration;

use relay_core::decide::Decision;
use relay_core::identity::{AcceptedId, LeaseId, RelayId};
use relay_core::lifecycle::{Again, ClaimRequest, Life};
use relay_core::message::Message;
use relay_core::outcome::DeadReason;
use relay_core::ports::{
    Begun, Claim, Found, Lease, PortError, Recorded, Settled, Settlement, Store,
};
use relay_core::time::Timestamp;

use crate::ambient::Chance;
use crate::sample;

/// Messages of one walk: few, so that they are met in many states.
const MESSAGES: u64 = 2;
/// How far time moves between two steps, at most, in milliseconds.
const STEP_MILLIS_MAX: u64 = 12;
/// How long holds and waits last, at most, in milliseconds: a few steps, so that some are over when
/// they are met again and some are not, and some are over at that very millisecond.
const WAIT_MILLIS_MAX: u64 = 40;
/// How long records live, at most, in milliseconds: long enough for a whole life, short enough to end
/// within the walk.
const TTL_MILLIS_MAX: u64 = 400;
/// How many steps are told of when two stores differ.
const STEPS_TOLD: usize = 30;

#[derive(Debug, Clone)]
enum Step {
    Record(Box<Message>),
    Find(RelayId),
    MarkQueued(RelayId, Life),
    Claim(RelayId, ClaimRequest),
    Settle(Settlement),
    Cancel(RelayId, Life),
    RecordAll(Vec<Message>),
    MarkAll(Vec<(RelayId, Life)>),
    SettleAll(Vec<Settlement>),
    GiveUp(RelayId, Life, DeadReason),
    MarkBuried(RelayId, Life),
    BeginAgain(RelayId, Life, Again),
}

#[derive(Debug, PartialEq)]
enum Answer {
    Recorded(Result<Recorded, PortError>),
    Found(Result<Option<Box<Found>>, PortError>),
    Noted(Result<(), PortError>),
    Claimed(Result<Claim, PortError>),
    Settled(Result<Settled, PortError>),
    Begun(Result<Begun, PortError>),
    AllRecorded(Vec<Result<Recorded, PortError>>),
    AllNoted(Vec<Result<(), PortError>>),
    AllSettled(Vec<Result<Settled, PortError>>),
}

/// What a walk knows about one message.
struct Track {
    id: RelayId,
    name: String,
    messages: Vec<Message>,
    lives: Vec<Life>,
    holds: Vec<(Life, Lease)>,
}

/// What was seen on the way, to know that a walk went somewhere.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The kinds of answers, sorted, each once.
    pub answers: std::collections::BTreeSet<String>,
}

/// Walks `steps` steps from `seed` over both stores, and compares every answer, and after each step
/// what readers see. The stores must not know the messages of this seed.
///
/// # Panics
/// When the two differ; the text tells the seed, the last steps and both answers.
pub async fn compare(reference: &dyn Store, subject: &dyn Store, seed: u64, steps: usize) -> Seen {
    let mut chance = Chance::seeded(seed);
    let mut tracks: Vec<Track> = (0..MESSAGES).map(|number| Track::new(seed, number)).collect();
    let mut now = sample::START;
    let mut told: Vec<String> = Vec::new();
    let mut seen = Seen::default();
    for _ in 0..steps {
        now = now.plus(Duration::from_millis(chance.below(STEP_MILLIS_MAX)));
        let index = usize::try_from(chance.below(MESSAGES)).unwrap_or_default();
        let together = (chance.below(6) == 0).then(|| all_at_once(&mut tracks, &mut chance, now));
        let Some(track) = tracks.get_mut(index) else { continue };
        let step = together.unwrap_or_else(|| track.next_step(&mut chance, now));
        told.push(format!("{now} {step:?}"));
        let answer = take(reference, &step, now).await;
        same(&answer, &take(subject, &step, now).await, seed, &told);
        let look = Step::Find(track.id.clone());
        let view = take(reference, &look, now).await;
        same(&view, &take(subject, &look, now).await, seed, &told);
        seen.answers.insert(kind(&answer));
        track.learn(&step, answer);
    }
    seen
}

/// A step with every message of the walk.
fn all_at_once(tracks: &mut [Track], chance: &mut Chance, now: Timestamp) -> Step {
    let each = tracks.iter_mut();
    match chance.below(3) {
        0 => Step::RecordAll(each.map(|track| track.message(chance, now)).collect()),
        1 => {
            let lives = each.map(|track| (track.id.clone(), track.life(chance, now)));
            Step::MarkAll(lives.collect())
        }
        _ => Step::SettleAll(each.filter_map(|track| track.settlement(chance, now)).collect()),
    }
}

fn same(reference: &Answer, subject: &Answer, seed: u64, told: &[String]) {
    assert!(
        reference == subject,
        "seed {seed}: expected {reference:#?}\ngot {subject:#?}\nafter {:#?}",
        &told[told.len().saturating_sub(STEPS_TOLD)..]
    );
}

/// The first words of an answer: its kind without its contents.
fn kind(answer: &Answer) -> String {
    let text = format!("{answer:?}");
    text.split(['{', '[']).next().unwrap_or_default().trim().chars().take(60).collect()
}

impl Track {
    fn new(seed: u64, number: u64) -> Self {
        let name = format!("walk-{seed}-{number}");
        let id = sample::message(&name, 0).id;
        Self { id, name, messages: Vec::new(), lives: Vec::new(), holds: Vec::new() }
    }

    /// A message that was not posted before, or one that was.
    fn message(&mut self, chance: &mut Chance, now: Timestamp) -> Message {
        if chance.below(3) == 0
            && let Some(posted) = chance.pick(&self.messages)
        {
            return posted.clone();
        }
        let mut message = sample::message(&self.name, 0);
        message.accepted_id = AcceptedId::from_random(chance.bits());
        message.created_at = now;
        message.expires_at = now.plus(Duration::from_millis(1 + chance.below(TTL_MILLIS_MAX)));
        self.messages.push(message.clone());
        self.lives.push(message.first_life());
        message
    }

    /// A life that this message has, had, might have had or may have later.
    fn life(&mut self, chance: &mut Chance, now: Timestamp) -> Life {
        let newest = chance.below(3) > 0;
        let known = if newest { self.lives.last() } else { chance.pick(&self.lives) }.cloned();
        let mut life = known.unwrap_or_else(|| self.message(chance, now).first_life());
        if chance.below(20) == 0 {
            life.generation = life.generation.next();
        }
        life
    }

    fn next_step(&mut self, chance: &mut Chance, now: Timestamp) -> Step {
        let id = self.id.clone();
        match chance.below(17) {
            0 | 1 => Step::Record(Box::new(self.message(chance, now))),
            2 | 3 => Step::MarkQueued(id, self.life(chance, now)),
            4..=7 => Step::Claim(id, self.claim(chance, now)),
            8..=11 => match self.settlement(chance, now) {
                Some(settlement) => Step::Settle(settlement),
                None => Step::Claim(id, self.claim(chance, now)),
            },
            12 => Step::GiveUp(id, self.life(chance, now), reason(chance)),
            13 => Step::MarkBuried(id, self.life(chance, now)),
            14 => Step::BeginAgain(id, self.life(chance, now), again(chance)),
            15 => Step::Cancel(id, self.life(chance, now)),
            _ => Step::Find(id),
        }
    }

    fn claim(&mut self, chance: &mut Chance, now: Timestamp) -> ClaimRequest {
        let repeated = (chance.below(4) == 0).then(|| self.holds.last()).flatten();
        let lease_id = repeated.map_or_else(
            || LeaseId::from_random(chance.bits()),
            |(_, lease)| lease.lease_id.clone(),
        );
        ClaimRequest {
            life: self.life(chance, now),
            lease_id,
            lease_until: now.plus(Duration::from_millis(chance.below(WAIT_MILLIS_MAX))),
            attempts_max: u32::try_from(1 + chance.below(4)).unwrap_or(1),
            now,
        }
    }

    /// A hold without a claim, of a first generation that this message has or had.
    fn unclaimed(&mut self, chance: &mut Chance, now: Timestamp) {
        let firsts: Vec<_> = self.messages.iter().map(Message::first_life).collect();
        let newest = chance.below(3) > 0;
        let life = if newest { firsts.last() } else { chance.pick(&firsts) };
        let Some(life) = life.cloned() else { return };
        let until = now.plus(Duration::from_millis(chance.below(WAIT_MILLIS_MAX)));
        let lease_id = LeaseId::from_random(chance.bits());
        let (attempt, outcomes) = (1, Vec::new());
        self.holds.push((life, Lease { lease_id, until, attempt, outcomes, claimed: false }));
    }

    fn settlement(&mut self, chance: &mut Chance, now: Timestamp) -> Option<Settlement> {
        if chance.below(3) == 0 {
            self.unclaimed(chance, now);
        }
        let newest = chance.below(3) > 0;
        let hold = if newest { self.holds.last() } else { chance.pick(&self.holds) };
        let (life, lease) = hold?.clone();
        let wait = Duration::from_millis(chance.below(WAIT_MILLIS_MAX));
        let (status, decision) = match chance.below(4) {
            0 => (200, Decision::Delivered),
            1 => (410, Decision::GiveUp(reason(chance))),
            _ => (503, Decision::Retry { not_before: now.plus(wait) }),
        };
        let attempt = sample::attempt(lease.attempt, status);
        Some(Settlement { id: self.id.clone(), life, lease, attempt, decision, now })
    }

    /// Keeps the holds and lives that came out of a step, for later ones.
    fn learn(&mut self, step: &Step, answer: Answer) {
        if let Answer::Begun(Ok(Begun::Pending(life))) = answer {
            self.lives.push(life);
        } else if let (Step::Claim(_, claim), Answer::Claimed(Ok(Claim::Ours(lease)))) =
            (step, answer)
        {
            self.holds.push((claim.life.clone(), lease));
        }
    }
}

fn reason(chance: &mut Chance) -> DeadReason {
    let reasons = [DeadReason::Gone, DeadReason::DeadlinePassed, DeadReason::ReceiveCountExceeded];
    chance.pick(&reasons).copied().unwrap_or(DeadReason::Gone)
}

fn again(chance: &mut Chance) -> Again {
    chance.pick(&[Again::Redrive, Again::Resend]).copied().unwrap_or(Again::Redrive)
}

async fn take(store: &dyn Store, step: &Step, now: Timestamp) -> Answer {
    match step {
        Step::Record(message) => Answer::Recorded(store.record(message, now).await),
        Step::Find(id) => Answer::Found(store.find(id, now).await.map(|found| found.map(Box::new))),
        Step::MarkQueued(id, life) => Answer::Noted(store.mark_queued(id, life, now).await),
        Step::Claim(id, claim) => Answer::Claimed(store.claim(id, claim).await),
        Step::Settle(settlement) => Answer::Settled(store.settle(settlement).await),
        Step::GiveUp(id, life, reason) => {
            Answer::Settled(store.give_up(id, life, *reason, now).await)
        }
        Step::Cancel(id, life) => Answer::Settled(store.cancel(id, life, now).await),
        Step::RecordAll(messages) => Answer::AllRecorded(store.record_all(messages, now).await),
        Step::MarkAll(queued) => Answer::AllNoted(store.mark_queued_all(queued, now).await),
        Step::SettleAll(settlements) => Answer::AllSettled(store.settle_all(settlements).await),
        Step::MarkBuried(id, life) => Answer::Noted(store.mark_buried(id, life, now).await),
        Step::BeginAgain(id, life, again) => {
            Answer::Begun(store.begin_again(id, life, *again, now).await)
        }
    }
}
