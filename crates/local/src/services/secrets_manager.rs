//! Secrets Manager on loopback: reading a secret and putting a new value in its place, as the service's own protocol
//! (AWS JSON 1.1) has it. Secrets are drawn when the stack first starts, and kept in files that only their owner reads.
//!
//! Deliberately left out: versions but the present one, staging labels but `AWSCURRENT`, rotation by a function,
//! encryption of the files; a signature has to be there and is not verified. What is asked for and not there is refused with the service's own error.

use std::convert::Infallible;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

mod store;

use self::store::{Kept, Store};
pub use self::store::{SecretSpecification, SecretsError};
use super::http::Server;
use super::record::{RECORD_PATH, Recorder, access_key_id};

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";
const TARGET_PREFIX: &str = "secretsmanager.";
/// Longest request body, in bytes: a secret has 64 KiB at most, which JSON may write as six times that.
const REQUEST_BYTES_MAX: usize = 512 * 1024;
/// The one staging label there is here: that of the present version.
const CURRENT: &str = "AWSCURRENT";

/// What the service is started with.
pub struct SecretsManagerOptions {
    /// Where it listens; see [`crate::services::bind`].
    pub listener: TcpListener,
    /// Folder that the secrets are kept in.
    pub folder: PathBuf,
    /// Where calls are noted.
    pub recorder: Recorder,
}

/// A running secrets service.
pub struct SecretsManagerServer {
    server: Server,
    store: Arc<Store>,
}

/// Why a call fails: the service's own kinds of errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Refusal {
    #[error("Secrets Manager can't find the specified secret.")]
    NotFound,
    #[error(
        "Secrets Manager can't find the specified secret value for this version or staging label."
    )]
    NoSuchVersion,
    #[error("You can't put another value under a version that is there already.")]
    VersionExists,
    #[error("The request is not of the form that the operation takes.")]
    Malformed,
    #[error("Only SecretString and the label AWSCURRENT are kept on this machine.")]
    NotHere,
    #[error("The request is not signed.")]
    Unsigned,
    #[error("The request is for another host.")]
    OtherHost,
    #[error("This operation is not served on this machine.")]
    UnknownOperation,
    #[error("The secret cannot be read or written.")]
    Broken,
}

impl Refusal {
    fn code(self) -> &'static str {
        match self {
            Self::NotFound | Self::NoSuchVersion => "ResourceNotFoundException",
            Self::VersionExists => "ResourceExistsException",
            Self::Malformed | Self::NotHere => "InvalidParameterException",
            Self::Unsigned => "MissingAuthenticationTokenException",
            Self::OtherHost => "AccessDeniedException",
            Self::UnknownOperation => "UnknownOperationException",
            Self::Broken => "InternalServiceError",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::Broken => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NotFound
            | Self::NoSuchVersion
            | Self::VersionExists
            | Self::Malformed
            | Self::NotHere
            | Self::Unsigned
            | Self::OtherHost
            | Self::UnknownOperation => StatusCode::BAD_REQUEST,
        }
    }
}

impl SecretsManagerServer {
    /// Serves the secrets in the folder, which is made if need be.
    ///
    /// # Errors
    /// When the folder cannot be made or the listener cannot be used.
    pub async fn start(options: SecretsManagerOptions) -> Result<Self, SecretsError> {
        let store = Arc::new(Store::open(options.folder)?);
        let (shared, recorder) = (Arc::clone(&store), options.recorder);
        let handler = service_fn(move |request| {
            let (store, recorder) = (Arc::clone(&shared), recorder.clone());
            async move { Ok::<_, Infallible>(answer(&store, &recorder, request).await) }
        });
        let server = Server::start(options.listener, watch::channel(false).0, handler)
            .map_err(SecretsError::Start)?;
        Ok(Self { server, store })
    }

    /// `http://127.0.0.1:<port>`: the value for `AWS_ENDPOINT_URL_SECRETS_MANAGER`.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Makes the secret exist: finds it, or draws it now. Its text, which is for nobody to see.
    ///
    /// # Errors
    /// When it cannot be read, drawn or written.
    pub fn create_secret(&self, wanted: &SecretSpecification) -> Result<String, SecretsError> {
        self.store.create(wanted)
    }

    /// Ends it.
    pub async fn shutdown(self) {
        self.server.stop().await;
    }
}

async fn answer(
    store: &Store,
    recorder: &Recorder,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    if request.method() == Method::GET && request.uri().path() == RECORD_PATH {
        return Response::new(Full::new(recorder.to_json().into()));
    }
    let answered = answered(store, recorder, request).await;
    let (status, body) = match answered {
        Ok(body) => (StatusCode::OK, body),
        Err(refusal) => {
            (refusal.status(), json!({ "__type": refusal.code(), "Message": refusal.to_string() }))
        }
    };
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    let content_type = http::HeaderValue::from_static(CONTENT_TYPE);
    response.headers_mut().insert(http::header::CONTENT_TYPE, content_type);
    response
}

/// A call that is let in. Signatures are not checked, as nobody here knows another secret than anybody else; a page in a
/// browser can make neither header, though, whatever name it has given to this address.
async fn answered(
    store: &Store,
    recorder: &Recorder,
    request: Request<Incoming>,
) -> Result<Json, Refusal> {
    let (head, body) = request.into_parts();
    if !is_for_loopback(&head.headers) {
        return Err(Refusal::OtherHost);
    }
    let caller = access_key_id(&head.headers, &head.uri).ok_or(Refusal::Unsigned)?;
    let body = Limited::new(body, REQUEST_BYTES_MAX).collect().await;
    let body = body.map_err(|_| Refusal::Malformed)?.to_bytes();
    let called = |action: &str, secret: &str| recorder.record(&caller, action, secret);
    call(store, &head.headers, &body, &called)
}

/// Whether the host that was asked for is this machine, by an address or by its one name.
fn is_for_loopback(headers: &HeaderMap) -> bool {
    let host = headers.get(http::header::HOST).and_then(|value| value.to_str().ok());
    let authority = host.and_then(|host| host.parse::<http::uri::Authority>().ok());
    authority.is_some_and(|authority| {
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let address = host.parse::<IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    })
}

/// Which secret a call is about, and which version of it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Named {
    secret_id: String,
    version_id: Option<String>,
    version_stage: Option<String>,
}

/// A new value of a secret.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Put {
    secret_id: String,
    client_request_token: String,
    secret_string: Option<String>,
    version_stages: Option<Vec<String>>,
}

fn call(
    store: &Store,
    headers: &HeaderMap,
    body: &[u8],
    called: &dyn Fn(&str, &str),
) -> Result<Json, Refusal> {
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok());
    let operation = target.and_then(|target| target.strip_prefix(TARGET_PREFIX));
    match operation {
        Some("GetSecretValue") => {
            let named: Named = serde_json::from_slice(body).map_err(|_| Refusal::Malformed)?;
            get(store, &named, &|secret| called("secretsmanager:GetSecretValue", secret))
        }
        Some("PutSecretValue") => {
            let put: Put = serde_json::from_slice(body).map_err(|_| Refusal::Malformed)?;
            self::put(store, put, &|secret| called("secretsmanager:PutSecretValue", secret))
        }
        Some(_) | None => Err(Refusal::UnknownOperation),
    }
}

fn get(store: &Store, named: &Named, called: &dyn Fn(&str)) -> Result<Json, Refusal> {
    let kept = find(store, &named.secret_id, called)?;
    let is_present = named.version_id.as_ref().is_none_or(|id| *id == kept.version_id);
    let is_current = named.version_stage.as_ref().is_none_or(|stage| stage == CURRENT);
    if !is_present || !is_current {
        return Err(Refusal::NoSuchVersion);
    }
    Ok(json!({
        "ARN": kept.arn,
        "Name": kept.name,
        "VersionId": kept.version_id,
        "SecretString": kept.text,
        "VersionStages": [CURRENT],
        "CreatedDate": kept.created_at_seconds,
    }))
}

fn put(store: &Store, put: Put, called: &dyn Fn(&str)) -> Result<Json, Refusal> {
    let kept = find(store, &put.secret_id, called)?;
    let only_current = put.version_stages.is_none_or(|stages| stages == [CURRENT]);
    let Some(text) = put.secret_string.filter(|_| only_current) else {
        return Err(Refusal::NotHere);
    };
    // The token is the new version's name; the same again is a call whose answer was lost.
    if put.client_request_token == kept.version_id && text != kept.text {
        return Err(Refusal::VersionExists);
    }
    let kept = kept.replaced(put.client_request_token, text);
    store.write(&kept).map_err(|error| {
        tracing::error!(%error, "a secret cannot be written");
        Refusal::Broken
    })?;
    Ok(json!({
        "ARN": kept.arn,
        "Name": kept.name,
        "VersionId": kept.version_id,
        "VersionStages": [CURRENT],
    }))
}

fn find(store: &Store, id: &str, called: &dyn Fn(&str)) -> Result<Kept, Refusal> {
    let found = store.find(id).map_err(|error| {
        tracing::error!(%error, "a secret cannot be read");
        Refusal::Broken
    })?;
    let kept = found.ok_or(Refusal::NotFound)?;
    // What comes after the account in the ARN, as the record has it of all services.
    called(kept.arn.splitn(6, ':').nth(5).unwrap_or(&kept.arn));
    Ok(kept)
}
