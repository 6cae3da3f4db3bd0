//! What is answered about many messages. Holds no logic but the mapping.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use relay_core::identity::{CorrelationId, MessageId, RelayId};
use relay_core::lifecycle::Status;
use serde::Serialize;
use utoipa::ToSchema;

use crate::accept::Accepted;
use crate::many::Many;
use crate::mistakes::Mistake;
use crate::observe::Facts;
use crate::problem::{Problem, RETRY_AFTER_SECONDS};

/// One message that was done: its part of the answer, and its facts.
#[derive(Debug, Clone)]
pub(crate) struct Done {
    /// What it would have been answered by itself.
    pub(crate) status: StatusCode,
    /// Where it is in its life.
    pub(crate) message_status: Status,
    /// How often it was set going again, if it just was.
    pub(crate) generation: Option<u32>,
    /// Until when it is kept, if it was set going again.
    pub(crate) expires_at: Option<String>,
    /// Whether the request named its id before: what was done is counted and logged there.
    pub(crate) is_repeated: bool,
    pub(crate) facts: Facts,
}

/// What one message came to.
pub(crate) type Told = Result<Done, Box<Problem>>;

/// A message that was accepted, now or before.
pub(crate) fn told_of(accepted: &Accepted, facts: Facts) -> Done {
    Done {
        status: if accepted.duplicate { StatusCode::OK } else { StatusCode::ACCEPTED },
        message_status: accepted.status,
        generation: None,
        expires_at: None,
        is_repeated: false,
        facts,
    }
}

/// The answer about many messages: one result for each, in the order of the request.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "accepted": 1, "duplicates": 0, "refused": 1, "failed": 0, "correlationId": "6f1c0a52",
    "results": [
        {"status": 202, "id": "msg_ggpnalxhrmz5ug4m3zbksnfqyv4x7v5i", "messageId": "order-1042", "messageStatus": "QUEUED", "duplicate": false},
        {"status": 400, "problem": {"type": "urn:webhook-relay:VALIDATION_ERROR", "title": "the request is not valid", "code": "VALIDATION_ERROR",
            "detail": "one field is wrong", "errors": [{"pointer": "/messages/1/targetUrl", "detail": "is required"}]}},
    ],
}))]
pub struct BulkAnswer {
    /// How many were accepted, set going again, or cancelled.
    pub accepted: u32,
    /// How many had been accepted before, or were named before in the same request.
    pub duplicates: u32,
    /// How many were refused: a result with a status of 4xx.
    pub refused: u32,
    /// How many the relay could not do its part for: 503. Trying them again is always safe.
    pub failed: u32,
    /// Ties the request to its logs and its deliveries.
    pub correlation_id: String,
    /// What each came to.
    pub results: Vec<ResultAnswer>,
}

/// What one of many messages came to.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResultAnswer {
    /// The HTTP status it would have been answered with by itself.
    pub status: u16,
    /// The relay's id of it, unless it could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub id: Option<RelayId>,
    /// The sender's id of it, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub message_id: Option<MessageId>,
    /// Where it is in its life, if it was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_status: Option<&'static str>,
    /// Whether the same message had been accepted before, or was named before in the same request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duplicate: Option<bool>,
    /// How often it was set going again, this time included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<u32>,
    /// Until when it is kept, if it was set going again (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// Why it was not done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<ResultProblem>,
}

/// Why one of many messages was not done: what its own problem document would say.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResultProblem {
    /// The page about the code.
    r#type: String,
    /// What every case of the code has in common.
    title: &'static str,
    /// What went wrong; clients branch on it.
    code: &'static str,
    /// What went wrong in this case.
    detail: String,
    /// The wrong fields, by their places in the whole request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<ResultError>,
}

/// One wrong field of one of many messages.
#[derive(Debug, Serialize, ToSchema)]
pub struct ResultError {
    /// Which field, as a JSON pointer (RFC 6901).
    pointer: String,
    /// What is wrong with it.
    detail: String,
}

impl ResultError {
    fn of(mistake: Mistake) -> Self {
        Self { pointer: mistake.pointer, detail: mistake.detail }
    }
}

impl ResultAnswer {
    fn of(told: Told, many: &mut Many) -> Self {
        let empty = |status| Self {
            status,
            id: None,
            message_id: None,
            message_status: None,
            duplicate: None,
            generation: None,
            expires_at: None,
            problem: None,
        };
        match told {
            Ok(Done { status, message_status, generation, expires_at, is_repeated, facts }) => {
                let told = Self {
                    id: facts.id.clone(),
                    message_id: facts.message_id.clone(),
                    message_status: Some(message_status.as_str()),
                    duplicate: if is_repeated { Some(true) } else { facts.duplicate },
                    generation,
                    expires_at,
                    ..empty(status.as_u16())
                };
                match is_repeated {
                    true => many.repeated(),
                    false => many.done(status.as_u16(), facts),
                }
                told
            }
            Err(mut problem) => {
                let code = problem.code;
                let errors = std::mem::take(&mut problem.errors);
                let told = Self {
                    id: problem.facts.id.clone(),
                    message_id: problem.facts.message_id.clone(),
                    problem: Some(ResultProblem {
                        r#type: code.problem_type(),
                        title: code.title(),
                        code: code.as_str(),
                        detail: std::mem::take(&mut problem.detail),
                        errors: errors.into_iter().map(ResultError::of).collect(),
                    }),
                    ..empty(code.status().as_u16())
                };
                many.problem(*problem);
                told
            }
        }
    }
}

impl BulkAnswer {
    /// The answer about what each came to; and the same for counting and for the log.
    pub(crate) fn of(told: Vec<Told>, correlation_id: &CorrelationId) -> (Self, Many) {
        let mut many = Many::with_capacity(told.len());
        let results = told.into_iter().map(|told| ResultAnswer::of(told, &mut many)).collect();
        let counts = many.counts();
        let answer = Self {
            accepted: counts.accepted,
            duplicates: counts.duplicates,
            refused: counts.refused,
            failed: counts.failed,
            correlation_id: correlation_id.to_string(),
            results,
        };
        (answer, many)
    }
}

impl IntoResponse for BulkAnswer {
    fn into_response(self) -> Response {
        let failed = self.failed > 0;
        let mut response = (StatusCode::MULTI_STATUS, Json(self)).into_response();
        if failed {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER_SECONDS.into());
        }
        response
    }
}
