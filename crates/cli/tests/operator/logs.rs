//! One message's story on the local logs, by each of its names.

use std::process::Command;

use serde_json::{Value, json};

use crate::stack::{Relay, Said, within_soon};

/// Runs `relay logs` on the relay's data folder.
async fn logs(relay: &Relay, arguments: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_relay"));
    command.env_clear().arg("logs").args(arguments).arg("--data-dir").arg(relay.data_folder());
    Said::of(tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_story_of_a_message_is_found_by_its_message_id_alone() {
    let relay = Relay::start(&[]).await;
    let id = relay.accept("told-of", "/gone").await;
    relay.accept("not-told-of", "/ok").await;
    let ids = vec![id.clone()];
    relay.all_are(&ids, "DEAD", 0).await;
    relay.receiver.mend();
    let (status, _) = relay.post(&format!("/v1/messages/{id}/redrive")).await;
    assert_eq!(status, 202);
    relay.all_are(&ids, "DELIVERED", 1).await;

    // The last lines may still be on their way when the record has it.
    let is_told = |line: &Value| line["message"] != "request" || line["method"] != "GET";
    let mut told: Vec<Value> = Vec::new();
    let is_whole = async || {
        told = logs(&relay, &["told-of", "--json"]).await.json();
        told.retain(is_told);
        told.len() >= 5
    };
    assert!(within_soon(is_whole).await, "{told:?}");
    // A request is told of when it is answered, and the worker may be quicker than the answer.
    told[3..].sort_by_key(|line| line["message"] != "request");
    let steps: Vec<_> = told.iter().map(|line| line["message"].as_str().unwrap()).collect();
    assert_eq!(steps, ["request", "attempt", "message is dead", "request", "attempt"]);
    let of = |step: usize, field: &str| told[step][field].clone();
    assert_eq!((of(0, "status"), of(0, "duplicate")), (json!(202), json!(false)));
    assert_eq!((of(1, "status"), of(1, "outcome")), (json!(410), json!("permanent")));
    assert_eq!(of(2, "reason"), of(1, "decision"));
    assert_eq!(of(3, "route"), "/v1/messages/{id}/redrive");
    assert_eq!((of(4, "decision"), of(4, "generation")), (json!("delivered"), json!(1)));
    for line in &told {
        assert_eq!((&line["message_id"], &line["id"]), (&json!("told-of"), &json!(id)), "{line}");
        assert!(line["function"].is_string() && line["trace_id"].is_string(), "{line}");
    }
    assert_eq!(of(0, "trace_id"), of(1, "trace_id"), "one request, one trace");
    assert_ne!(of(1, "trace_id"), of(4, "trace_id"), "a redrive begins another");

    // The relay's own id finds the same, and people can read it.
    let by_id = logs(&relay, &[&id]).await;
    assert_eq!(by_id.code, 0, "{by_id:?}");
    assert!(by_id.out.lines().count() >= told.len(), "{by_id:?}");
    assert!(by_id.out.contains(": attempt attempt=1"), "{by_id:?}");
    let unknown = logs(&relay, &["nobody"]).await;
    assert_eq!((unknown.code, unknown.out.as_str()), (1, ""));
    assert!(unknown.err.contains("saved query"), "{unknown:?}");
}
