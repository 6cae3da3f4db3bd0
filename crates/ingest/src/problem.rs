//! Errors as clients get them: problem documents (RFC 9457), and the one table from what went wrong in
//! a use case to what is answered.
//!
//! A handler answers with a [`Problem`]; [`observe`](crate::observe) writes it out, because only there
//! the correlation id is known on every path.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use relay_core::identity::CorrelationId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::accept::AcceptError;
use crate::codes::Code;
use crate::mistakes::{Mistake, Mistakes};
use crate::observe::Facts;
use crate::read::ReadError;
use relay_core::ports::PortError;

/// When to try again after a `SYSTEM_ERROR`, in seconds: services that throttle recover within it.
pub const RETRY_AFTER_SECONDS: u16 = 5;
/// How a client is to say who it is (RFC 6750 section 3).
const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"webhook-relay\"");
/// The content type of every problem document.
pub const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

/// What is answered when a request is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What went wrong.
    pub code: Code,
    /// What went wrong in this case, for the client.
    pub detail: String,
    /// The wrong fields.
    pub errors: Vec<Mistake>,
    /// What went wrong inside, for the log alone.
    pub cause: Option<String>,
    /// What is known about the request, for the log alone.
    pub facts: Facts,
}

impl Problem {
    /// A problem without wrong fields.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let (detail, errors) = (detail.into(), Vec::new());
        Self { code, detail, errors, cause: None, facts: Facts::default() }
    }

    /// The relay could not do its part. The cause is for the log, not for the client.
    pub fn system(cause: impl ToString) -> Self {
        let detail = format!("try again in {RETRY_AFTER_SECONDS} s; trying again is always safe");
        Self { cause: Some(cause.to_string()), ..Self::new(Code::SystemError, detail) }
    }

    /// The same problem, with what the log alone is told.
    #[must_use]
    pub fn because(self, cause: impl ToString) -> Self {
        Self { cause: Some(cause.to_string()), ..self }
    }

    /// The same problem of a part of the request, the one at this pointer.
    #[must_use]
    pub fn at(mut self, pointer: &str) -> Self {
        for mistake in &mut self.errors {
            mistake.pointer.insert_str(0, pointer);
        }
        self
    }

    /// The same problem, with what is known about the request.
    #[must_use]
    pub fn about(self, facts: Facts) -> Self {
        Self { facts, ..self }
    }

    /// The answer as it goes out.
    pub fn render(&self, correlation_id: &CorrelationId) -> Response {
        let document = ProblemAnswer {
            r#type: self.code.problem_type(),
            title: self.code.title(),
            status: self.code.status().as_u16(),
            code: self.code.as_str(),
            detail: &self.detail,
            errors: self.errors.iter().map(FieldError::of).collect(),
            correlation_id: correlation_id.as_str(),
        };
        let mut response = (self.code.status(), axum::Json(document)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, CONTENT_TYPE);
        if self.code == Code::Unauthenticated {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, CHALLENGE);
        }
        if self.code.status().is_server_error() {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER_SECONDS.into());
        }
        response
    }
}

/// The problem travels in the answer's extensions until it is written out.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.code.status();
        response.extensions_mut().insert(self);
        response
    }
}

/// A problem document.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProblemAnswer<'a> {
    /// The page about the code.
    r#type: String,
    /// What every case of the code has in common.
    title: &'a str,
    /// The HTTP status.
    status: u16,
    /// What went wrong; clients branch on it.
    code: &'a str,
    /// What went wrong in this case.
    detail: &'a str,
    /// The wrong fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError<'a>>,
    /// Ties the request to its logs.
    correlation_id: &'a str,
}

/// One wrong field.
#[derive(Debug, Serialize, ToSchema)]
pub struct FieldError<'a> {
    /// Which field, as a JSON pointer (RFC 6901); empty for the request as a whole.
    pointer: &'a str,
    /// What is wrong with it.
    detail: &'a str,
}

impl<'a> FieldError<'a> {
    pub(crate) fn of(mistake: &'a Mistake) -> Self {
        Self { pointer: &mistake.pointer, detail: &mistake.detail }
    }
}

impl From<Mistakes> for Problem {
    fn from(mistakes: Mistakes) -> Self {
        let detail = match (mistakes.listed().len(), mistakes.unlisted()) {
            (1, 0) => "one field is wrong".to_owned(),
            (listed, 0) => format!("{listed} fields are wrong"),
            (listed, more) => {
                format!("{} fields are wrong, the first {listed} are listed", listed + more)
            }
        };
        let errors = mistakes.listed().to_vec();
        Self { errors, ..Self::new(mistakes.code(), detail) }
    }
}

impl From<AcceptError> for Problem {
    fn from(error: AcceptError) -> Self {
        match error {
            AcceptError::IdReused { fields, .. } => {
                let errors = fields.iter().map(|field| Mistake {
                    pointer: format!("/{field}"),
                    detail: "differs from the message that was accepted".to_owned(),
                    code: Code::MessageIdReused,
                });
                let detail = "this senderId has used this messageId for other content";
                Self { errors: errors.collect(), ..Self::new(Code::MessageIdReused, detail) }
            }
            AcceptError::UploadMissing => Mistakes::one("/payload/uploadId", error).into(),
            AcceptError::RecordGone => Self::system(error),
            AcceptError::Port(error) => error.into(),
        }
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::NotFound => Self::new(Code::NotFound, error.to_string()),
            ReadError::BodyCorrupt => Self::system(error),
            ReadError::Port(error) => error.into(),
        }
    }
}

impl From<PortError> for Problem {
    fn from(error: PortError) -> Self {
        match error {
            PortError::Unavailable { .. } | PortError::Corrupt { .. } => Self::system(error),
        }
    }
}
