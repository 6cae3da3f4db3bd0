//! The roles of the template against the calls that were made: everything called is allowed, and
//! everything allowed is called.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use data_encoding::HEXLOWER;
use relay_local::stack::{access_key_id, surroundings};
use relay_local::template::{Description, Template};
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::support::{Client, Launch, Queues, SOON, Stack, message, until};

/// What is allowed and not called here, by the start of the action, with the reason for each.
const NOT_CALLED_HERE: [(&str, &str); 1] = [("logs:", "Lambda writes the logs, not the functions")];

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct Call {
    caller: String,
    action: String,
    resource: String,
}

/// The template as the stack reads it.
fn description() -> Description {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../template.yaml");
    let template = Template::read(&path).unwrap();
    template.describe(&surroundings("http://127.0.0.1:0"), &BTreeMap::new()).unwrap()
}

/// A resource as the record of calls writes it: what comes after the account in its ARN.
fn resource_of(arn: &str) -> String {
    let name = arn.splitn(6, ':').nth(5).unwrap_or_else(|| panic!("{arn} is no ARN"));
    name.strip_prefix("table/").unwrap_or(name).to_owned()
}

/// Everything that the role of each function allows, as calls of that function; and the role's name.
fn allowed(description: &Description) -> BTreeMap<Call, String> {
    let mut allowed = BTreeMap::new();
    for function in &description.functions {
        let role = function.role.clone().expect("each function has a role of its own");
        for statement in &description.role(&role).unwrap().statements {
            for action in &statement.actions {
                for resource in &statement.resources {
                    let call = Call {
                        caller: access_key_id(&function.binary),
                        action: action.clone(),
                        resource: resource_of(resource),
                    };
                    allowed.insert(call, role.clone());
                }
            }
        }
    }
    allowed
}

/// Goes every way that a message can go.
async fn exercise(stack: &Stack, client: &Client) {
    let target = |path: &str| stack.target(path);
    assert_eq!(client.get("/health/ready").await.status, 200);
    let first = message("roles", &target("/demo/ok"));
    let mut ids = vec![client.accept(&first).await];
    assert_eq!(client.post(&first).await.status, 200, "a duplicate");
    ids.push(client.accept(&message("roles", &target("/demo/flaky/1"))).await);
    let dead = message("roles", &target("/demo/flaky/2"));
    let dead_id = client.accept(&dead).await;
    for bytes in [20_000, 300_000] {
        let mut large = message("roles", &target("/demo/ok"));
        large["body"] = json!("x".repeat(bytes));
        ids.push(client.accept(&large).await);
    }
    ids.push(by_upload(client, &target("/demo/ok")).await);
    for id in &ids {
        assert_eq!(client.finished(id).await["status"], "DELIVERED");
        let shown = client.get(&format!("/v1/messages/{id}?include=body")).await.json;
        if let Some(url) = shown["bodyUrl"].as_str() {
            client.download(url).await;
        }
    }
    assert_eq!(client.finished(&dead_id).await["status"], "DEAD");
    let queues = Queues::of(stack);
    queues.dead_letter("messageId", dead["messageId"].as_str().unwrap()).await;
    queues.redrive().await;
    until("DELIVERED after a redrive", SOON, async || {
        (client.show(&dead_id).await["status"] == "DELIVERED").then_some(())
    })
    .await;
    queues.drained().await;
}

async fn by_upload(client: &Client, target: &str) -> String {
    let bytes = b"uploaded".to_vec();
    let sha256 = HEXLOWER.encode(&Sha256::digest(&bytes));
    let announcement = json!({ "bytes": bytes.len(), "sha256": sha256 });
    let upload = client.post_text("/v1/uploads", announcement.to_string()).await.json;
    let mut put = client.request(Method::PUT, upload["url"].as_str().unwrap());
    for (name, value) in upload["headers"].as_object().unwrap() {
        if name != "content-length" {
            put = put.header(name, value.as_str().unwrap());
        }
    }
    assert_eq!(put.body(bytes).send().await.unwrap().status(), 200);
    let mut uploaded = message("roles", target);
    uploaded.as_object_mut().unwrap().remove("body");
    uploaded["payload"] = json!({ "uploadId": upload["uploadId"] });
    client.accept(&uploaded).await
}

#[tokio::test]
async fn each_role_allows_what_its_function_calls_and_nothing_more() {
    let stack = Launch::new("roles")
        .parameter("BatchWindowSeconds", "0")
        .setting("RETRY_ATTEMPTS_MAX", "2")
        .setting("RETRY_BASE_SECONDS", "0.1")
        .start();
    let client = Client::of(&stack);
    exercise(&stack, &client).await;

    let allowed = allowed(&description());
    let callers: BTreeSet<&str> = allowed.keys().map(|call| call.caller.as_str()).collect();
    assert_eq!(callers.len(), 2, "{callers:?}");
    let calls: Vec<Call> = serde_json::from_value(client.get("/_local/calls").await.json).unwrap();
    let of_functions = calls.into_iter().filter(|call| callers.contains(call.caller.as_str()));
    let called: BTreeSet<Call> = of_functions.collect();

    let refused: Vec<_> = called.iter().filter(|call| !allowed.contains_key(call)).collect();
    assert!(refused.is_empty(), "called and not allowed by the role: {refused:#?}");
    let is_excepted =
        |call: &Call| NOT_CALLED_HERE.iter().any(|(action, _)| call.action.starts_with(action));
    let (excepted, unused): (Vec<_>, Vec<_>) = allowed
        .iter()
        .filter(|(call, _)| !called.contains(call))
        .partition(|(call, _)| is_excepted(call));
    assert!(unused.is_empty(), "allowed by the role and never called: {unused:#?}");
    for (action, why) in NOT_CALLED_HERE {
        let is_needed = excepted.iter().any(|(call, _)| call.action.starts_with(action));
        assert!(is_needed, "no exception is needed for {action}: {why}");
    }
}
