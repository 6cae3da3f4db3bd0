//! `GET /v1/destinations/{host}`: how the circuit breakers of a host stand, and why. Reads them, and can do
//! nothing to them. One that cannot be read is shown as what workers take it for: closed.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Query, State};
use futures::future::try_join_all;
use relay_core::breaker::{self, Breaker, Phase, Rule};
use relay_core::destination::Target;
use relay_core::ports::PortError;
use serde::Serialize;
use utoipa::ToSchema;

use crate::mistakes::Mistakes;
use crate::problem::{Problem, ProblemAnswer};
use crate::router::App;

/// The schemes of targets. Each makes a destination of its own.
const SCHEMES: [&str; 2] = ["https", "http"];

/// How the breakers of a host stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DestinationsAnswer {
    /// The host, with its port if one was asked for.
    pub host: String,
    /// One entry for each scheme that was asked for.
    pub destinations: Vec<DestinationAnswer>,
}

/// How the breaker of one destination stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DestinationAnswer {
    /// Scheme, host and port; the port of the scheme is left out.
    pub destination: String,
    /// CLOSED: attempts are free. OPEN: none is made. HALF_OPEN: one attempt probes. RAMPING: so many are
    /// made and no more.
    pub state: &'static str,
    /// Since when (RFC 3339). Absent if it never opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// OPEN: when the next attempt may probe. HALF_OPEN: when the probe counts as lost. RAMPING: when the
    /// next step begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// RAMPING: which step, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<u8>,
    /// Attempts that the step allows, by all workers together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowance: Option<u32>,
    /// How many of them workers have taken so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taken: Option<u32>,
    /// How often it opened since it was last closed.
    pub openings: u32,
    /// Why it opened last. Absent if it never did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<WhyAnswer>,
}

/// Why a breaker opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WhyAnswer {
    /// FAILURES_IN_A_ROW, FAILURE_SHARE or PROBE_FAILED.
    pub rule: &'static str,
    /// Failures that the rule counted, by the worker that saw them.
    pub failures: u32,
    /// FAILURE_SHARE: outcomes they were part of, within a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcomes: Option<u32>,
    /// The status of the last failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why the last failure had none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'static str>,
}

impl DestinationAnswer {
    fn of(destination: String, breaker: Option<Breaker>) -> Self {
        let closed = Self {
            destination,
            state: "CLOSED",
            since: None,
            until: None,
            step: None,
            allowance: None,
            taken: None,
            openings: 0,
            why: None,
        };
        let Some(breaker) = breaker else { return closed };
        let known = Self {
            since: Some(breaker.since.to_string()),
            openings: breaker.openings,
            why: Some(WhyAnswer::of(breaker.why)),
            ..closed
        };
        match breaker.phase {
            Phase::Closed => known,
            Phase::Open { until } => {
                Self { state: "OPEN", until: Some(until.to_string()), ..known }
            }
            Phase::Ramping { step, taken, until } => Self {
                state: if step == 0 { "HALF_OPEN" } else { "RAMPING" },
                until: Some(until.to_string()),
                step: (step > 0).then_some(step),
                allowance: Some(breaker::allowance(step)),
                taken: Some(taken),
                ..known
            },
        }
    }
}

impl WhyAnswer {
    fn of(why: breaker::Why) -> Self {
        let (rule, failures, outcomes) = match why.rule {
            Rule::InARow { failures } => ("FAILURES_IN_A_ROW", failures, None),
            Rule::Share { failed, outcomes } => ("FAILURE_SHARE", failed, Some(outcomes)),
            Rule::Probe => ("PROBE_FAILED", 1, None),
        };
        let error = why.last.err().map(|error| error.as_str());
        Self { rule, failures, outcomes, status: why.last.ok(), error }
    }
}

/// How the circuit breakers of a host stand.
#[utoipa::path(
    get, path = "/v1/destinations/{host}", operation_id = "getDestination", tag = "destinations",
    params(
        ("host" = String, Path, description = "A host name or address, with `:port` unless it is the scheme's own"),
        ("scheme" = Option<String>, Query, description = "`https` or `http`: only the destination of this scheme"),
    ),
    responses(
        (status = 200, description = "The breaker of each scheme", body = DestinationsAnswer),
        (status = 400, description = "VALIDATION_ERROR", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 503, description = "SYSTEM_ERROR: try again", body = ProblemAnswer, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn get_destination(
    State(app): State<Arc<App>>,
    host: Result<Path<String>, PathRejection>,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Json<DestinationsAnswer>, Problem> {
    let schemes = schemes(&query)?;
    let host = host.map(|Path(host)| host).unwrap_or_default();
    let destinations = destinations(&host, &schemes)?;
    let ports = &app.accept.ports;
    let now = ports.ambient.now();
    let answers = destinations.into_iter().map(|destination| async move {
        let breaker = ports.breakers.read(&destination, now).await?;
        Ok::<_, PortError>(DestinationAnswer::of(destination, breaker))
    });
    Ok(Json(DestinationsAnswer { host, destinations: try_join_all(answers).await? }))
}

fn schemes(query: &[(String, String)]) -> Result<Vec<&str>, Mistakes> {
    let mut mistakes = Mistakes::default();
    let mut chosen = SCHEMES.to_vec();
    for (name, value) in query {
        match name.as_str() {
            "scheme" if SCHEMES.contains(&value.as_str()) => {
                chosen.retain(|scheme| *scheme == value.as_str());
            }
            "scheme" => mistakes.add("", "query parameter scheme must be https or http"),
            _ => mistakes.add("", "there is no query parameter but scheme"),
        }
    }
    mistakes.or(Some(chosen))
}

/// The destinations as targets of this host have them.
fn destinations(host: &str, schemes: &[&str]) -> Result<Vec<String>, Mistakes> {
    let of_scheme = |scheme: &&str| {
        let target = Target::parse(&format!("{scheme}://{host}")).ok()?;
        let url = target.url();
        let is_host = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        is_host.then(|| target.destination())
    };
    let destinations: Option<Vec<String>> = schemes.iter().map(of_scheme).collect();
    let detail = "the path must end with a host, or host:port, that targets can have";
    destinations.ok_or_else(|| Mistakes::one("", detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_read_as_the_target_of_a_message_is() {
        for (host, expected) in [
            ("API.example.com", Some(["https://api.example.com", "http://api.example.com"])),
            (
                "api.example.com:443",
                Some(["https://api.example.com", "http://api.example.com:443"]),
            ),
            ("127.0.0.1:3001", Some(["https://127.0.0.1:3001", "http://127.0.0.1:3001"])),
            ("[2001:db8::1]:80", Some(["https://[2001:db8::1]:80", "http://[2001:db8::1]"])),
            ("api.example.com/hooks", None),
            ("api.example.com?a=1", None),
            ("api.example.com#a", None),
            ("user@api.example.com", None),
            ("api.example.com:70000", None),
            ("", None),
        ] {
            let expected = expected.map(|both| both.map(str::to_owned).to_vec());
            assert_eq!(destinations(host, &SCHEMES).ok(), expected, "{host}");
        }
    }
}
