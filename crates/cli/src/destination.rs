//! `relay destination`: how the circuit breakers of a host stand, told by the relay's API.

use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use crate::Failure;
use crate::api::ApiArguments;
use crate::terminal::{indented, line, printable};

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    api: ApiArguments,
    /// The host, with :port unless it is the scheme's own; or a URL, of which scheme, host and port count.
    host: String,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let answer = arguments.api.api()?.get(&path(&arguments.host)).await?;
    if arguments.json {
        line(&indented(&answer));
    } else {
        answer["destinations"].as_array().into_iter().flatten().for_each(|one| line(&told(one)));
    }
    Ok(ExitCode::SUCCESS)
}

/// What to ask for. The relay judges it.
fn path(host: &str) -> String {
    let (scheme, rest) = match host.split_once("://") {
        Some((scheme, rest)) => (Some(scheme), rest),
        None => (None, host),
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let query = scheme.map(|scheme| format!("?scheme={scheme}")).unwrap_or_default();
    format!("/v1/destinations/{host}{query}")
}

/// A destination in a line: its state first, then until when and why.
fn told(destination: &Value) -> String {
    let text = |value: &Value| match value {
        Value::String(text) => printable(text),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let mut told =
        format!("{}  {}", text(&destination["destination"]), text(&destination["state"]));
    let why = &destination["why"];
    let last = if why["status"].is_null() { &why["error"] } else { &why["status"] };
    for (label, value) in [
        ("since", &destination["since"]),
        ("until", &destination["until"]),
        ("step", &destination["step"]),
        ("attempts taken", &destination["taken"]),
        ("of", &destination["allowance"]),
        ("times opened", &destination["openings"]),
        ("because of", &why["rule"]),
        ("failures", &why["failures"]),
        ("among", &why["outcomes"]),
        ("the last", last),
    ] {
        if !value.is_null() {
            told.push_str(&format!("  {label} {}", text(value)));
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_host_or_a_url_is_asked_for() {
        for (host, expected) in [
            ("api.example.com", "api.example.com"),
            ("api.example.com:8080", "api.example.com:8080"),
            ("https://api.example.com/hooks?a", "api.example.com?scheme=https"),
            ("http://[2001:db8::1]:81", "[2001:db8::1]:81?scheme=http"),
        ] {
            assert_eq!(path(host), format!("/v1/destinations/{expected}"));
        }
    }

    #[test]
    fn a_destination_is_told_in_a_line() {
        let open = json!({
            "destination": "https://api.example.com", "state": "OPEN", "since": "t1", "until": "t2",
            "openings": 2, "why": {"rule": "FAILURES_IN_A_ROW", "failures": 10, "status": 503},
        });
        expect_test::expect!["https://api.example.com  OPEN  since t1  until t2  times opened 2  because of FAILURES_IN_A_ROW  failures 10  the last 503"].assert_eq(&told(&open));
        let closed = json!({"destination": "http://a.example", "state": "CLOSED", "openings": 0});
        expect_test::expect!["http://a.example  CLOSED  times opened 0"].assert_eq(&told(&closed));
    }
}
