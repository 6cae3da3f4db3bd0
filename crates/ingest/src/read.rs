//! Reading a message: how it stands, what its attempts came to, and its body when asked for.
//! Changes nothing. Knows nothing of HTTP.

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use relay_core::body::{Body, Pointer, Sha256};
use relay_core::identity::{RelayId, SenderId};
use relay_core::ports::{Found, OpenError, PortError, SignedLink};
use relay_core::time::Timestamp;

use crate::accept::Ports;

/// Largest body that is part of an answer, in bytes; a larger one is answered with a link. Lambda's
/// answer ends at 6 MiB, and JSON writes a byte with up to six characters.
pub const BODY_SHOWN_BYTES_MAX: u64 = 256 * 1024;

/// The body as an answer shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShownBody {
    /// Nobody asked.
    NotAsked,
    /// All of it.
    Whole(Bytes),
    /// Where to get it.
    Link(SignedLink),
    /// It is not there: not stored yet, or its time was over before the record's.
    Missing,
}

/// Why a message cannot be shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// There is no message with this id, or none any more.
    #[error("there is no message with this id")]
    NotFound,
    /// What is stored is not the body that was accepted.
    #[error("the stored body does not have the size and hash that were accepted")]
    BodyCorrupt,
    /// A port could not do its part.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// The message with this id and, when asked for, its body. A message whose sender the caller may not know is none.
///
/// # Errors
/// When there is none, or it cannot be read.
pub async fn read(
    ports: &Ports,
    id: &RelayId,
    with_body: bool,
    may_know: impl Fn(&SenderId) -> bool,
) -> Result<(Found, ShownBody), ReadError> {
    let now = ports.ambient.now();
    let found = ports.store.find(id, now).await?;
    let found = found.filter(|found| may_know(&found.message.sender_id));
    let found = found.ok_or(ReadError::NotFound)?;
    let body = match &found.message.body {
        _ if !with_body => ShownBody::NotAsked,
        Body::Inline(bytes) => ShownBody::Whole(bytes.clone()),
        Body::Stored(pointer) | Body::Unretained(pointer) => stored(ports, pointer, now).await?,
    };
    Ok((found, body))
}

async fn stored(ports: &Ports, pointer: &Pointer, now: Timestamp) -> Result<ShownBody, ReadError> {
    if pointer.bytes > BODY_SHOWN_BYTES_MAX {
        return Ok(ShownBody::Link(ports.payloads.download_link(pointer, now).await?));
    }
    let mut stream = match ports.payloads.open(pointer).await {
        Ok(stream) => stream,
        Err(OpenError::Missing) => return Ok(ShownBody::Missing),
        Err(OpenError::Port(error)) => return Err(error.into()),
    };
    let mut body = BytesMut::new();
    while let Some(chunk) = stream.next().await {
        body.extend_from_slice(&chunk?);
        if body.len() as u64 > pointer.bytes {
            return Err(ReadError::BodyCorrupt);
        }
    }
    if Sha256::of(&body) == pointer.sha256 {
        Ok(ShownBody::Whole(body.freeze()))
    } else {
        Err(ReadError::BodyCorrupt)
    }
}
