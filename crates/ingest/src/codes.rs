//! The table of error codes: each with its HTTP status and title. Clients branch on the code, so a code
//! never changes its meaning. `docs/errors` has one page for each.
//!
//! What went wrong in a single case is said by the problem document, not here.

use http::StatusCode;

/// What a problem's `type` begins with. It names the problem and leads nowhere (RFC 9457 section 3.1.1):
/// the pages are part of the repository and have no address of their own.
const TYPE_PREFIX: &str = "urn:webhook-relay:";

/// What went wrong, as clients read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// The request does not have the form asked for.
    ValidationError,
    /// The body is larger than the relay takes.
    PayloadTooLarge,
    /// The request's content type or content encoding is not one the relay reads.
    UnsupportedMediaType,
    /// The message id belongs to a message with other content.
    MessageIdReused,
    /// The target's address is one the relay does not send to.
    TargetRefused,
    /// The request has no key, or none that is valid, or a wrong signature.
    Unauthenticated,
    /// The key is valid, but not for this.
    Forbidden,
    /// There is no such message, or no such route.
    NotFound,
    /// The route exists, but not for this method.
    MethodNotAllowed,
    /// What was asked does not follow from the state that the message, key or secret is in.
    StateConflict,
    /// The key, or the source address, has made too many requests.
    RateLimited,
    /// The relay could not do its part; the same request may succeed later.
    SystemError,
}

impl Code {
    /// Every code, in the order the documents list them.
    pub const ALL: [Self; 12] = [
        Self::ValidationError,
        Self::PayloadTooLarge,
        Self::UnsupportedMediaType,
        Self::MessageIdReused,
        Self::TargetRefused,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::StateConflict,
        Self::RateLimited,
        Self::SystemError,
    ];

    /// The code as answers, logs and documents write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ValidationError => "VALIDATION_ERROR",
            Self::PayloadTooLarge => "PAYLOAD_TOO_LARGE",
            Self::UnsupportedMediaType => "UNSUPPORTED_MEDIA_TYPE",
            Self::MessageIdReused => "MESSAGE_ID_REUSED",
            Self::TargetRefused => "TARGET_REFUSED",
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Forbidden => "FORBIDDEN",
            Self::NotFound => "NOT_FOUND",
            Self::MethodNotAllowed => "METHOD_NOT_ALLOWED",
            Self::StateConflict => "STATE_CONFLICT",
            Self::RateLimited => "RATE_LIMITED",
            Self::SystemError => "SYSTEM_ERROR",
        }
    }

    /// The HTTP status it is answered with.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::ValidationError => StatusCode::BAD_REQUEST,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::MessageIdReused | Self::TargetRefused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::StateConflict => StatusCode::CONFLICT,
            Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::SystemError => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// What every case of it has in common, in a few words.
    pub const fn title(self) -> &'static str {
        match self {
            Self::ValidationError => "the request is not valid",
            Self::PayloadTooLarge => "the body is too large",
            Self::UnsupportedMediaType => "the request is not JSON",
            Self::MessageIdReused => "the message id belongs to another message",
            Self::TargetRefused => "the relay does not send to this target",
            Self::Unauthenticated => "a valid API key is needed",
            Self::Forbidden => "the API key does not allow this",
            Self::NotFound => "there is nothing here",
            Self::MethodNotAllowed => "the method is not allowed here",
            Self::StateConflict => "the present state does not allow this",
            Self::RateLimited => "too many requests",
            Self::SystemError => "the relay cannot do this now",
        }
    }

    /// The `type` of the problem document.
    pub fn problem_type(self) -> String {
        format!("{TYPE_PREFIX}{}", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    fn root() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
    }

    #[test]
    fn every_code_has_one_page_and_every_page_a_code() {
        let folder = root().join("docs/errors");
        let pages: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|page| page.unwrap().file_name().into_string().unwrap())
            .collect();
        let codes: BTreeSet<String> =
            Code::ALL.iter().map(|code| format!("{}.md", code.as_str())).collect();
        assert_eq!(pages, codes);
    }

    #[test]
    fn each_page_tells_its_code_status_and_title() {
        for code in Code::ALL {
            let page =
                std::fs::read_to_string(root().join(format!("docs/errors/{}.md", code.as_str())))
                    .unwrap();
            assert!(page.starts_with(&format!("# {}\n", code.as_str())), "{code:?}");
            let status = format!("**{}** · {}", code.status().as_u16(), code.title());
            assert!(page.contains(&status), "{code:?} lacks {status:?}");
        }
    }
}
