//! The ports in memory keep the contracts.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use relay_core::access::MasterSecrets;
use relay_core::ports::{Letters, Payloads, Queue, Receipt, SignedLink, Vault};
use relay_core::time::Timestamp;
use relay_testkit::conformance::{
    breakers, buckets, keys, ledger, letters, payloads, queue, replays, signing_secrets, store,
    vault,
};
use relay_testkit::memory::Received;
use relay_testkit::{
    ManualClock, MemoryBreakers, MemoryBuckets, MemoryKeys, MemoryPayloads, MemoryQueue,
    MemoryReplays, MemorySigningSecrets, MemoryStore, MemoryVault, sample, walk,
};

#[tokio::test]
async fn the_store_in_memory_keeps_the_contract() {
    store::run_all(Arc::new(MemoryStore::new())).await;
}

struct QueueBench {
    clock: ManualClock,
    queue: MemoryQueue,
}

#[async_trait]
impl queue::Bench for QueueBench {
    fn queue(&self) -> &dyn Queue {
        &self.queue
    }

    async fn receive(&self) -> Vec<Received> {
        self.queue.receive(10, queue::VISIBILITY)
    }

    async fn delete(&self, receipt: &Receipt) {
        self.queue.delete(receipt);
    }

    async fn receive_dead(&self) -> Vec<Received> {
        let letters = self.queue.dead_letters().into_iter().map(|letter| Received {
            text: letter.text,
            attributes: letter.attributes.into_iter().map(|(n, v)| (n.to_owned(), v)).collect(),
            receipt: Receipt(String::new()),
            receives: 1,
        });
        letters.collect()
    }

    fn advance(&self, step: Duration) {
        self.clock.advance(step);
    }
}

#[tokio::test]
async fn the_queue_in_memory_keeps_the_contract() {
    queue::run_all(|_| async {
        let clock = ManualClock::starting_at(sample::START);
        let queue = MemoryQueue::new(clock.clone());
        Arc::new(QueueBench { clock, queue }) as Arc<dyn queue::Bench>
    })
    .await;
}

#[async_trait]
impl letters::Bench for QueueBench {
    fn letters(&self) -> &dyn Letters {
        &self.queue
    }

    fn queue(&self) -> &dyn Queue {
        &self.queue
    }

    async fn move_all(&self) {
        self.queue.move_received_often(0);
    }

    fn advance(&self, step: Duration) {
        self.clock.advance(step);
    }
}

#[tokio::test]
async fn the_dead_letter_queue_in_memory_keeps_the_contract() {
    letters::run_all(|_| async {
        let clock = ManualClock::starting_at(sample::START);
        let queue = MemoryQueue::new(clock.clone());
        Arc::new(QueueBench { clock, queue }) as Arc<dyn letters::Bench>
    })
    .await;
}

#[tokio::test]
async fn the_ledger_in_memory_keeps_the_contract() {
    ledger::run_all(|_| async {
        let store = MemoryStore::new();
        ledger::Subject { store: Arc::new(store.clone()), ledger: Arc::new(store) }
    })
    .await;
}

struct PayloadsBench(MemoryPayloads);

#[async_trait]
impl payloads::Bench for PayloadsBench {
    fn payloads(&self) -> &dyn Payloads {
        &self.0
    }

    fn now(&self) -> Timestamp {
        sample::START
    }

    async fn upload(&self, link: &SignedLink, bytes: Bytes) -> bool {
        self.0.upload(link, bytes)
    }

    async fn download(&self, link: &SignedLink) -> Option<Bytes> {
        self.0.download(link)
    }
}

#[tokio::test]
async fn the_breakers_in_memory_keep_the_contract() {
    breakers::run_all(Arc::new(MemoryBreakers::new())).await;
}

#[tokio::test]
async fn the_api_keys_in_memory_keep_the_contract() {
    keys::run_all(Arc::new(MemoryKeys::new())).await;
}

#[tokio::test]
async fn the_signing_records_in_memory_keep_the_contract() {
    signing_secrets::run_all(Arc::new(MemorySigningSecrets::new())).await;
}

#[tokio::test]
async fn the_buckets_in_memory_keep_the_contract() {
    buckets::run_all(Arc::new(MemoryBuckets::new())).await;
}

#[tokio::test]
async fn the_notes_in_memory_keep_the_contract() {
    replays::run_all(Arc::new(MemoryReplays::new())).await;
}

struct VaultBench(MemoryVault);

#[async_trait]
impl vault::Bench for VaultBench {
    fn vault(&self) -> &dyn Vault {
        &self.0
    }

    async fn set(&self, json: &str) {
        self.0.set(MasterSecrets::parse(json).unwrap());
    }

    fn advance(&self, _step: Duration) {}
}

#[tokio::test]
async fn the_vault_in_memory_keeps_the_contract() {
    vault::run_all(|_| async { Arc::new(VaultBench(MemoryVault::new())) as Arc<dyn vault::Bench> })
        .await;
}

#[tokio::test]
async fn the_payloads_in_memory_keep_the_contract() {
    payloads::run_all(Arc::new(PayloadsBench(MemoryPayloads::new("bucket")))).await;
}

/// A walk that never leaves the first states would prove nothing about the others.
#[tokio::test]
async fn walks_meet_every_kind_of_answer() {
    let mut answers = std::collections::BTreeSet::new();
    for seed in 0..50 {
        let (one, other) = (MemoryStore::new(), MemoryStore::new());
        answers.extend(walk::compare(&one, &other, seed, 100).await.answers);
    }
    let all = [
        "AllNoted(",
        "AllRecorded(",
        "AllSettled(",
        "Begun(Ok(Pending(Life",
        "Begun(Ok(Refused))",
        "Claimed(Ok(Ahead))",
        "Claimed(Ok(AlreadyFinal(State",
        "Claimed(Ok(Exhausted))",
        "Claimed(Ok(HeldByOther",
        "Claimed(Ok(NotYet",
        "Claimed(Ok(Ours(Lease",
        "Claimed(Ok(Superseded(State",
        "Found(Ok(None))",
        "Found(Ok(Some(Found",
        "Noted(Ok(()))",
        "Recorded(Ok(Existing(Message",
        "Recorded(Ok(New))",
        "Settled(Ok(Done(State",
        "Settled(Ok(Lost))",
    ];
    let answers: Vec<_> = answers.iter().map(String::as_str).collect();
    assert_eq!(answers, all);
}
