//! Bodies on the local bucket service; links are used by a plain HTTP client.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;
use relay_aws::{Clients, Endpoints, S3Payloads};
use relay_core::body::{Pointer, Sha256};
use relay_core::ports::{OpenError, Payloads, SignedLink};
use relay_core::time::Timestamp;
use relay_local::services::bind;
use relay_local::services::record::Recorder;
use relay_local::services::s3::{S3Options, S3Server};
use relay_testkit::conformance::payloads;
use relay_testkit::sample;

use crate::{actions, clients};

const BUCKET: &str = "conformance";

struct Bench {
    server: S3Server,
    recorder: Recorder,
    clients: Clients,
    payloads: S3Payloads,
    http: reqwest::Client,
    _folder: tempfile::TempDir,
}

impl Bench {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let recorder = Recorder::default();
        let options = S3Options {
            listener: bind(0).await.unwrap(),
            root: folder.path().to_owned(),
            recorder: recorder.clone(),
        };
        let server = S3Server::start(options).await.unwrap();
        server.create_bucket(BUCKET).unwrap();
        let endpoints = Endpoints { s3: Some(server.url()), ..Endpoints::default() };
        let clients = clients(endpoints).await;
        let payloads = S3Payloads::new(&clients, BUCKET);
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { server, recorder, clients, payloads, http, _folder: folder }
    }

    async fn status(&self, link: &SignedLink, headers: &[(String, String)], bytes: Bytes) -> u16 {
        let method = link.method.parse().unwrap();
        let mut request = self.http.request(method, &link.url).body(bytes);
        for (name, value) in headers {
            // The HTTP client counts the bytes itself: what it sends is what is really there.
            if name != "content-length" {
                request = request.header(name, value);
            }
        }
        request.send().await.unwrap().status().as_u16()
    }
}

#[async_trait]
impl payloads::Bench for Bench {
    fn payloads(&self) -> &dyn Payloads {
        &self.payloads
    }

    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap())
    }

    async fn upload(&self, link: &SignedLink, bytes: Bytes) -> bool {
        self.status(link, &link.headers, bytes).await == 200
    }

    async fn download(&self, link: &SignedLink) -> Option<Bytes> {
        let answer = self.http.get(&link.url).send().await.unwrap();
        (answer.status() == 200).then_some(answer.bytes().await.unwrap())
    }
}

#[tokio::test]
async fn the_payloads_keep_the_contract_and_stay_within_their_roles() {
    let bench = Arc::new(Bench::start().await);
    payloads::run_all(Arc::clone(&bench) as Arc<dyn payloads::Bench>).await;
    assert_eq!(actions(&bench.recorder), ["s3:GetObject", "s3:ListBucket", "s3:PutObject"]);
}

#[tokio::test]
async fn an_upload_link_signs_length_and_hash() {
    let bench = Bench::start().await;
    let upload = relay_core::upload::UploadId::announce([7; 16], Sha256::of(b"body"), 4);
    let now = payloads::Bench::now(&bench);
    let link = bench.payloads.upload_link(&upload, now).await.unwrap();
    let signed = link.url.split(['?', '&']).find_map(|pair| {
        pair.strip_prefix("X-Amz-SignedHeaders=").map(|names| names.replace("%3B", ";"))
    });
    assert_eq!(signed.as_deref(), Some("content-length;host;x-amz-checksum-sha256"));
    let hash = "x-amz-checksum-sha256".to_owned();
    assert!(link.headers.iter().any(|(name, _)| *name == hash), "{:?}", link.headers);
    // Another hash, or none, is not what was signed.
    let other = [(hash, "AAAA".to_owned())];
    for headers in [&other[..], &[]] {
        assert_eq!(bench.status(&link, headers, Bytes::from_static(b"body")).await, 403);
    }
    bench.server.shutdown().await;
}

#[tokio::test]
async fn a_link_ends_when_it_says() {
    let bench = Bench::start().await;
    let pointer =
        Pointer::for_payload(BUCKET, &sample::message("ended", 1).id, Sha256::of(b"x"), 1);
    bench.payloads.put(&pointer, Bytes::from_static(b"x")).await.unwrap();
    let made = Timestamp::from_millis(payloads::Bench::now(&bench).as_millis() - 7_200_000);
    let link = bench.payloads.download_link(&pointer, made).await.unwrap();
    assert!(link.expires_at < payloads::Bench::now(&bench));
    assert_eq!(bench.status(&link, &[], Bytes::new()).await, 403);
    bench.server.shutdown().await;
}

#[tokio::test]
async fn a_missing_bucket_is_no_missing_body() {
    let bench = Bench::start().await;
    let payloads = S3Payloads::new(&bench.clients, "another");
    let error = payloads.ready().await.unwrap_err().to_string();
    assert!(error.starts_with("asking for the bucket failed: "), "{error}");
    let pointer =
        Pointer::for_payload("another", &sample::message("no-bucket", 1).id, Sha256::of(b"x"), 1);
    let opened = payloads.open(&pointer).await.map(drop);
    let Err(OpenError::Port(error)) = opened else { panic!("{opened:?}") };
    assert!(error.to_string().contains("NoSuchBucket"), "{error}");
    bench.server.shutdown().await;
}

/// A body is asked for piece by piece: whoever reads slowly holds the store back, not memory.
#[tokio::test]
async fn a_body_comes_in_pieces_as_it_is_asked_for() {
    let bench = Bench::start().await;
    let body = Bytes::from(vec![1; 8 * 1024 * 1024]);
    let pointer = Pointer::for_payload(
        BUCKET,
        &sample::message("pieces", 1).id,
        Sha256::of(&body),
        body.len() as u64,
    );
    bench.payloads.put(&pointer, body.clone()).await.unwrap();
    let mut stream = bench.payloads.open(&pointer).await.unwrap();
    let (mut pieces, mut bytes, mut largest) = (0, 0, 0);
    while let Some(piece) = stream.try_next().await.unwrap() {
        pieces += 1;
        bytes += piece.len();
        largest = largest.max(piece.len());
    }
    assert_eq!(bytes, body.len());
    assert!(pieces > 8 && largest <= 1024 * 1024, "{pieces} pieces, the largest {largest} bytes");
    bench.server.shutdown().await;
}
