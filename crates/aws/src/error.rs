//! What the SDK's errors become: the code and message of the service, never the request, which may
//! hold a customer's body or a signed link.

use std::error::Error;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use relay_core::ports::PortError;

/// How much of a message is kept, in characters: services can be wordy, log lines should not be.
const REASON_CHARACTERS_MAX: usize = 300;
/// How deep a chain of causes is followed; real ones have three or four links.
const CAUSES_MAX: usize = 8;

/// The error of a call that did not do what was asked, or did it without saying so.
pub(crate) fn unavailable<E, R>(action: &'static str, error: &SdkError<E, R>) -> PortError
where
    E: ProvideErrorMetadata,
{
    let reason = match error {
        SdkError::ServiceError(answer) => {
            let code = answer.err().code().unwrap_or("an error without a code");
            match answer.err().message() {
                Some(message) => format!("{code}: {message}"),
                None => code.to_owned(),
            }
        }
        SdkError::TimeoutError(_) => "no answer in time".to_owned(),
        SdkError::DispatchFailure(failure) => match failure.as_connector_error() {
            Some(cause) => format!("not sent: {}", chain(cause)),
            None => "not sent".to_owned(),
        },
        SdkError::ResponseError(_) => "the answer could not be read".to_owned(),
        SdkError::ConstructionFailure(_) => "the request could not be built".to_owned(),
        // The SDK may grow further kinds.
        _ => "the call failed".to_owned(),
    };
    failed(action, &reason)
}

/// An error in our own words.
pub(crate) fn failed(action: &'static str, reason: &str) -> PortError {
    PortError::Unavailable { action, reason: reason.chars().take(REASON_CHARACTERS_MAX).collect() }
}

/// The error and what caused it, outermost first.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    for _ in 0..CAUSES_MAX {
        let Some(inner) = cause else { break };
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
