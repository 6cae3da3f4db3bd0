//! Signatures of requests: Standard Webhooks headers over the exact bytes of the body, with the secret that belongs to
//! the version of the key that was presented.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use bytes::Bytes;
use http::{HeaderMap, Method, Uri};
use relay_core::access::{Grant, KeyId, Purpose};
use relay_core::body::Sha256;
use relay_core::ports::Vault;
use relay_core::signature::{Claimed, TOLERANCE};
use relay_core::time::Timestamp;

use super::denied::{Denied, Unsigned};
use crate::request::REQUEST_BYTES_MAX;

/// The headers of a signature.
const HEADERS: [&str; 3] = ["webhook-id", "webhook-timestamp", "webhook-signature"];
/// The paths whose requests say by their bodies what they are, and of which a repetition does nothing.
const MESSAGE_PATHS: [&str; 3] = ["/message", "/v1/messages", "/v1/messages/bulk"];

/// A signed request that counts once: its repetition would not be harmless.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Once {
    /// What tells it from every other one, in hexadecimal digits.
    pub(super) request: String,
    /// How long that is to be kept: until the signature is too old by any clock that counts.
    pub(super) until: Timestamp,
}

impl Once {
    /// The request that was signed with this version of this key. Which of several right signatures it brings is no part
    /// of it, nor are its other headers: they are not signed.
    fn of(key: &KeyId, version: u32, claimed: &Claimed<'_>, at: Timestamp, body: &[u8]) -> Self {
        // No header holds a line feed, so no two requests make one text.
        let signed = format!("{key}\n{version}\n{}\n{}\n", claimed.id, at.as_seconds());
        let request = Sha256::of(&[signed.as_bytes(), body].concat()).to_string();
        Self { request, until: at.plus(2 * TOLERANCE) }
    }
}

/// Whether a request has a signature to be checked, or should have one.
pub(super) fn is_concerned(headers: &HeaderMap, grant: &Grant) -> bool {
    grant.require_signature || HEADERS.iter().any(|name| headers.contains_key(*name))
}

/// Whether repeating a request does no harm, whoever does it: a message is accepted once, and a read without a query
/// shows neither bodies nor secrets.
fn is_harmless(is_message: bool, method: &Method, uri: &Uri) -> bool {
    is_message || (method.is_safe() && uri.query().is_none())
}

/// The request, if it is signed rightly or need not be signed and is not; and what it counts as if it counts once. A
/// signature that is there is always checked: who sends one wants to know that it is wrong.
pub(super) async fn checked(
    request: Request,
    grant: &Grant,
    vault: &dyn Vault,
    now: Timestamp,
) -> Result<(Request, Option<Once>), Denied> {
    let Some((key, version)) = &grant.key else { return Ok((request, None)) };
    let denied = |reason: Unsigned| Denied::Unsigned(reason, key.clone());
    let is_there = |name: &&str| request.headers().contains_key(*name);
    if !HEADERS.iter().any(is_there) {
        return match grant.require_signature {
            true => Err(denied(Unsigned::Missing)),
            false => Ok((request, None)),
        };
    }
    let (parts, body) = request.into_parts();
    let claimed = claimed(&parts.headers).ok_or_else(|| denied(Unsigned::Malformed))?;
    let is_message = parts.method == Method::POST && MESSAGE_PATHS.contains(&parts.uri.path());
    if is_message && claimed.id.contains(' ') {
        return Err(denied(Unsigned::SpaceInId));
    }
    if !is_message && !is_for(claimed.id, &parts.method, &parts.uri) {
        return Err(denied(Unsigned::OtherRequest));
    }
    let master = grant.master.as_ref().ok_or_else(|| denied(Unsigned::NoSecret))?;
    let masters = vault.masters(Some(master)).await.map_err(Denied::Unknown)?;
    let purpose = Purpose::Requests { key, version: *version };
    let secret = masters.derive(master, purpose).ok_or_else(|| denied(Unsigned::NoSecret))?;
    let bytes = whole(body, key).await?;
    let at = claimed.at().and_then(|at| claimed.verify(&secret, &bytes, now).map(|()| at));
    let at = at.map_err(|error| denied(error.into()))?;
    let once = (!is_harmless(is_message, &parts.method, &parts.uri))
        .then(|| Once::of(key, *version, &claimed, at, &bytes));
    Ok((Request::from_parts(parts, Body::from(bytes)), once))
}

async fn whole(body: Body, key: &KeyId) -> Result<Bytes, Denied> {
    to_bytes(body, REQUEST_BYTES_MAX).await.map_err(|_| Denied::TooLarge(key.clone()))
}

/// What the headers say; nothing if one is missing, doubled or no text.
fn claimed(headers: &HeaderMap) -> Option<Claimed<'_>> {
    let single = |name: &str| {
        let mut values = headers.get_all(name).iter();
        let value = values.next()?;
        if values.next().is_some() { None } else { value.to_str().ok() }
    };
    let [id, timestamp, signatures] = HEADERS.map(single);
    Some(Claimed { id: id?, timestamp: timestamp?, signatures: signatures? })
}

/// Whether a signature with this id is for this request: method, path and query are not among the bytes that are signed
/// otherwise, and a signature must not be carried from one to another. A message says in its body what it is; its id has no
/// space, so it is the id of no other request.
fn is_for(id: &str, method: &Method, uri: &Uri) -> bool {
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    id.strip_prefix(method.as_str()).and_then(|rest| rest.strip_prefix(' ')) == Some(target)
}
