//! What every request has, whatever its route: a correlation id, a time limit, an answer in which
//! nothing internal shows, and one line in the log.
//!
//! Bodies and headers are never logged.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, header};
use relay_core::identity::{CorrelationId, MessageId, RelayId, SenderId};
use relay_core::message::Message;
use relay_core::time::whole_millis;
use relay_core::trace::{self, Given, Trace};
use tracing::{Instrument, error_span};

use crate::accept::{Accepted, Draft};
use crate::access::KeyUsed;
use crate::count::count;
use crate::event::{GatewayRequestId, HostTrace, SourceAddress};
use crate::many::Many;
use crate::mistakes::Mistakes;
use crate::problem::Problem;
use crate::router::App;
use crate::submission::Submission;

/// The header that carries the correlation id, both ways.
pub const CORRELATION_HEADER: HeaderName = HeaderName::from_static("x-correlation-id");
/// How long a request may take. The function ends at 29 s: an answer of our own comes before that.
const REQUEST_LIMIT: Duration = Duration::from_secs(25);
/// What the log says for a request that no route takes.
const NO_ROUTE: &str = "none";

/// What is known about a request besides its route, for the log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// The relay's id of the message.
    pub id: Option<RelayId>,
    /// The sender's own.
    pub message_id: Option<MessageId>,
    /// Where it goes.
    pub destination: Option<String>,
    /// Who sends.
    pub sender_id: Option<SenderId>,
    /// Whether it had been accepted before.
    pub duplicate: Option<bool>,
    /// Size of the body of an accepted message.
    pub payload_bytes: Option<u64>,
    /// Whether that went to S3 because it does not fit the queue.
    pub offloaded: bool,
}

impl Facts {
    /// What a stored message is called.
    pub(crate) fn of(message: &Message) -> Self {
        Self {
            id: Some(message.id.clone()),
            message_id: Some(message.message_id.clone()),
            sender_id: Some(message.sender_id.clone()),
            destination: Some(message.target.destination()),
            ..Self::default()
        }
    }

    /// What a message about to be accepted is called, and how large it is.
    pub(crate) fn of_draft(draft: &Draft) -> Self {
        Self { payload_bytes: Some(draft.body_bytes()), ..Self::of(&draft.message) }
    }

    /// What a message that is refused for its sender is called.
    pub(crate) fn of_submission(submission: &Submission) -> Self {
        Self {
            message_id: Some(submission.message_id.clone()),
            sender_id: Some(submission.sender_id.clone()),
            destination: Some(submission.target.destination()),
            ..Self::default()
        }
    }

    /// The same, once the message was accepted.
    pub(crate) fn accepted(self, accepted: &Accepted) -> Self {
        Self { duplicate: Some(accepted.duplicate), offloaded: accepted.offloaded, ..self }
    }
}

/// Runs the route of a request with all of that around it.
pub(crate) async fn observe(
    State(app): State<Arc<App>>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let (correlation_id, malformed) = correlation_id(&request, &app);
    let trace = trace(&request, &app);
    let (trace_id, xray_trace_id) = (trace.id(), trace.xray_id());
    // An error, so that no level of the log hides whose lines they are.
    let span =
        error_span!("request", correlation_id = correlation_id.as_str(), trace_id, xray_trace_id);
    let source = request.extensions().get::<SourceAddress>().map(|source| source.0);
    let request_id = request.extensions().get::<GatewayRequestId>().cloned();
    request.extensions_mut().insert(correlation_id.clone());
    request.extensions_mut().insert(trace);
    let mut response = match malformed {
        Some(mistakes) => Problem::from(mistakes).into_response(),
        None => within(REQUEST_LIMIT, next.run(request)).instrument(span.clone()).await,
    };
    let problem = response.extensions_mut().remove::<Problem>();
    let key = response.extensions_mut().remove::<KeyUsed>();
    if let Some(problem) = &problem {
        let headers = std::mem::take(response.headers_mut());
        response = problem.render(&correlation_id);
        // What was said besides the problem stays; what was said of its empty body does not.
        let about_body = [header::CONTENT_TYPE, header::CONTENT_LENGTH];
        for (name, value) in headers.iter().filter(|(name, _)| !about_body.contains(name)) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    finish(&mut response, &correlation_id);
    let facts = response.extensions_mut().remove::<Facts>();
    let many = response.extensions_mut().remove::<Many>();
    let line = Line {
        method: method.as_str(),
        route: matched.as_ref().map_or(NO_ROUTE, MatchedPath::as_str),
        status: response.status().as_u16(),
        correlation_id: &correlation_id,
        request_id: request_id.as_ref().map(|GatewayRequestId(id)| id.as_str()),
        source,
        key_id: key.as_ref().map(|KeyUsed(id)| id.as_str()),
        duration: started.elapsed(),
        cold_start: !app.warm.swap(true, Ordering::Relaxed),
        facts: problem.as_ref().map(|problem| problem.facts.clone()).or(facts).unwrap_or_default(),
        problem: problem.as_ref(),
        many: many.as_ref(),
    };
    count(&app.recorder, &line);
    if line.is_written(app.success_percent) {
        span.in_scope(|| log(&line, app.success_percent));
    }
    response
}

/// The answer if it comes in time. What was done until then stays, and a retry goes on from there.
async fn within(limit: Duration, answer: impl Future<Output = Response>) -> Response {
    match tokio::time::timeout(limit, answer).await {
        Ok(response) => response,
        Err(_) => Problem::system("the request took too long").into_response(),
    }
}

/// The client's correlation id, else the gateway's request id, else a random one. When the client's
/// cannot be taken, what is wrong with it comes back beside the one used instead.
fn correlation_id(request: &Request, app: &App) -> (CorrelationId, Option<Mistakes>) {
    let gateway = request.extensions().get::<GatewayRequestId>();
    let own = gateway
        .and_then(|id| CorrelationId::parse(&id.0).ok())
        .unwrap_or_else(|| CorrelationId::from_random(app.accept.ports.ambient.bits()));
    let Some(given) = request.headers().get(CORRELATION_HEADER) else {
        return (own, None);
    };
    match given.to_str().ok().map(CorrelationId::parse) {
        Some(Ok(given)) => (given, None),
        Some(Err(_)) | None => {
            let detail = "header x-correlation-id must be 1 to 128 visible ASCII characters";
            (own, Some(Mistakes::one("", detail)))
        }
    }
}

/// The trace that the request belongs to. A header that comes twice says nothing.
fn trace(request: &Request, app: &App) -> Trace {
    let header = |name: &str| {
        let mut values = request.headers().get_all(name).iter();
        let first = values.next()?.to_str().ok();
        first.filter(|_| values.next().is_none())
    };
    let host = request.extensions().get::<HostTrace>().map(|HostTrace(text)| text.as_str());
    let given = Given {
        traceparent: header(trace::TRACEPARENT),
        tracestate: header(trace::TRACESTATE),
        xray: header(trace::XRAY_HEADER),
        xray_of_host: host,
    };
    Trace::of_request(given, app.accept.ports.ambient.bits())
}

/// What every answer says to whatever shows it. Answers are about the moment, and some hold secrets or links that open a
/// body: nobody may keep them. They are data: a browser is to run, frame and guess nothing in them.
const SAFETY: [(HeaderName, HeaderValue); 5] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
    (header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];

fn finish(response: &mut Response, correlation_id: &CorrelationId) {
    let headers = response.headers_mut();
    for (name, value) in SAFETY {
        headers.insert(name, value);
    }
    if let Ok(value) = HeaderValue::from_str(correlation_id.as_str()) {
        headers.insert(CORRELATION_HEADER, value);
    }
}

pub(crate) struct Line<'a> {
    method: &'a str,
    route: &'a str,
    status: u16,
    correlation_id: &'a CorrelationId,
    /// The gateway's: the client does not choose it.
    request_id: Option<&'a str>,
    source: Option<IpAddr>,
    key_id: Option<&'a str>,
    pub(crate) duration: Duration,
    cold_start: bool,
    pub(crate) facts: Facts,
    pub(crate) problem: Option<&'a Problem>,
    pub(crate) many: Option<&'a Many>,
}

impl Line<'_> {
    /// Whether the line is written when the plain success of `percent` in a hundred messages is. That of many is if the line
    /// of any of them is.
    fn is_written(&self, percent: u8) -> bool {
        match (self.problem, self.many) {
            (Some(_), _) => true,
            (None, Some(many)) => many.is_written(percent),
            (None, None) => self.facts.is_written(percent),
        }
    }
}

/// The one line of a request, after those of the many things that it asked for: an error when the fault is the relay's own.
fn log(line: &Line<'_>, percent: u8) {
    if let Some(many) = line.many {
        many.log(percent);
    }
    let counts = line.many.map(Many::counts);
    macro_rules! write_line {
        ($level:ident) => {
            tracing::$level!(
                method = line.method,
                route = line.route,
                status = line.status,
                code = line.problem.map(|problem| problem.code.as_str()),
                cause = line.problem.and_then(|problem| problem.cause.as_deref()),
                correlation_id = line.correlation_id.as_str(),
                request_id = line.request_id,
                source = line.source.map(tracing::field::display),
                key_id = line.key_id,
                id = line.facts.id.as_ref().map(RelayId::as_str),
                message_id = line.facts.message_id.as_ref().map(MessageId::as_str),
                sender_id = line.facts.sender_id.as_ref().map(SenderId::as_str),
                destination = line.facts.destination.as_deref(),
                payload_bytes = line.facts.payload_bytes,
                duplicate = line.facts.duplicate,
                accepted = counts.map(|counts| counts.accepted),
                duplicates = counts.map(|counts| counts.duplicates),
                refused = counts.map(|counts| counts.refused),
                failed = counts.map(|counts| counts.failed),
                duration_ms = whole_millis(line.duration),
                cold_start = line.cold_start,
                "request"
            )
        };
    }
    if line.status >= 500 { write_line!(error) } else { write_line!(info) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_that_hangs_is_answered_for_before_the_function_ends() {
        assert!(REQUEST_LIMIT < Duration::from_secs(29));
        let response = within(Duration::from_millis(1), std::future::pending()).await;
        let problem = response.extensions().get::<Problem>();
        assert_eq!(problem.map(|problem| problem.code), Some(crate::codes::Code::SystemError));
    }
}
