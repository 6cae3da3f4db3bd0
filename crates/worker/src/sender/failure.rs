//! What kind of failure the HTTP client met.

use std::error::Error;

use relay_core::outcome::ErrorKind;
use relay_core::ports::PortError;

use super::resolver::PreflightError;

/// The kind of a failed exchange, read from the error's chain of causes by type, never by text.
pub(super) fn kind_of(error: &reqwest::Error) -> ErrorKind {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(current) = cause {
        if let Some(kind) = kind_of_cause(current) {
            return kind;
        }
        cause = next_cause(current);
    }
    if error.is_timeout() {
        ErrorKind::Timeout
    } else if error.is_connect() {
        ErrorKind::Connect
    } else {
        ErrorKind::Network
    }
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
