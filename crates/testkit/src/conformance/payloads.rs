//! What every store of bodies must do. Links are used by somebody outside, so each implementation
//! brings a [`Bench`] that uses them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;
use relay_core::body::{Pointer, Sha256};
use relay_core::identity::RelayId;
use relay_core::ports::{OpenError, Payloads, SignedLink};
use relay_core::time::Timestamp;
use relay_core::upload::UploadId;

use super::{Case, cases};
use crate::ambient::Chance;
use crate::sample;

/// A size that no buffer on the way holds at once.
const LARGE_BYTES: usize = 5 * 1024 * 1024 + 13;

/// A store of bodies with what tests need besides the port.
#[async_trait]
pub trait Bench: Send + Sync {
    /// The port under test.
    fn payloads(&self) -> &dyn Payloads;
    /// The present, as whoever checks the links has it.
    fn now(&self) -> Timestamp;
    /// Sends `bytes` to an upload link, with its method and its headers but a length of their own.
    /// Whether they were taken.
    async fn upload(&self, link: &SignedLink, bytes: Bytes) -> bool;
    /// Gets what is behind a download link, if it is served.
    async fn download(&self, link: &SignedLink) -> Option<Bytes>;
}

/// A store of bodies under test.
pub type Subject = Arc<dyn Bench>;

/// Every case. They share the one store.
pub fn all() -> Vec<Case<Subject>> {
    use super::payloads;
    cases![payloads::{
        a_body_is_read_as_it_was_stored,
        f05_storing_twice_is_harmless,
        f16_a_missing_body_is_said_to_be_missing,
        a_finished_upload_is_adopted,
        what_was_not_uploaded_is_not_adopted,
        an_upload_link_takes_the_announced_bytes_only,
        a_download_link_gives_the_body,
        links_are_not_shown,
        the_bucket_says_that_it_is_ready,
    }]
}

/// Runs every case.
///
/// # Panics
/// When a case fails; the text names each.
pub async fn run_all(bench: Subject) {
    super::run(all(), |_| std::future::ready(Arc::clone(&bench))).await;
}

fn id(name: &str) -> RelayId {
    sample::message(name, 1).id
}

fn pointer(bench: &Subject, name: &str, body: &[u8]) -> Pointer {
    let bucket = bench.payloads().bucket();
    Pointer::for_payload(bucket, &id(name), Sha256::of(body), body.len() as u64)
}

fn upload_of(name: &str, body: &[u8]) -> UploadId {
    let mut random = [0; 16];
    random.copy_from_slice(&Sha256::of(name.as_bytes()).as_bytes()[..16]);
    UploadId::announce(random, Sha256::of(body), body.len() as u64)
}

fn large() -> Bytes {
    let mut chance = Chance::seeded(1);
    (0..LARGE_BYTES).map(|_| chance.next() as u8).collect()
}

async fn read(bench: &Subject, pointer: &Pointer) -> Vec<u8> {
    let stream = bench.payloads().open(pointer).await.unwrap();
    let pieces: Vec<Bytes> = stream.try_collect().await.unwrap();
    pieces.concat()
}

async fn is_missing(bench: &Subject, pointer: &Pointer) -> bool {
    matches!(bench.payloads().open(pointer).await, Err(OpenError::Missing))
}

async fn a_body_is_read_as_it_was_stored(bench: Subject) {
    for body in [Bytes::new(), Bytes::from_static(b"\x00\xff"), large()] {
        let pointer = pointer(&bench, "payload-stored", &body);
        bench.payloads().put(&pointer, body.clone()).await.unwrap();
        assert!(read(&bench, &pointer).await == body, "{} bytes", body.len());
    }
}

async fn f05_storing_twice_is_harmless(bench: Subject) {
    let pointer = pointer(&bench, "payload-twice", b"twice");
    for _ in 0..2 {
        bench.payloads().put(&pointer, Bytes::from_static(b"twice")).await.unwrap();
    }
    assert_eq!(read(&bench, &pointer).await, b"twice");
}

async fn f16_a_missing_body_is_said_to_be_missing(bench: Subject) {
    assert!(is_missing(&bench, &pointer(&bench, "payload-missing", b"never stored")).await);
}

async fn a_finished_upload_is_adopted(bench: Subject) {
    let body = large();
    let upload = upload_of("payload-adopted", &body);
    let pointer = pointer(&bench, "payload-adopted", &body);
    let link = bench.payloads().upload_link(&upload, bench.now()).await.unwrap();
    assert!(bench.upload(&link, body.clone()).await);
    // Accepting the same message again adopts again.
    for _ in 0..2 {
        assert_eq!(bench.payloads().adopt(&upload, &pointer).await, Ok(true));
        assert!(read(&bench, &pointer).await == body);
    }
}

async fn what_was_not_uploaded_is_not_adopted(bench: Subject) {
    let upload = upload_of("payload-not-uploaded", b"never uploaded");
    let pointer = pointer(&bench, "payload-not-uploaded", b"never uploaded");
    assert_eq!(bench.payloads().adopt(&upload, &pointer).await, Ok(false));
    assert!(is_missing(&bench, &pointer).await);
}

async fn an_upload_link_takes_the_announced_bytes_only(bench: Subject) {
    let upload = upload_of("payload-announced", b"announced");
    let pointer = pointer(&bench, "payload-announced", b"announced");
    let link = bench.payloads().upload_link(&upload, bench.now()).await.unwrap();
    assert_eq!(link.method, "PUT");
    assert!(link.expires_at > bench.now());
    for other in [&b"ANNOUNCED"[..], b"announced.", b"announce", b""] {
        assert!(!bench.upload(&link, Bytes::from_static(other)).await, "{other:?}");
        assert_eq!(bench.payloads().adopt(&upload, &pointer).await, Ok(false), "{other:?}");
    }
    assert!(bench.upload(&link, Bytes::from_static(b"announced")).await);
    assert_eq!(bench.payloads().adopt(&upload, &pointer).await, Ok(true));
}

async fn a_download_link_gives_the_body(bench: Subject) {
    let pointer = pointer(&bench, "payload-download", b"download");
    bench.payloads().put(&pointer, Bytes::from_static(b"download")).await.unwrap();
    let link = bench.payloads().download_link(&pointer, bench.now()).await.unwrap();
    assert_eq!(link.method, "GET");
    assert_eq!(bench.download(&link).await.as_deref(), Some(&b"download"[..]));
    let missing = self::pointer(&bench, "payload-download", b"missing");
    let link = bench.payloads().download_link(&missing, bench.now()).await.unwrap();
    assert_eq!(bench.download(&link).await, None);
}

async fn links_are_not_shown(bench: Subject) {
    let upload = upload_of("payload-shown", b"shown");
    let link = bench.payloads().upload_link(&upload, bench.now()).await.unwrap();
    assert!(!format!("{link:?}").contains("http"), "{link:?}");
}

async fn the_bucket_says_that_it_is_ready(bench: Subject) {
    assert_eq!(bench.payloads().ready().await, Ok(()));
}
