//! The event source between queue and workers, as Lambda's is: it hides what it hands out, deletes what the answer
//! does not name as failed, and promises neither order nor to hand an item out once nor that a delete arrives.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use relay_core::envelope::{
    DEAD_LETTER_ATTRIBUTE, DELAY_ATTRIBUTE, Envelope, dead_letter_generation,
};
use relay_core::invariants::Host;
use relay_testkit::memory::Received;
use relay_testkit::sample;
use relay_worker::{Item, Worker};

use crate::hosts::{Machine, Services};
use crate::mortal::Mortal;

/// How long an environment waits for items at most before it looks again.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// How many awaits an invocation that dies reaches at most.
const AWAITS_MAX: u64 = 40;
/// How many invocations an environment serves at most before it is replaced.
const INVOCATIONS_MAX: u64 = 20;

/// The event source of a world.
pub(crate) struct EventSource {
    pub(crate) services: Arc<Services>,
    /// Invocations under way.
    pub(crate) busy: AtomicUsize,
}

/// Who the event source is in reports.
const SOURCE: Host = Host(0);

impl EventSource {
    /// One environment after the other, for ever.
    pub(crate) async fn run_environments(&self) {
        loop {
            let machine = self.services.start();
            let worker = self.services.worker(&machine);
            let reads_next = self.services.weather.is_calm() || self.services.dice.happens(500);
            for _ in 0..self.services.dice.between(1, INVOCATIONS_MAX) {
                let received = self.receive().await;
                self.busy.fetch_add(1, Ordering::SeqCst);
                let survived = self.invoke(&machine, &worker, received, reads_next).await;
                self.busy.fetch_sub(1, Ordering::SeqCst);
                if !survived {
                    break;
                }
            }
        }
    }

    /// Waits for items.
    async fn receive(&self) -> Vec<Received> {
        let Services { plan, dice, clock, watch, weather, queue, .. } = &*self.services;
        loop {
            let changed = watch.queue_changed.notified();
            if plan.receipts_max > 0 {
                self.services.watched(queue, SOURCE).move_received_often(plan.receipts_max);
            }
            let doubled = weather.strikes(plan.source_faults);
            let visibility = plan.visibility();
            let received =
                dice.with(|chance| queue.receive_by(chance, plan.batch, visibility, doubled));
            if !received.is_empty() {
                return received;
            }
            let next = queue.next_visible_at().map(|next| next.since(clock.now()));
            let wait = next.unwrap_or(LOOK_AGAIN).clamp(Duration::from_millis(1), LOOK_AGAIN);
            tokio::select! {
                biased;
                () = changed => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// One invocation; false if the environment is gone afterwards.
    async fn invoke(
        &self,
        machine: &Machine,
        worker: &Worker,
        received: Vec<Received>,
        reads_next: bool,
    ) -> bool {
        let Services { plan, dice, watch, weather, .. } = &*self.services;
        let items: Vec<Item> = received.iter().map(|item| self.item(item, reads_next)).collect();
        let names: Vec<&str> = received.iter().map(|item| item.receipt.0.as_str()).collect();
        watch.note(machine.host, &format!("is invoked with {}", names.join(", ")));
        let ends = machine.ambient.now().plus(plan.function_timeout);
        let dies = weather.strikes(plan.deaths);
        let awaits = dies.then(|| dice.between(1, AWAITS_MAX));
        let work = Mortal::new(worker.deliver_batch(&items, ends), awaits);
        let now = self.services.clock.now().since(sample::START);
        let kill = plan.kills.iter().find(|kill| now < **kill).map(|kill| *kill - now);
        let limit = plan.function_timeout.min(kill.unwrap_or(plan.function_timeout));
        let Ok(Some(answer)) = tokio::time::timeout(limit, work).await else {
            watch.died(machine.host, "the worker dies");
            return false;
        };
        let failed: BTreeSet<&str> = answer.failed().collect();
        watch.note(machine.host, &format!("answers with {} failed", failed.len()));
        if weather.strikes(plan.source_faults) {
            watch.note(SOURCE, "the answer is lost");
            return true;
        }
        let queue = self.services.watched(&self.services.queue, SOURCE);
        for item in received.iter().filter(|item| !failed.contains(item.receipt.0.as_str())) {
            if weather.strikes(plan.source_faults) {
                watch.note(SOURCE, &format!("the delete of {} is lost", item.receipt.0));
            } else {
                queue.delete(&item.receipt, &item.text);
            }
        }
        true
    }

    fn item(&self, received: &Received, reads_next: bool) -> Item {
        let marked = received.attributes.get(DEAD_LETTER_ATTRIBUTE);
        Item {
            item_id: received.receipt.0.clone(),
            receipt: received.receipt.clone(),
            text: self.text(&received.text, reads_next).into(),
            receipts: received.receives,
            available_at: None,
            dead_letter: marked.and_then(|generation| dead_letter_generation(generation)),
            is_delayed: received.attributes.contains_key(DELAY_ATTRIBUTE),
        }
    }

    /// The text as it would be in the queue if other code than today's had written it. Of some messages all items
    /// are garbled; of others they have fields that today's code does not know, and for workers of today's code a
    /// version that they cannot read.
    fn text(&self, text: &str, reads_next: bool) -> String {
        let Services { plan, weather, .. } = &*self.services;
        let Some((_, life)) = Envelope::identity_in(text) else { return text.to_owned() };
        let drawn = life.accepted_id.as_str().bytes().map(u64::from).sum::<u64>() * 37 % 1000;
        if drawn < plan.garbled {
            return text.replace(r#""method":"#, r#""meth0d":"#);
        }
        if drawn >= plan.next_version {
            return text.to_owned();
        }
        let text = text.replacen(",", r#","fieldOfTheNextVersion":{"a":[1,null]},"#, 1);
        if reads_next || weather.is_calm() { text } else { sample::newer(&text) }
    }
}
