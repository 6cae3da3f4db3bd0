//! `GET /v1/destinations/{host}`: circuit breakers as an operator sees them.

use http::StatusCode;
use relay_core::breaker::{Breaker, Phase, Rule, Why, WriteId};
use relay_core::outcome::ErrorKind;
use relay_core::ports::Breakers;
use relay_testkit::sample::at;
use serde_json::json;

use crate::faults::Fault;
use crate::relay::Relay;

const DESTINATION: &str = "https://api.example.com";
const PATH: &str = "/v1/destinations/api.example.com?scheme=https";

async fn write(relay: &Relay, version: u64, phase: Phase, why: Why) {
    let breaker = Breaker {
        version,
        write_id: WriteId::from_random([1; 16]),
        written_at: at(0),
        since: at(0),
        opened_in: 1,
        openings: 2,
        phase,
        why,
    };
    relay.breakers.write(DESTINATION, &breaker).await.unwrap();
}

#[tokio::test]
async fn a_host_nobody_complained_about_is_closed_for_both_schemes() {
    let answer = Relay::new().get("/v1/destinations/API.example.com:8080").await;
    assert_eq!(answer.status, StatusCode::OK);
    let closed =
        |destination| json!({"destination": destination, "state": "CLOSED", "openings": 0});
    let both = [closed("https://api.example.com:8080"), closed("http://api.example.com:8080")];
    assert_eq!(answer.json, json!({"host": "API.example.com:8080", "destinations": both}));
}

#[tokio::test]
async fn every_state_says_since_when_until_when_and_why() {
    let relay = Relay::new();
    let share = Why { rule: Rule::Share { failed: 12, outcomes: 21 }, last: Ok(503) };
    write(&relay, 1, Phase::Open { until: at(30_000) }, share).await;
    let open = json!({
        "destination": DESTINATION, "state": "OPEN", "openings": 2,
        "since": "2100-01-01T00:00:00.000Z", "until": "2100-01-01T00:00:30.000Z",
        "why": {"rule": "FAILURE_SHARE", "failures": 12, "outcomes": 21, "status": 503},
    });
    assert_eq!(relay.get(PATH).await.json["destinations"], json!([open]));
    let probe = Why { rule: Rule::Probe, last: Err(ErrorKind::Timeout) };
    write(&relay, 2, Phase::Ramping { step: 0, taken: 1, until: at(20_000) }, probe).await;
    let half_open = json!({
        "destination": DESTINATION, "state": "HALF_OPEN", "openings": 2,
        "since": "2100-01-01T00:00:00.000Z", "until": "2100-01-01T00:00:20.000Z",
        "allowance": 1, "taken": 1,
        "why": {"rule": "PROBE_FAILED", "failures": 1, "error": "timeout"},
    });
    assert_eq!(relay.get(PATH).await.json["destinations"], json!([half_open]));
    let row = Why { rule: Rule::InARow { failures: 10 }, last: Ok(500) };
    write(&relay, 3, Phase::Ramping { step: 3, taken: 40, until: at(20_000) }, row).await;
    let json = relay.get(PATH).await.json;
    let ramping = &json["destinations"][0];
    assert_eq!(ramping["state"], "RAMPING");
    assert_eq!((&ramping["step"], &ramping["allowance"]), (&json!(3), &json!(64)));
    assert_eq!(ramping["why"], json!({"rule": "FAILURES_IN_A_ROW", "failures": 10, "status": 500}));
    write(&relay, 4, Phase::Closed, row).await;
    let json = relay.get(PATH).await.json;
    assert_eq!(json["destinations"][0]["state"], "CLOSED");
    assert_eq!(json["destinations"][0]["why"]["failures"], 10);
    assert!(json["destinations"][0].get("until").is_none());
}

#[tokio::test]
async fn what_is_no_host_is_refused() {
    let relay = Relay::new();
    let host = ": the path must end with a host, or host:port, that targets can have";
    for (path, mistake) in [
        ("/v1/destinations/user@example.com", host),
        ("/v1/destinations/a%2Fb", host),
        ("/v1/destinations/%20", host),
        ("/v1/destinations/%ff", host),
        ("/v1/destinations/a?scheme=ftp", ": query parameter scheme must be https or http"),
        ("/v1/destinations/a?port=1", ": there is no query parameter but scheme"),
    ] {
        let answer = relay.get(path).await;
        assert_eq!(
            (answer.code(), answer.errors()),
            ("VALIDATION_ERROR", vec![mistake.to_owned()])
        );
    }
}

#[tokio::test]
async fn a_table_that_does_not_answer_is_a_system_error() {
    let relay = Relay::new();
    relay.faults.plan("breaker", Fault::Before);
    let answer = relay.get(PATH).await;
    assert_eq!((answer.status, answer.code()), (StatusCode::SERVICE_UNAVAILABLE, "SYSTEM_ERROR"));
    assert!(!answer.json.to_string().contains("secret internals"));
}
