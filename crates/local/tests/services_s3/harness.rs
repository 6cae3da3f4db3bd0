//! An object service per test, an SDK client, and a plain HTTP client for presigned links.

use std::path::Path;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::presigning::{PresignedRequest, PresigningConfig};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ChecksumMode;
use data_encoding::BASE64;
use relay_local::services::record::Recorder;
use relay_local::services::s3::{S3Options, S3Server};
use relay_local::services::{SECRET_ACCESS_KEY, bind};
use sha2::{Digest, Sha256};

pub(crate) const CALLER: &str = "LOCALTEST";
pub(crate) const BUCKET: &str = "relay-payloads";

pub(crate) struct Bench {
    pub(crate) server: S3Server,
    pub(crate) client: Client,
    pub(crate) recorder: Recorder,
    _folder: Option<tempfile::TempDir>,
}

impl Bench {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut bench = Self::start_in(folder.path()).await;
        bench._folder = Some(folder);
        bench
    }

    pub(crate) async fn start_in(folder: &Path) -> Self {
        let recorder = Recorder::default();
        let options = S3Options {
            listener: bind(0).await.unwrap(),
            root: folder.join("s3"),
            recorder: recorder.clone(),
        };
        let server = S3Server::start(options).await.unwrap();
        server.create_bucket(BUCKET).unwrap();
        let client = client(&server.url(), SECRET_ACCESS_KEY);
        Self { server, client, recorder, _folder: None }
    }

    pub(crate) async fn put(&self, key: &str, body: &[u8]) {
        let put = self.client.put_object().bucket(BUCKET).key(key);
        put.body(ByteStream::from(body.to_vec())).send().await.unwrap();
    }

    /// The object's bytes, or the code of the refusal.
    pub(crate) async fn get(&self, key: &str) -> Result<Vec<u8>, String> {
        let get = self.client.get_object().bucket(BUCKET).key(key);
        let got = get.checksum_mode(ChecksumMode::Enabled).send().await;
        match got {
            Ok(got) => Ok(got.body.collect().await.unwrap().to_vec()),
            Err(error) => Err(error.code().unwrap_or("none").to_owned()),
        }
    }

    pub(crate) async fn presign_put(&self, key: &str, body: &[u8]) -> PresignedRequest {
        self.client
            .put_object()
            .bucket(BUCKET)
            .key(key)
            .content_length(i64::try_from(body.len()).unwrap())
            .checksum_sha256(BASE64.encode(&Sha256::digest(body)))
            .presigned(PresigningConfig::expires_in(Duration::from_secs(60)).unwrap())
            .await
            .unwrap()
    }

    /// Files that are not objects and not notes beside one.
    pub(crate) fn left_overs(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.server.root()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with(".tmp")).collect()
    }
}

pub(crate) fn client(url: &str, secret: &str) -> Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(CALLER, secret, None, None, "test"))
        .endpoint_url(url)
        .force_path_style(true)
        .build();
    Client::from_conf(config)
}

pub(crate) fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// Sends what was presigned, with `body` and with some headers replaced.
pub(crate) async fn upload(
    presigned: &PresignedRequest,
    body: &[u8],
    replace: &[(&str, &str)],
) -> (u16, String) {
    let mut request = http().put(presigned.uri());
    for (name, value) in presigned.headers() {
        let is_replaced = replace.iter().any(|(replaced, _)| replaced.eq_ignore_ascii_case(name));
        // The client sets the length itself, from the body.
        if !is_replaced && !name.eq_ignore_ascii_case("content-length") {
            request = request.header(name, value);
        }
    }
    for (name, value) in replace {
        request = request.header(*name, *value);
    }
    let answer = request.body(body.to_vec()).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

pub(crate) fn large() -> Vec<u8> {
    (0..5_000_000_u32).map(|number| (number * 31 % 251) as u8).collect()
}
