//! Why a request is not let in, and what it is answered. Who presents a key that is not good learns no more than that;
//! the reason is for the log.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::header;
use relay_core::access::{KeyId, Refusal, Scope, Standing};
use relay_core::ports::PortError;
use relay_core::signature::BadSignature;

use super::KeyUsed;
use super::credentials::NoKey;
use super::say::whole_seconds;
use crate::codes::Code;
use crate::problem::Problem;
use crate::request::too_large;

/// Why a request is not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Denied {
    /// Its headers bring no key.
    NoKey(NoKey),
    /// Its key is not good.
    Refused(Refusal, KeyId),
    /// Its key is good, but not its signature.
    Unsigned(Unsigned, KeyId),
    /// Its body is too large to be checked.
    TooLarge(KeyId),
    /// Its key lacks the scope.
    OutOfScope(Scope, KeyId),
    /// Its key was rotated, and this version of it may change no keys and secrets any more: who found an old one could
    /// lock its owner out.
    Superseded(KeyId),
    /// Its key has made too many requests.
    TooMany(Standing, KeyId),
    /// Its address has failed too often. The next may come after this.
    TooManyFailures(Duration),
    /// What the key is checked against cannot be had.
    Unknown(PortError),
}

/// Why a signature does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unsigned {
    /// It is missing, and the key asks for it.
    #[error(
        "this key asks for signed requests: webhook-id, webhook-timestamp and webhook-signature are missing"
    )]
    Missing,
    /// Some of its headers are missing, there more than once, or no text.
    #[error(
        "webhook-id, webhook-timestamp and webhook-signature go together, each once, in visible ASCII characters"
    )]
    Malformed,
    /// It is for a message, and named like another request.
    #[error("webhook-id of a message must not contain a space")]
    SpaceInId,
    /// It was right, and has been used.
    #[error("this signed request was made before: sign it again, with another webhook-timestamp")]
    Replayed,
    /// It is for something else.
    #[error("webhook-id must be the method, a space, and the path with its query")]
    OtherRequest,
    /// It is wrong.
    #[error("{0}")]
    Bad(#[from] BadSignature),
    /// The version of the key that was used has no signing secret, or none any more.
    #[error("this version of the key has no signing secret: rotate the key to get one")]
    NoSecret,
}

impl Denied {
    /// Whether its address failed to say who it is: that counts against the address. Who brings no key at all costs
    /// nothing and guesses nothing.
    pub(crate) const fn counts(&self) -> bool {
        match self {
            Self::NoKey(NoKey::Missing) => false,
            Self::NoKey(NoKey::Malformed | NoKey::NotBearer | NoKey::NotAKey | NoKey::TwoKeys)
            | Self::Refused(..)
            | Self::Unsigned(..) => true,
            Self::TooLarge(_)
            | Self::OutOfScope(..)
            | Self::Superseded(_)
            | Self::TooMany(..)
            | Self::TooManyFailures(_)
            | Self::Unknown(_) => false,
        }
    }

    fn key(&self) -> Option<&KeyId> {
        match self {
            Self::Refused(_, key)
            | Self::Unsigned(_, key)
            | Self::TooLarge(key)
            | Self::OutOfScope(_, key)
            | Self::Superseded(key)
            | Self::TooMany(_, key) => Some(key),
            Self::NoKey(_) | Self::TooManyFailures(_) | Self::Unknown(_) => None,
        }
    }

    fn wait(&self) -> Option<Duration> {
        match self {
            Self::TooMany(Standing { reset: wait, .. }, _) | Self::TooManyFailures(wait) => {
                Some(*wait)
            }
            Self::NoKey(_)
            | Self::Refused(..)
            | Self::Unsigned(..)
            | Self::TooLarge(_)
            | Self::OutOfScope(..)
            | Self::Superseded(_)
            | Self::Unknown(_) => None,
        }
    }

    fn problem(&self) -> Problem {
        let unauthenticated = |detail: String| Problem::new(Code::Unauthenticated, detail);
        match self {
            Self::NoKey(reason) => unauthenticated(reason.to_string()).because(reason.cause()),
            // Who presents it knows the secret, so telling where it may not be used from tells nobody else.
            Self::Refused(reason @ Refusal::AddressNotAllowed, _) => {
                let detail = "this key may not be used from this address";
                Problem::new(Code::Forbidden, detail).because(reason)
            }
            Self::Refused(
                reason @ (Refusal::Unknown
                | Refusal::WrongSecret
                | Refusal::VersionEnded
                | Refusal::Revoked
                | Refusal::Expired),
                _,
            ) => unauthenticated("this API key is not valid".to_owned()).because(reason),
            Self::Unsigned(reason, _) => unauthenticated(reason.to_string()).because(reason),
            Self::TooLarge(_) => too_large(),
            Self::OutOfScope(scope, _) => {
                let detail = format!("this needs a key with the scope {scope}");
                Problem::new(Code::Forbidden, detail).because("a missing scope")
            }
            Self::Superseded(_) => {
                let detail = "use the newest version of this key: a replaced one changes no keys and secrets";
                Problem::new(Code::Forbidden, detail).because("a replaced version")
            }
            Self::TooMany(standing, _) => {
                limited("this key has made too many requests", standing.reset)
            }
            Self::TooManyFailures(wait) => {
                limited("this address has failed to authenticate too often", *wait)
            }
            Self::Unknown(error) => error.clone().into(),
        }
    }
}

fn limited(detail: &str, wait: Duration) -> Problem {
    let seconds = whole_seconds(wait);
    let told = format!("{detail}; try again in {seconds} s");
    Problem::new(Code::RateLimited, told).because(detail)
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        let key = self.key().cloned();
        let mut response = self.problem().into_response();
        if let Some(wait) = self.wait() {
            response.headers_mut().insert(header::RETRY_AFTER, whole_seconds(wait).into());
        }
        if let Some(key) = &key {
            response.extensions_mut().insert(KeyUsed(key.clone()));
        }
        response
    }
}
