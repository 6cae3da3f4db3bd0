//! What kind of failure the HTTP client met.

use std::error::Error;

use relay_core::outcome::ErrorKind;
use relay_core::ports::PortError;

use super::resolver::PreflightError;

/// The kind of a failed exchange, read from the error's chain of causes by type, never by text.
pub(super) fn kind_of(error: &reqwest::Error) -> ErrorKind {
    if let Some(kind) = causes(error).find_map(kind_of_cause) {
        kind
    } else if error.is_timeout() {
        ErrorKind::Timeout
    } else if error.is_connect() {
        ErrorKind::Connect
    } else {
        ErrorKind::Network
    }
}

/// Whether an HTTP/2 target said that it has not looked at the request: it was refused as a stream (RFC 9113 section
/// 8.7), or came after the last one that a connection in its good end still took (section 6.8).
pub(super) fn was_not_looked_at(error: &reqwest::Error) -> bool {
    let told = causes(error).find_map(|cause| cause.downcast_ref::<h2::Error>());
    told.is_some_and(|told| {
        told.is_remote()
            && (told.is_reset() && told.reason() == Some(h2::Reason::REFUSED_STREAM)
                || told.is_go_away() && told.reason() == Some(h2::Reason::NO_ERROR))
    })
}

/// An error and what lies below it.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |cause| next_cause(*cause))
}

fn kind_of_cause(cause: &(dyn Error + 'static)) -> Option<ErrorKind> {
    if let Some(preflight) = cause.downcast_ref::<PreflightError>() {
        return Some(match preflight {
            PreflightError::Refused(_) => ErrorKind::AddressRefused,
            PreflightError::Dns { .. } => ErrorKind::Dns,
        });
    }
    // The body that was being sent came to an end too early: our trouble, not the target's.
    if cause.is::<PortError>() {
        return Some(ErrorKind::BodyUnavailable);
    }
    cause.is::<rustls::Error>().then_some(ErrorKind::Tls)
}

/// The cause below this one. An I/O error's own `source` skips the error that it wraps.
fn next_cause<'a>(cause: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => cause.source(),
    }
}
