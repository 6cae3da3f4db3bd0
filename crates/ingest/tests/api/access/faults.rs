//! The ports of access with faults, and what comes of them.

use async_trait::async_trait;
use http::StatusCode;
use relay_core::access::{
    KeyId, KeyRecord, MasterId, MasterSecrets, RateLimit, SigningRecord, Taken,
};
use relay_core::identity::SenderId;
use relay_core::ports::{
    Buckets, Cursor, Keys, Page, PortError, Replays, RevisionWritten, SigningSecrets, StoredKey,
    Vault,
};
use relay_core::time::Timestamp;
use relay_testkit::{MemoryBuckets, MemoryKeys, MemoryReplays, MemorySigningSecrets, MemoryVault};

use super::holder::{Ask, guarded, post_key, rules};
use crate::faults::{Fault, Faulty};

#[async_trait]
impl Keys for Faulty<MemoryKeys> {
    async fn find(&self, id: &KeyId) -> Result<Option<StoredKey>, PortError> {
        self.faults.around("find key", self.port.find(id)).await
    }

    async fn write(&self, record: &KeyRecord) -> Result<RevisionWritten<KeyRecord>, PortError> {
        self.faults.around("write key", self.port.write(record)).await
    }

    async fn list(&self, after: Option<&Cursor>) -> Result<Page<StoredKey>, PortError> {
        self.faults.around("list keys", self.port.list(after)).await
    }

    async fn note_use(&self, id: &KeyId, at: Timestamp) -> Result<(), PortError> {
        self.faults.around("note use", self.port.note_use(id, at)).await
    }
}

#[async_trait]
impl SigningSecrets for Faulty<MemorySigningSecrets> {
    async fn find(&self, sender: &SenderId) -> Result<Option<SigningRecord>, PortError> {
        self.faults.around("find secret", self.port.find(sender)).await
    }

    async fn write(
        &self,
        record: &SigningRecord,
    ) -> Result<RevisionWritten<SigningRecord>, PortError> {
        self.faults.around("write secret", self.port.write(record)).await
    }

    async fn list(&self, after: Option<&Cursor>) -> Result<Page<SigningRecord>, PortError> {
        self.faults.around("list secrets", self.port.list(after)).await
    }
}

#[async_trait]
impl Buckets for Faulty<MemoryBuckets> {
    async fn take_enough(
        &self,
        name: &str,
        limit: RateLimit,
        enough: u32,
        wanted: u32,
        now: Timestamp,
    ) -> Result<Taken, PortError> {
        let taken = self.port.take_enough(name, limit, enough, wanted, now);
        self.faults.around("take", taken).await
    }
}

#[async_trait]
impl Replays for Faulty<MemoryReplays> {
    async fn is_first(
        &self,
        request: &str,
        by: &str,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<bool, PortError> {
        self.faults.around("is first", self.port.is_first(request, by, until, now)).await
    }
}

#[async_trait]
impl Vault for Faulty<MemoryVault> {
    async fn masters(&self, wanted: Option<&MasterId>) -> Result<MasterSecrets, PortError> {
        self.faults.around("masters", self.port.masters(wanted)).await
    }
}

#[tokio::test]
async fn a_key_that_cannot_be_read_lets_nobody_in() {
    let relay = guarded(&[]);
    let key = relay.key(1, rules());
    for fault in [Fault::Before, Fault::After] {
        relay.faults.plan("find key", fault);
        let answer = Ask::get("/health/ready").key(&key).of(&relay).await;
        assert_eq!(
            (answer.status, answer.code()),
            (StatusCode::SERVICE_UNAVAILABLE, "SYSTEM_ERROR")
        );
        assert_eq!(answer.headers["retry-after"], "5");
        assert!(!answer.json.to_string().contains("secret internals"));
    }
    // Nothing of the failure is remembered, and it counts against nobody.
    let answer = Ask::get("/health/ready").key(&key).of(&relay).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(relay.buckets.names(), [format!("KEY#{}", key.id())]);
}

#[tokio::test]
async fn a_bucket_that_cannot_be_reached_holds_nobody_up() {
    let relay = guarded(&[("RATE_LIMIT_PER_SECOND", "100"), ("RATE_LIMIT_BURST", "100")]);
    let key = relay.key(1, rules());
    for _ in 0..50 {
        relay.faults.plan("take", Fault::Before);
    }
    for number in 0..50 {
        let answer = Ask::get("/health/ready").key(&key).of(&relay).await;
        assert_eq!(answer.status, StatusCode::OK, "{number}");
        assert!(answer.headers.contains_key("ratelimit"));
    }
    assert!(relay.faults.calls().contains(&"take"));
}

#[tokio::test]
async fn while_the_bucket_cannot_be_reached_an_environment_keeps_the_limit_by_itself() {
    let relay = guarded(&[("RATE_LIMIT_PER_SECOND", "1"), ("RATE_LIMIT_BURST", "20")]);
    let key = relay.key(1, rules());
    let mut passed = 0;
    for _ in 0..40 {
        relay.faults.plan("take", Fault::Before);
        let answer = Ask::get("/health/ready").key(&key).of(&relay).await;
        passed += usize::from(answer.status == StatusCode::OK);
    }
    assert_eq!(passed, 20);
    assert_eq!(relay.buckets.calls(), 0);
}

#[tokio::test]
async fn a_use_that_cannot_be_noted_is_answered_all_the_same() {
    for fault in [Fault::Before, Fault::Hangs] {
        let relay = guarded(&[]);
        let key = relay.key(1, rules());
        relay.faults.plan("note use", fault);
        let answer = Ask::get("/health/ready").key(&key).of(&relay).await;
        assert_eq!(answer.status, StatusCode::OK, "{fault:?}");
    }
}

#[tokio::test]
async fn without_the_vault_no_key_is_made_and_no_signature_passes() {
    let relay = guarded(&[]);
    let admin = relay.key(1, rules());
    relay.faults.plan("masters", Fault::Before);
    assert_eq!(post_key(&relay, &admin, "{}").await.code(), "VALIDATION_ERROR");
    let good = r#"{"name":"a","senders":["a"],"scopes":["send"]}"#;
    assert_eq!(post_key(&relay, &admin, good).await.code(), "SYSTEM_ERROR");
    relay.faults.plan("masters", Fault::Before);
    let signed = Ask::get("/health/ready")
        .key(&admin)
        .header("webhook-id", "GET /health/ready")
        .header("webhook-timestamp", "1")
        .header("webhook-signature", "v1,AAAA");
    assert_eq!(signed.of(&relay).await.code(), "SYSTEM_ERROR");
    assert!(relay.keys.calls().writes == 0);
}
