//! S3 on loopback: s3s for the protocol and signatures, s3s-fs for objects as files, and between
//! the two the checks that s3s-fs leaves out (see `files`). Path-style addresses only.
//!
//! Signatures are checked, so a presigned link holds its caller to the signed length and digest.
//! It deliberately does not do multipart uploads, versions, access policies or expiry by lifecycle
//! rules; s3s answers `NotImplemented` for what is not done.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::http::header::CONTENT_TYPE;
use ::http::{HeaderValue, Method, Response};
use hyper::service::service_fn;
use s3s::S3Result;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::net::TcpListener;
use tokio::sync::watch;

use self::files::Files;
use super::SECRET_ACCESS_KEY;
use super::http::Server;
use super::record::{RECORD_PATH, Recorder};

mod checked;
mod files;
mod keys;
mod permissions;

/// Why the object service failed.
#[derive(Debug, thiserror::Error)]
pub enum S3Error {
    /// The folder or the port could not be used.
    #[error("the object service cannot start in {folder}: {reason}")]
    Start {
        /// Folder the objects are kept in.
        folder: PathBuf,
        /// The system's reason.
        reason: String,
    },
    /// No bucket may have that name.
    #[error("{0:?} is no valid bucket name")]
    BucketName(String),
    /// The bucket's folder could not be made.
    #[error("bucket {bucket:?} cannot be made: {reason}")]
    Bucket {
        /// The bucket's name.
        bucket: String,
        /// The system's reason.
        reason: String,
    },
}

/// What the object service is started with.
pub struct S3Options {
    /// Where it listens; see [`crate::services::bind`].
    pub listener: TcpListener,
    /// Folder the objects are kept in; made if it is not there. One service at a time.
    pub root: PathBuf,
    /// Where calls are noted.
    pub recorder: Recorder,
}

/// A running object service.
pub struct S3Server {
    server: Server,
    root: PathBuf,
}

impl S3Server {
    /// Opens the folder, clears what an interrupted upload left, and serves.
    ///
    /// # Errors
    /// When the folder or the port cannot be used.
    pub async fn start(options: S3Options) -> Result<Self, S3Error> {
        let root = options.root;
        let failed = |reason: String| S3Error::Start { folder: root.clone(), reason };
        std::fs::create_dir_all(&root).map_err(|error| failed(error.to_string()))?;
        let files = Files::open(&root, options.recorder.clone()).map_err(&failed)?;
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(AnyCaller);
        builder.set_access(Noted(options.recorder.clone()));
        let front = Arc::new(Front { service: builder.build(), recorder: options.recorder });
        let handler = service_fn(move |request| Arc::clone(&front).answer(request));
        let server = Server::start(options.listener, watch::channel(false).0, handler)
            .map_err(|error| failed(error.to_string()))?;
        Ok(Self { server, root })
    }

    /// `http://127.0.0.1:<port>`: the value for `AWS_ENDPOINT_URL_S3`, with path-style addresses.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The folder the objects are kept in.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Makes a bucket, or finds it made.
    ///
    /// # Errors
    /// When the name is none a bucket may have, or its folder cannot be made.
    pub fn create_bucket(&self, bucket: &str) -> Result<(), S3Error> {
        if !s3s::path::check_bucket_name(bucket) {
            return Err(S3Error::BucketName(bucket.to_owned()));
        }
        std::fs::create_dir_all(self.root.join(bucket)).map_err(|error| S3Error::Bucket {
            bucket: bucket.to_owned(),
            reason: error.to_string(),
        })
    }

    /// Lets running requests finish and ends.
    pub async fn shutdown(self) {
        self.server.stop().await;
    }
}

struct Front {
    service: S3Service,
    recorder: Recorder,
}

impl Front {
    async fn answer(
        self: Arc<Self>,
        request: ::http::Request<hyper::body::Incoming>,
    ) -> Result<Response<s3s::Body>, s3s::HttpError> {
        if request.method() == Method::GET && request.uri().path() == RECORD_PATH {
            let mut response = Response::new(s3s::Body::from(self.recorder.to_json()));
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(CONTENT_TYPE, json);
            return Ok(response);
        }
        self.service.call(request.map(s3s::Body::from)).await
    }
}

/// Every access key id is known; all have the same secret.
struct AnyCaller;

#[async_trait::async_trait]
impl S3Auth for AnyCaller {
    async fn get_secret_key(&self, _access_key: &str) -> S3Result<SecretKey> {
        Ok(SecretKey::from(SECRET_ACCESS_KEY))
    }
}

/// Notes what a signed call needs to be allowed, and allows it. Unsigned calls are refused.
struct Noted(Recorder);

#[async_trait::async_trait]
impl S3Access for Noted {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let Some(credentials) = context.credentials() else {
            return Err(s3s::s3_error!(AccessDenied, "the request is not signed"));
        };
        let path = context.s3_path();
        let source = context.headers().get("x-amz-copy-source").and_then(|v| v.to_str().ok());
        let needed = permissions::needed(
            context.s3_op().name(),
            path.get_bucket_name().unwrap_or("*"),
            path.get_object_key(),
            source,
        );
        for (action, resource) in needed {
            self.0.record(&credentials.access_key, &action, &resource);
        }
        Ok(())
    }
}
